// Frames over ZeroMQ sockets: an agent connects two DEALERs, an exchanger binds one ROUTER.
#pragma once

#include <memory>

#include "config/settings.h"
#include "pipe/zmq/address.h"
#include "pipe/zmq/link.h"
#include "runtime/loop.h"

namespace flare {

std::unique_ptr<Link> make_zmq_agent_link(const Address &address, const Settings &settings, Loop *loop);
std::unique_ptr<Link> make_zmq_exchanger_link(const Address &address, const Settings &settings, Loop *loop);

}  // namespace flare
