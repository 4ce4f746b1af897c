#include "pipe/open_pipe.h"

#include "base/failure.h"
#include "pipe/memory/memory_link.h"
#include "pipe/zmq/address.h"
#include "pipe/zmq/zmq_link.h"

namespace flare {

namespace {

std::unique_ptr<Link> make_link(FramePipe::Role role, const Address &address, const Settings &settings, Loop *loop) {
  const bool agent = role == FramePipe::Role::kAgent;
  if (address.transport == Transport::kMemory) {
    return agent ? make_memory_agent_link(address, loop) : make_memory_exchanger_link(address, loop);
  }
  return agent ? make_zmq_agent_link(address, settings, loop) : make_zmq_exchanger_link(address, settings, loop);
}

}  // namespace

std::unique_ptr<FramePipe> open_pipe(FramePipe::Role role, const Settings &settings, Loop *loop, const Log &log,
                                     PipeListener *listener) {
  const Address address = parse_address(settings.url, settings.allow_insecure);
  if (role == FramePipe::Role::kAgent && address.endpoint.ends_with(":*")) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "the URL '" + address.url + "' has no port: an agent needs the one that its exchanger reports");
  }
  if (role == FramePipe::Role::kExchanger && address.transport == Transport::kZmqTcp && settings.token.empty() &&
      !settings.allow_insecure) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the URL '" + address.url +
                                              "' can be reached by every user of this machine: set the option token, "
                                              "or allow_insecure=true");
  }
  return std::make_unique<FramePipe>(role, settings, make_link(role, address, settings, loop), loop, log, listener);
}

}  // namespace flare
