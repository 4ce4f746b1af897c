// Of a version as flare_version() gives it.
#pragma once

#include <cstdint>
#include <string>

namespace flare_tool {

// "0.1.0"
inline std::string version_text(uint32_t version) {
  return std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." + std::to_string(version & 255);
}

}  // namespace flare_tool
