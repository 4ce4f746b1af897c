#include "base/version.h"

#include "flare_agent.h"

// A test builds this file a second time, as that of a later library.
#ifndef FLARE_LIBRARY_MINOR
#define FLARE_LIBRARY_MINOR FLARE_VERSION_MINOR
#endif
#ifndef FLARE_WIRE_OLDEST
#define FLARE_WIRE_OLDEST 1
#endif
#ifndef FLARE_WIRE_NEWEST
#define FLARE_WIRE_NEWEST 1
#endif

namespace flare {

std::string library_version() {
  return std::to_string(FLARE_VERSION_MAJOR) + "." + std::to_string(FLARE_LIBRARY_MINOR) + "." +
         std::to_string(FLARE_VERSION_PATCH);
}

uint32_t library_number() { return FLARE_MAKE_VERSION(FLARE_VERSION_MAJOR, FLARE_LIBRARY_MINOR, FLARE_VERSION_PATCH); }

WireVersions wire_versions() { return {FLARE_WIRE_OLDEST, FLARE_WIRE_NEWEST}; }

}  // namespace flare
