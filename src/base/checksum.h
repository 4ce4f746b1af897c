// The checksum of chunks and inline payloads: XXH3, 64 bits, seed 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flare {

uint64_t checksum(const void *data, size_t size);

}  // namespace flare
