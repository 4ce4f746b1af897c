// An envelope as it travels: its FlatBuffer with a checksum behind it. Whatever the network damaged is refused whole
// and sent again by those above; a number that changed on its way must never be believed.
#pragma once

#include "pipe/zmq/frames.h"

namespace flare::wire {

inline constexpr size_t kSealBytes = sizeof(uint64_t);

Bytes seal(const Envelope &envelope);

// Throws what decode() throws, and Failure(FLARE_PROTOCOL) for a frame whose checksum is wrong.
Envelope unseal(const void *data, size_t size, const Limits &limits);

}  // namespace flare::wire
