// Frames within one process: for tests, mocks and trainers that live with their exchanger. The same wire as over
// ZeroMQ, without sockets: envelopes are encoded and decoded all the same, so that nothing is shared but payloads.
#pragma once

#include <memory>

#include "pipe/zmq/address.h"
#include "pipe/zmq/link.h"
#include "runtime/loop.h"

namespace flare {

std::unique_ptr<Link> make_memory_agent_link(const Address &address, Loop *loop);
std::unique_ptr<Link> make_memory_exchanger_link(const Address &address, Loop *loop);

}  // namespace flare
