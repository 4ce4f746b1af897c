// What NVFlare up to 2.8 writes for the trainer of a job: config/client_api_config.json in the folder where it starts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flare {

// Where an agent's cell connects to.
struct CellPlace {
  std::string url;
  std::string security = "clear";  // or "tls", "mtls"
  std::string parent;              // the name of the cell there
};

// Where both ends of its pipe put files.
struct FilePlace {
  std::string root;
  std::optional<std::string> metric_root;  // none: metrics would go by another kind of pipe
};

struct ClientApiConfig {
  std::string site, job_id;
  std::string token;  // of the pipe: the job's id, as a rule
  std::string auth_token = "NA", auth_token_signature = "NA";
  std::string workspace;  // of the site; certificates are in its folder startup/
  CellPlace place;
  std::optional<FilePlace> files;  // of a FilePipe: then there is neither a place nor a token

  std::string task_channel = "task";
  std::optional<std::string> metric_channel;
  double heartbeat_timeout_s = 60;         // 0: none
  double metric_heartbeat_timeout_s = 30;  // 0: none
  double submit_result_timeout_s = 300;
  double download_complete_timeout_s = 1800;
  int64_t max_resends = 3;

  std::string train_task = "train", evaluate_task = "validate", submit_model_task = "submit_model";
  bool train_with_evaluation = false;
  bool differences = false;   // what is sent of weights (transfer_type)
  bool launched_once = true;  // else for each task anew
  // Results are handed on as they are: whoever needs their arrays fetches them, as a rule the server's job. Else the
  // client job process fetches them, before it takes the result.
  bool pass_through = true;
};

// `name` begins each message. Throws Failure(FLARE_INVALID_ARGUMENT) for what is no such file, and for a job that asks
// for what this library cannot do: then with the setting to change.
ClientApiConfig parse_client_api_config(const std::string &name, std::string_view content);
// The same from a file; throws Failure(FLARE_IO) when it cannot be read.
ClientApiConfig read_client_api_config(const std::string &path);

}  // namespace flare
