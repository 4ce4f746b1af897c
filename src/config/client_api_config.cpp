#include "config/client_api_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "config/small_file.h"

namespace flare {

namespace {

using nlohmann::json;

constexpr std::string_view kCellPipe = "nvflare.fuel.utils.pipe.cell_pipe.CellPipe";
constexpr std::string_view kFilePipe = "nvflare.fuel.utils.pipe.file_pipe.FilePipe";

// A JSON object, and where it stands in the file.
class Section {
 public:
  Section(std::string file, std::string place, const json &object)
      : file_(std::move(file)), place_(std::move(place)), object_(object) {}

  [[noreturn]] void refuse(const std::string &text) const { refuse_file(file_, text); }
  std::string path(const char *key) const { return place_.empty() ? key : place_ + "." + key; }

  bool has(const char *key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  Section section(const char *key) const {
    if (!has(key) || !object_.at(key).is_object()) refuse("'" + path(key) + "' is missing, or no object");
    return {file_, path(key), object_.at(key)};
  }
  // An absent value leaves what is there.
  void read(const char *key, std::string *to) const {
    if (!has(key)) return;
    if (!object_.at(key).is_string()) refuse("'" + path(key) + "' must be a text");
    *to = object_.at(key).get<std::string>();
  }
  void read(const char *key, bool *to) const {
    if (!has(key)) return;
    if (!object_.at(key).is_boolean()) refuse("'" + path(key) + "' must be true or false");
    *to = object_.at(key).get<bool>();
  }
  void read(const char *key, double *to) const {
    if (!has(key)) return;
    const double value = object_.at(key).is_number() ? object_.at(key).get<double>() : -1;
    if (!std::isfinite(value) || value < 0) refuse("'" + path(key) + "' must be a number, and not below 0");
    *to = value;
  }
  void read(const char *key, int64_t *to) const {
    if (!has(key)) return;
    const json &value = object_.at(key);
    if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > INT32_MAX) ||
        value.get<int64_t>() < 0) {
      refuse("'" + path(key) + "' must be an integer from 0 on");
    }
    *to = value.get<int64_t>();
  }
  std::string text(const char *key) const {
    std::string value;
    read(key, &value);
    if (value.empty()) refuse("'" + path(key) + "' is missing");
    return value;
  }

