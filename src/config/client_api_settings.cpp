#include "config/client_api_settings.h"

#include <locale>
#include <sstream>

#include "base/failure.h"

namespace flare {

namespace {

// In digits, and no more than it takes, whatever the locale.
std::string number_text(double number) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(15);
  text << std::fixed << number;
  std::string digits = text.str();
  digits.resize(digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.pop_back();
  return digits;
}

}  // namespace

std::map<std::string, std::string> options_of(const ClientApiConfig &config) {
  return {
      {"site", config.site},
      {"job_id", config.job_id},
      {"heartbeat_timeout", config.heartbeat_timeout_s > 0 ? number_text(config.heartbeat_timeout_s) : "none"},
      {"submit_result_timeout", number_text(config.submit_result_timeout_s)},
      {"download_complete_timeout", number_text(config.download_complete_timeout_s)},
      {"max_resends", std::to_string(config.max_resends)},
      {"train_task_name", config.train_task},
      {"evaluate_task_name", config.evaluate_task},
      {"submit_model_task_name", config.submit_model_task},
      {"params_transfer_type", config.differences ? "DIFF" : "FULL"},
      {"launch_once", config.launched_once ? "true" : "false"},
  };
}

ClientApiConfig client_api_of(const Settings &settings) {
  if (settings.site.empty()) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the URL '" + settings.url +
                                              "' needs the option site: with agent_id it makes the name of the "
                                              "agent's cell");
  }
  ClientApiConfig config;
  config.site = settings.site;
  config.job_id = settings.job_id;
  config.token = settings.agent_id;
  if (!settings.auth_token.empty()) config.auth_token = settings.auth_token;
  if (!settings.auth_token_signature.empty()) config.auth_token_signature = settings.auth_token_signature;
  config.workspace = settings.workspace_dir;
  config.place = {settings.url.substr(kCellUrl.size()), settings.cell_security, settings.cell_parent};
  config.pass_through = false;  // as FlareAgentWithCellPipe does; only the client API's trainers ask for more
  if (settings.cell_metrics) config.metric_channel = "metric";
  return config;
}

}  // namespace flare
