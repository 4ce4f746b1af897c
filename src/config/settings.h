// Every option of agents and exchangers: one table from which C API, environment, profile and documentation live.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "config/client_api_config.h"

namespace flare {

// Names and defaults of semantics section 1. nullopt is `none` or `unlimited`.
struct Settings {
  std::string url;
  std::string agent_id = "agent";
  std::string site;
  std::string job_id;
  std::string token;
  std::string rendezvous_dir;
  std::string rank = "auto";

  std::optional<Duration> connect_timeout = std::chrono::seconds(60);
  Duration close_timeout = std::chrono::seconds(10);
  Duration heartbeat_interval = std::chrono::seconds(5);
  std::optional<Duration> heartbeat_timeout = std::chrono::seconds(60);
  Duration resend_interval = std::chrono::seconds(2);
  std::optional<int64_t> max_resends = 3;
  Duration submit_result_timeout = std::chrono::seconds(60);
  std::optional<Duration> streaming_idle_timeout = std::chrono::seconds(600);
  Duration download_complete_timeout = std::chrono::seconds(1800);
  std::optional<Duration> peer_read_timeout = std::chrono::seconds(60);
  bool launch_once = true;
  Duration reconnect_interval = std::chrono::milliseconds(100);

  std::string train_task_name = "train";
  std::string evaluate_task_name = "validate";
  std::string submit_model_task_name = "submit_model";

  std::string params_transfer_type = "FULL";
  bool check_results = true;

  int64_t metric_queue = 10'000;
  uint64_t warm_bytes = uint64_t{2} << 30;
  Duration warm_timeout = std::chrono::seconds(60);
  bool allow_insecure = false;
  std::string curve_secret_key_file;
  std::string curve_admitted_keys_file;
  std::string curve_exchanger_key;
  std::string curve_exchanger_key_file;
  std::string advertise;
  std::string trainer_profile;

  std::string cell_parent = "server";
  std::string cell_security = "clear";
  std::string cell_naming = "2.8";
  bool cell_metrics = true;
  std::string cell_arrays = "by_reference";
  std::string workspace_dir;
  std::string auth_token;
  std::string auth_token_signature;
  // No option: the job's pipe of NVFlare's own, which the URL says or asks for (resolve_for_agent()).
  std::shared_ptr<const ClientApiConfig> client_api;

  std::string log_level = "warn";
  std::string log_file;
  Limits limits;  // max_tensor_bytes and max_message_bytes can be set
};

struct Option {
  const char *name;
  const char *default_value;
  const char *help;
};

// Whether its value is for the two ends alone.
inline bool is_secret(std::string_view option) {
  return option == "token" || option == "auth_token" || option == "auth_token_signature";
}

size_t option_count();
const Option &option_at(size_t index);

// Sets one option by name (`profile` is only checked: it is no setting). Throws Failure(FLARE_INVALID_ARGUMENT) that
// names the option, the value (never a token) and its source.
void apply_option(Settings *settings, std::string_view name, std::string_view value, std::string_view source);

inline constexpr std::string_view kSetByCall = "set by flare_options_set";

// What the caller set, checked at once. Throws Failure(FLARE_INVALID_ARGUMENT).
class Options {
 public:
  void set(std::string_view name, std::string_view value);
  const std::map<std::string, std::string> &values() const { return values_; }

 private:
  std::map<std::string, std::string> values_;
};

// Settings with the place each value came from: "set by flare_options_set", "environment variable
// FLARE_AGENT_URL", "profile PATH", or "default".
struct Resolved {
  Settings settings;
  std::map<std::string, std::string> sources;
  std::map<std::string, std::string> values;  // as they were given
  // Whether somebody gave it, be it by the value of the default.
  bool chosen(const std::string &option) const;
  std::vector<std::string> unknown;  // FLARE_AGENT_* variables that name no option, sorted
};

// Options first, then FLARE_AGENT_<NAME> of the environment, then the profile (a JSON object of option names and
// values in the file named by the option `profile`), then the defaults. An empty variable counts as none. Throws
// Failure(FLARE_INVALID_ARGUMENT) naming the value and its source, or FLARE_IO when the profile cannot be read; an
// unknown FLARE_AGENT_* variable is not an error but is listed in `unknown`.
Resolved resolve(const Options &options);

// With what `values` say of the options that nobody gave. Throws Failure(FLARE_INVALID_ARGUMENT) naming a value of them
// and the source.
Resolved with_more(Resolved resolved, const std::map<std::string, std::string> &values, const std::string &source);

}  // namespace flare
