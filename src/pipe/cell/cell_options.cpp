#include "pipe/cell/cell_options.h"

#include <algorithm>

#include "base/failure.h"
#include "fobs/npy.h"
#include "pipe/cell/cell_words.h"
#include "pipe/cell/pipe_blobs.h"

namespace flare {

namespace {

// Lost ones included, the peer should hear us before it gives us up.
constexpr int kLeastBeatsPerTimeout = 3;

CellSecurity security_of(const std::string &name) {
  return name == "mtls" ? CellSecurity::kMutualTls : name == "tls" ? CellSecurity::kTls : CellSecurity::kClear;
}

}  // namespace

PipeHandler::Options cell_handler_options(PipeHandler::Options options, const Settings &settings) {
  options.peer_interval = settings.heartbeat_interval;
  if (options.heartbeat_timeout) {  // the peer has the same
    const Duration most = *options.heartbeat_timeout / kLeastBeatsPerTimeout;
    options.heartbeat_interval = std::min(options.heartbeat_interval, most);
  }
  options.ack_delay = Duration::zero();
  return options;
}

bool has_token(const ClientApiConfig &config) { return config.auth_token != kNotAuthenticated; }

CellClient::Options cell_client_options(const ClientApiConfig &config, const std::string &own_name, BlockPool *blobs) {
  if (parse_cell_url(config.place.url).tls && config.place.security == "clear") {
    throw Failure(FLARE_INVALID_ARGUMENT, "'" + config.place.url +
                                              "' asks for TLS, and the configuration for none: set cell_security to "
                                              "mtls, or tls, and workspace_dir to the site's folder");
  }
  if (config.place.security != "clear" && !has_token(config)) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "a secure server takes nothing without auth_token and auth_token_signature: NVFlare leaves both in "
                  "client_api_config.json for a trainer that it starts");
  }
  CellClient::Options options;
  options.identity = {own_name, config.site, config.auth_token, config.auth_token_signature};
  options.url = config.place.url;
  options.security = security_of(config.place.security);
  if (options.security != CellSecurity::kClear) options.tls = tls_files_of(config.workspace, options.security);
  options.expected_peer = config.place.parent;
  options.channels = {channel_of(config.task_channel), std::string(kDownloadChannel)};
  if (config.metric_channel) options.channels.insert(channel_of(*config.metric_channel));
  options.places = {blobs, fobs::first_elements_at};
  return options;
}

Duration span_of(const Settings &settings, Duration timeout) {
  const Duration once = timeout + settings.resend_interval;
  const double times = 1.0 + static_cast<double>(settings.max_resends.value_or(0));
  return std::max(settings.download_complete_timeout, from_seconds(std::min(to_seconds(once) * times, 1e9)));
}

}  // namespace flare