 private:
  std::string file_, place_;
  const json &object_;
};

// Whether a connection is a secure one is the pipe's to say, and how, the connection's.
std::string security_of(const Section &pipe, bool secure, const std::string &agreed) {
  if (!secure) return "clear";
  if (agreed.empty()) return "mtls";
  if (agreed == "clear" || agreed == "tls" || agreed == "mtls") return agreed;
  pipe.refuse("connection_security '" + agreed + "' is none of clear, tls and mtls");
}

// The cell at the pipe's URL: the site's parent process, a relay or the server. The simulator names none: its server.
CellPlace place_of(const Section &file, const Section &pipe) {
  std::string url_text, agreed, parent = "server";
  bool secure = true;
  pipe.read("root_url", &url_text);
  pipe.read("secure_mode", &secure);
  if (file.has("root_conn_props")) {
    if (url_text.empty()) url_text = file.section("cp_conn_props").text("url");
    parent.clear();
    for (const char *key : {"root_conn_props", "cp_conn_props", "relay_conn_props"}) {
      if (!file.has(key) || file.section(key).text("url") != url_text) continue;
      parent = file.section(key).text("fqcn");
      file.section(key).read("connection_security", &agreed);
    }
    if (parent.empty()) pipe.refuse("'" + pipe.path("root_url") + "' is no address of server, site or relay");
  } else if (url_text.empty()) {
    pipe.refuse("'" + pipe.path("root_url") + "' is missing");
  }
  return {url_text, security_of(pipe, secure, agreed), parent};
}

std::string kind_of(const Section &exchange) {
  const Section pipe = exchange.section("pipe");
  std::string kind = pipe.text("CLASS_NAME");
  if (kind == kCellPipe || kind == kFilePipe) return kind;
  pipe.refuse("the job's pipe is a " + kind +
              ", and this library speaks CellPipe and FilePipe: take the pipe out of the job's arguments, as CellPipe "
              "is the default");
}

std::string root_of(const Section &exchange) {
  const Section pipe = exchange.section("pipe").section("ARG");
  if (const std::string mode = pipe.text("mode"); mode != "ACTIVE") {
    pipe.refuse("'" + pipe.path("mode") + "' is " + mode + ", and a trainer's is ACTIVE");
  }
  return pipe.text("root_path");
}

void read_files(const Section &file, const Section &exchange, ClientApiConfig *config) {
  config->files = FilePlace{root_of(exchange), std::nullopt};
  file.read("site_name", &config->site);
  file.read("job_id", &config->job_id);
}

void read_cell(const Section &file, const Section &exchange, ClientApiConfig *config) {
  const Section pipe = exchange.section("pipe").section("ARG");
  config->site = pipe.text("site_name");
  config->token = pipe.text("token");
  config->job_id = config->token;
  file.read("job_id", &config->job_id);
  file.read("auth_token", &config->auth_token);
  file.read("auth_token_signature", &config->auth_token_signature);
  pipe.read("workspace_dir", &config->workspace);
  config->place = place_of(file, pipe);
}

void read_metrics_exchange(const Section &metrics, ClientApiConfig *config) {
  config->metric_channel = "metric";
  metrics.read("pipe_channel_name", &*config->metric_channel);
  metrics.read("HEARTBEAT_TIMEOUT", &config->metric_heartbeat_timeout_s);
  const bool in_files = kind_of(metrics) == kFilePipe;
  if (config->files && in_files) config->files->metric_root = root_of(metrics);
  if (!config->files && in_files) {
    metrics.refuse(
        "the job's tasks come by CellPipe, and its metrics go by FilePipe: take the metric pipe out of the "
        "job's arguments, as CellPipe is the default");
  }
}

// With another format NVFlare's own trainer converts, and what is on the wire are objects of that framework.
void check_formats(const Section &exchange) {
  for (const char *key : {"exchange_format", "server_expected_format"}) {
    std::string format = "numpy";
    exchange.read(key, &format);
    if (format == "numpy" || format == "raw") continue;
    exchange.refuse("the job exchanges '" + format + "' (" + exchange.path(key) +
                    "), and only Python can make that: set params_exchange_format and server_expected_format to "
                    "\"numpy\" in the job's recipe or executor");
  }
}

void read_task_exchange(const Section &exchange, ClientApiConfig *config) {
  check_formats(exchange);
  exchange.read("pipe_channel_name", &config->task_channel);
  exchange.read("HEARTBEAT_TIMEOUT", &config->heartbeat_timeout_s);
  exchange.read("submit_result_timeout", &config->submit_result_timeout_s);
  exchange.read("download_complete_timeout", &config->download_complete_timeout_s);
  exchange.read("max_resends", &config->max_resends);
  exchange.read("train_task_name", &config->train_task);
  exchange.read("eval_task_name", &config->evaluate_task);
  exchange.read("submit_model_task_name", &config->submit_model_task);
  exchange.read("train_with_eval", &config->train_with_evaluation);
  exchange.read("launch_once", &config->launched_once);
  std::string transfer = "FULL";
  exchange.read("transfer_type", &transfer);
  if (transfer != "FULL" && transfer != "DIFF")
    exchange.refuse("transfer_type '" + transfer + "' is neither FULL nor DIFF");
  config->differences = transfer == "DIFF";
}

json parse_object(const std::string &name, std::string_view content) {
  json object = json::parse(content, nullptr, false);
  if (object.is_discarded()) refuse_file(name, "not valid JSON");
  if (!object.is_object()) refuse_file(name, "not a JSON object");
  return object;
}

}  // namespace

ClientApiConfig parse_client_api_config(const std::string &name, std::string_view content) {
  const json object = parse_object(name, content);
  const Section file(name, "", object);
  // TaskExchanger says nothing of itself, but its job's MetricRelay and ExternalConfigurator may have left this file.
  const bool of_client_api = file.has("TASK_EXCHANGE");
  if (!of_client_api && !file.has("METRICS_EXCHANGE")) {
    file.refuse("it has no TASK_EXCHANGE: no file that NVFlare up to 2.8 writes for a trainer outside its process");
  }
  const Section exchange = file.section(of_client_api ? "TASK_EXCHANGE" : "METRICS_EXCHANGE");
  ClientApiConfig config;
  config.pass_through = of_client_api;
  if (kind_of(exchange) == kFilePipe) {
    read_files(file, exchange, &config);
  } else {
    read_cell(file, exchange, &config);
  }
  if (of_client_api) read_task_exchange(exchange, &config);
  if (file.has("METRICS_EXCHANGE")) read_metrics_exchange(file.section("METRICS_EXCHANGE"), &config);
  return config;
}

ClientApiConfig read_client_api_config(const std::string &path) {
  const std::string kind = "client API configuration";
  return parse_client_api_config(kind + " " + path, read_small_file(kind, path).content);
}

}  // namespace flare
