// How a transfer went, in words for the reasons that users read.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace flare {

std::string duration_text(Duration duration);         // "600 s", "500 ms"
std::string bytes_text(int64_t done, int64_t total);  // "10 of 100 bytes", "12 of 64 MiB"

}  // namespace flare
