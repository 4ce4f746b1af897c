// The checksum of zip files, as fast as memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace flare {

// Goes on from `crc`, 0 at first; the same as zlib's crc32().
uint32_t crc32_of(uint32_t crc, std::span<const std::byte> bytes);

}  // namespace flare
