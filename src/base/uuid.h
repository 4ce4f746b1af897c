// Identifiers that nobody else has. Defined apart, so that a campaign can bring its own and play a schedule again.
#pragma once

#include <string>

namespace flare {

// A random (version 4) UUID as text; the random source is the operating system's.
std::string new_uuid();

}  // namespace flare
