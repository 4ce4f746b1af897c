// Objects as bytes of msgpack, as NVFlare writes and reads them. Pure.
#pragma once

#include "base/bytes.h"
#include "base/limits.h"
#include "fobs/object.h"
#include "fobs/pieces.h"

namespace flare::fobs {

// The one value in `bytes`, to which its own bytes go on to refer. Throws Failure: FLARE_PROTOCOL for what no NVFlare
// sends, FLARE_TOO_LARGE beyond limits.max_objects and limits.max_object_depth.
Object unpack(const Bytes &bytes, const Limits &limits);

// Throws Failure(FLARE_INVALID_ARGUMENT): an object whose class names no decomposer, which no NVFlare would read; bytes
// or text that msgpack has no room for.
void pack(const Object &object, Pieces *to);

}  // namespace flare::fobs
