// Frames over ZeroMQ sockets: an agent connects two DEALERs, an exchanger binds one ROUTER.
#pragma once

#include <memory>
#include <optional>

#include "config/curve_keys.h"
#include "config/settings.h"
#include "pipe/zmq/address.h"
#include "pipe/zmq/link.h"
#include "runtime/loop.h"

namespace flare {

// With keys, which are for tcp, all is encrypted.
std::unique_ptr<Link> make_zmq_agent_link(const Address &address, const Settings &settings, Loop *loop,
                                          const std::optional<CurveKeys> &keys = std::nullopt);
std::unique_ptr<Link> make_zmq_exchanger_link(const Address &address, const Settings &settings, Loop *loop,
                                              const std::optional<CurveKeys> &keys = std::nullopt);

}  // namespace flare
