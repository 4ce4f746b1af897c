// The maps that NVFlare's frames carry, headers and handshakes, as msgpack.
#pragma once

#include <string>
#include <string_view>

#include "cellnet/cell_limits.h"
#include "model/value.h"

namespace flare {

// One map with text keys, all of `encoded` and nothing behind it. Throws Failure(FLARE_PROTOCOL) for what is none,
// Failure(FLARE_TOO_LARGE) beyond the limits. Of a repeated key the last value counts, as in Python.
Map decode_map(std::string_view encoded, const CellLimits &limits);

// In the order of the map, with the shortest form of each value, as Python's msgpack does. Values are those that
// headers have: no tensors and no objects.
std::string encode_map(const Map &map);

}  // namespace flare
