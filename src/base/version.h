// What this build of the library is, in its own words and on the wire.
#pragma once

#include <cstdint>
#include <string>

namespace flare {

// Wire versions that an end speaks.
struct WireVersions {
  uint16_t oldest = 1, newest = 1;
};

std::string library_version();  // for people: "0.1.0"
uint32_t library_number();      // as FLARE_VERSION
WireVersions wire_versions();

}  // namespace flare
