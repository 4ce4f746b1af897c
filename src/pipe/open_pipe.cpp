#include "pipe/open_pipe.h"

#include <optional>

#include "base/failure.h"
#include "cellnet/cell_url.h"
#include "config/client_api_settings.h"
#include "config/curve_keys.h"
#include "fobs/shareable.h"
#include "pipe/cell/cell_pipe.h"
#include "pipe/file/file_pipe.h"
#include "pipe/memory/memory_link.h"
#include "pipe/zmq/address.h"
#include "pipe/zmq/curve.h"
#include "pipe/zmq/frames.h"
#include "pipe/zmq/zmq_link.h"

namespace flare {

namespace {

std::optional<CurveKeys> keys_for(FramePipe::Role role, const Settings &settings) {
  if (!settings.url.starts_with("zmq+tcp://")) return std::nullopt;  // others do not leave this machine
  return role == FramePipe::Role::kAgent ? curve_keys_of_agent(settings) : curve_keys_of_exchanger(settings);
}

std::unique_ptr<Link> make_link(FramePipe::Role role, const Address &address, const Settings &settings,
                                const std::optional<CurveKeys> &keys, Loop *loop) {
  const bool agent = role == FramePipe::Role::kAgent;
  if (address.transport == Transport::kMemory) {
    return agent ? make_memory_agent_link(address, loop) : make_memory_exchanger_link(address, loop);
  }
  return agent ? make_zmq_agent_link(address, settings, loop, keys)
               : make_zmq_exchanger_link(address, settings, loop, keys);
}

// NVFlare's own file says where its site listens; a URL was written by somebody who may not know what travels in clear.
void check_may_leave(const Settings &settings) {
  const CellPlace &place = settings.client_api->place;
  const bool in_clear = place.security == "clear" && !parse_cell_url(place.url).tls;
  if (!settings.url.starts_with(kCellUrl) || !in_clear || settings.allow_insecure) return;
  if (is_loopback(parse_cell_url(place.url).host)) return;
  throw Failure(FLARE_INVALID_ARGUMENT, "the URL '" + settings.url +
                                            "' leaves this machine, and nothing would be encrypted: set cell_security "
                                            "to mtls, use a loopback address, or set allow_insecure=true");
}

}  // namespace

std::unique_ptr<FramePipe> open_pipe(FramePipe::Role role, const Settings &settings, Loop *loop, const Log &log,
                                     PipeListener *listener) {
  const std::optional<CurveKeys> keys = keys_for(role, settings);
  const Address address = parse_address(settings.url, settings.allow_insecure || keys);
  if (role == FramePipe::Role::kAgent && address.endpoint.ends_with(":*")) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "the URL '" + address.url + "' has no port: an agent needs the one that its exchanger reports");
  }
  if (role == FramePipe::Role::kExchanger && address.transport == Transport::kZmqTcp && settings.token.empty() &&
      !settings.allow_insecure && !keys) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the URL '" + address.url +
                                              "' can be reached by every user of this machine: set the option token, "
                                              "give both ends keys, or set allow_insecure=true");
  }
  if (!settings.trainer_profile.empty() && role == FramePipe::Role::kExchanger && is_wildcard(address.url) &&
      settings.advertise.empty()) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the URL '" + address.url +
                                              "' names no host for trainer_profile: set the option advertise to the "
                                              "host's name or address as the trainer knows it");
  }
  return std::make_unique<FramePipe>(role, settings, make_link(role, address, settings, keys, loop), loop, log,
                                     listener);
}

std::unique_ptr<Pipe> open_agent_pipe(const Settings &settings, Loop *loop, const Log &log, PipeListener *listener) {
  if (!settings.client_api) return open_pipe(FramePipe::Role::kAgent, settings, loop, log, listener);
  if (settings.client_api->files) {
    return std::make_unique<FilePipe>(settings, *settings.client_api, loop, log, listener);
  }
  check_may_leave(settings);
  const CellNaming naming = settings.cell_naming == "2.8" ? CellNaming::kFlat : CellNaming::kTagged;
  return std::make_unique<CellPipe>(settings, *settings.client_api, naming, loop, log, listener);
}

std::vector<uint64_t> payload_sizes(const Settings &settings, const Message &message) {
  if (!settings.client_api) return wire::plan(message, settings.limits).sizes;
  std::vector<uint64_t> sizes;
  std::optional<fobs::ByReference> nowhere;
  if (!settings.client_api->files && settings.cell_arrays != "inside") nowhere = {"-", "-"};
  for (const Tensor &item : fobs::write_shareable(message.data, nowhere, settings.limits).items) {
    sizes.push_back(item.bytes.size);
  }
  return sizes;
}

std::map<std::string, std::string> profile_for_trainer(const Settings &settings, const std::string &url) {
  std::map<std::string, std::string> profile = {{"url", url}, {"agent_id", settings.agent_id}};
  if (!settings.token.empty()) profile["token"] = settings.token;
  if (const auto keys = keys_for(FramePipe::Role::kExchanger, settings)) {
    profile["curve_exchanger_key"] = public_key_of(keys->secret);
  } else if (settings.allow_insecure) {
    profile["allow_insecure"] = "true";
  }
  return profile;
}

}  // namespace flare
