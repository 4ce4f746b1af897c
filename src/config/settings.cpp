#include "config/settings.h"

#include <algorithm>
#include <array>

#include "base/failure.h"
#include "base/text.h"
#include "config/option_value.h"

namespace flare {

namespace {

struct Entry {
  Option option;
  void (*apply)(std::string_view value, Settings *settings);
};

// The one table. Its defaults are those of Settings, which a test compares.
constexpr Entry kTable[] = {
    {{"url", "",
      "Where the exchanger is, or waits: zmq+ipc:///PATH, zmq+tcp://HOST:PORT (PORT may be * there), memory://NAME. "
      "For "
      "agents also nvflare:[PATH], what NVFlare left for its trainer, or cell+tcp://HOST:PORT, a cell of it."},
     [](std::string_view value, Settings *settings) { settings->url = parse_text(value); }},
    {{"profile", "",
      "The path of a JSON file with an object of option names and values, which count less than the environment. A "
      "file with a token must be readable by its owner only."},
     [](std::string_view value, Settings *) { parse_text(value); }},
    {{"agent_id", "agent",
      "The name of the agent, up to 128 of A-Z a-z 0-9 _ . -; an exchanger admits the agent of its own agent_id only."},
     [](std::string_view value, Settings *settings) { settings->agent_id = parse_agent_id(value); }},
    {{"site", "", "The name of the site (site_name in NVFlare). An agent need not set it: its exchanger says it."},
     [](std::string_view value, Settings *settings) { settings->site = parse_text(value); }},
    {{"job_id", "", "The id of the job. An agent need not set it: its exchanger says it."},
     [](std::string_view value, Settings *settings) { settings->job_id = parse_text(value); }},
    {{"token", "",
      "A secret that agent and exchanger share. Give it by environment or profile: a command line can be read by "
      "others."},
     [](std::string_view value, Settings *settings) { settings->token = parse_secret(value); }},
    {{"rendezvous_dir", "",
      "A folder of this user alone where exchangers and agents of one machine meet, by agent_id and job_id. An agent "
      "without a url takes the job that has waited longest there; an exchanger is found there."},
     [](std::string_view value, Settings *settings) { settings->rendezvous_dir = parse_text(value); }},
    {{"rank", "auto",
      "Which process of a parallel launch this is; only that of rank 0 may open an agent. `auto`: as torchrun, mpirun "
      "or srun say; `ignore`: each process has an agent of its own; or the number."},
     [](std::string_view value, Settings *settings) { settings->rank = parse_rank(value); }},
    {{"connect_timeout", "60",
      "Seconds until an agent whose exchanger never answered, or that found none in its rendezvous, gives up; `none`: "
      "never. A connection lost later falls under heartbeat_timeout."},
     [](std::string_view value, Settings *settings) {
       settings->connect_timeout = parse_duration_or_none(value, "to wait without end write 'none'");
     }},
    {{"close_timeout", "10", "Seconds that closing waits at most for submitted results and the goodbye."},
     [](std::string_view value, Settings *settings) {
       settings->close_timeout = parse_duration(value, "to close at once write a small number such as 0.001");
     }},
    {{"heartbeat_interval", "5", "Seconds between two heartbeats to the peer."},
     [](std::string_view value, Settings *settings) {
       settings->heartbeat_interval =
           parse_duration(value, "heartbeats cannot be switched off, but a large number makes them few");
     }},
    {{"heartbeat_timeout", "60",
      "Seconds of silence after which the peer counts as gone; `none`: never (0 in NVFlare). Must be greater than "
      "heartbeat_interval, that of the peer too."},
     [](std::string_view value, Settings *settings) {
       settings->heartbeat_timeout = parse_duration_or_none(value, "to wait for a silent peer for ever write 'none'");
     }},
    {{"resend_interval", "2", "Seconds from a failed attempt to send a message to the next one."},
     [](std::string_view value, Settings *settings) {
       settings->resend_interval = parse_duration(value, "to send every message only once set max_resends to 0");
     }},
    {{"max_resends", "3",
      "How often a message that the peer did not take is sent again; `unlimited`: until the session is over (None in "
      "NVFlare)."},
     [](std::string_view value, Settings *settings) {
       settings->max_resends = parse_count_or_unlimited(value, 0, 1'000'000);
     }},
    {{"submit_result_timeout", "60",
      "Seconds that the peer has to acknowledge a message, for each attempt to send it."},
     [](std::string_view value, Settings *settings) {
       settings->submit_result_timeout = parse_duration(value, "the peer needs some: write 1 or more");
     }},
    {{"streaming_idle_timeout", "600",
      "Seconds without progress after which a transfer of tensors counts as stalled; `none`: never."},
     [](std::string_view value, Settings *settings) {
       settings->streaming_idle_timeout = parse_duration_or_none(value, "to let a transfer rest for ever write 'none'");
     }},
    {{"download_complete_timeout", "1800",
      "Seconds that an upload may take when streaming_idle_timeout is `none`, which leaves nothing else to judge it "
      "by."},
     [](std::string_view value, Settings *settings) {
       settings->download_complete_timeout = parse_duration(value, "the receivers need some: write 1 or more");
     }},
    {{"peer_read_timeout", "60",
      "Of an exchanger: seconds within which its agent must begin to fetch a task (30 at least, "
      "streaming_idle_timeout at most); `none`: as long as the session lasts."},
     [](std::string_view value, Settings *settings) {
       settings->peer_read_timeout = parse_duration_or_none(value, "to wait for ever write 'none'");
     }},
    {{"launch_once", "true",
      "`false`: this process was launched for one task, and flare_agent_should_exit() says so once its result is "
      "delivered. NVFlare's own default is false; a program that is started by hand wants all tasks."},
     [](std::string_view value, Settings *settings) { settings->launch_once = parse_flag(value); }},
    {{"reconnect_interval", "0.1", "Seconds between two attempts to connect."},
     [](std::string_view value, Settings *settings) {
       settings->reconnect_interval = parse_duration(value, "to try again at once write a small number such as 0.001");
     }},
    {{"train_task_name", "train", "The name of the tasks whose kind is FLARE_TASK_TRAIN."},
     [](std::string_view value, Settings *settings) { settings->train_task_name = parse_name(value); }},
    {{"evaluate_task_name", "validate", "The name of the tasks whose kind is FLARE_TASK_VALIDATE."},
     [](std::string_view value, Settings *settings) { settings->evaluate_task_name = parse_name(value); }},
    {{"submit_model_task_name", "submit_model", "The name of the tasks whose kind is FLARE_TASK_SUBMIT_MODEL."},
     [](std::string_view value, Settings *settings) { settings->submit_model_task_name = parse_name(value); }},
    {{"params_transfer_type", "FULL",
      "How an agent sends the model that answers a training task: `FULL`, or `DIFF` for its difference from the task's "
      "model (WEIGHT_DIFF). A trainer that sends WEIGHT_DIFF itself always may."},
     [](std::string_view value, Settings *settings) {
       settings->params_transfer_type = parse_one_of(value, {"FULL", "DIFF"});
     }},
    {{"check_results", "true",
      "Whether an agent refuses a model that answers a training task when a tensor of the task is missing, has another "
      "shape, or has elements that are NaN or infinite."},
     [](std::string_view value, Settings *settings) { settings->check_results = parse_flag(value); }},
    {{"metric_queue", "10000", "How many metrics may wait to be sent; beyond it the oldest are dropped and counted."},
     [](std::string_view value, Settings *settings) { settings->metric_queue = parse_count(value, 1, 10'000'000); }},
    {{"warm_bytes", "2GiB",
      "How much memory of received tensors is kept for the next ones once the program has released them, written as "
      "max_tensor_bytes; more is given back at once. `1`: none."},
     [](std::string_view value, Settings *settings) { settings->warm_bytes = parse_size(value); }},
    {{"warm_timeout", "60", "Seconds after which memory that is kept so and not used is given back."},
     [](std::string_view value, Settings *settings) {
       settings->warm_timeout = parse_duration(value, "to keep nothing set warm_bytes to 1");
     }},
    {{"allow_insecure", "false",
      "`true` permits TCP without keys (curve_secret_key_file) beyond this machine, and without a token: nothing is "
      "encrypted or authenticated then."},
     [](std::string_view value, Settings *settings) { settings->allow_insecure = parse_flag(value); }},
    {{"curve_secret_key_file", "",
      "For zmq+tcp: the path of the file with the secret key of this end, made by `flare-agent keys`. With keys at "
      "both "
      "ends all is encrypted, and each end knows that it talks to the right one."},
     [](std::string_view value, Settings *settings) { settings->curve_secret_key_file = parse_text(value); }},
    {{"curve_admitted_keys_file", "",
      "Of an exchanger with a secret key: the path of a file with the public keys of the agents that it admits, each "
      "on "
      "a line as `flare-agent keys` writes it."},
     [](std::string_view value, Settings *settings) { settings->curve_admitted_keys_file = parse_text(value); }},
    {{"curve_exchanger_key", "", "Of an agent with a secret key: the public key of its exchanger, 40 characters."},
     [](std::string_view value, Settings *settings) { settings->curve_exchanger_key = parse_public_key(value); }},
    {{"curve_exchanger_key_file", "", "Instead of curve_exchanger_key: the path of the file with that key."},
     [](std::string_view value, Settings *settings) { settings->curve_exchanger_key_file = parse_text(value); }},
    {{"advertise", "",
      "Of an exchanger: where its trainer finds it, if not where it is bound: HOST or HOST:PORT for zmq+tcp, the path "
      "that the trainer sees for zmq+ipc. flare_exchanger_url() and trainer_profile say it."},
     [](std::string_view value, Settings *settings) { settings->advertise = parse_text(value); }},
    {{"trainer_profile", "",
      "Of an exchanger: the path of a profile that it writes for its trainer, with all that this one needs but its "
      "secret key. Only its owner may read it, and it is removed when the exchanger closes."},
     [](std::string_view value, Settings *settings) { settings->trainer_profile = parse_text(value); }},
    {{"cell_parent", "server",
      "With cell+tcp: the name (FQCN) of the cell at that address: `server`, the site for its parent process, or a "
      "relay."},
     [](std::string_view value, Settings *settings) { settings->cell_parent = parse_name(value); }},
    {{"cell_security", "clear",
      "With cell+tcp: `clear`, `tls` or `mtls`, as the listener there has it (connection_security)."},
     [](std::string_view value, Settings *settings) {
       settings->cell_security = parse_one_of(value, {"clear", "tls", "mtls"});
     }},
    {{"cell_naming", "2.8",
      "How NVFlare names the cell of a pipe: `2.8`, or `2.9.dev` as versions under development did before 2.9 dropped "
      "its pipes."},
     [](std::string_view value, Settings *settings) {
       settings->cell_naming = parse_one_of(value, {"2.8", "2.9.dev"});
     }},
    {{"cell_metrics", "true", "With cell+tcp: whether the job has a pipe for metrics; `false`: they are dropped."},
     [](std::string_view value, Settings *settings) { settings->cell_metrics = parse_flag(value); }},
    {{"cell_arrays", "by_reference",
      "How an agent on NVFlare's CellPipe sends arrays: `by_reference`, to be fetched by whoever needs them, or "
      "`inside` "
      "the result, which the client job process then has in its memory."},
     [](std::string_view value, Settings *settings) {
       settings->cell_arrays = parse_one_of(value, {"by_reference", "inside"});
     }},
    {{"workspace_dir", "",
      "With cell_security tls or mtls: the workspace of the site, whose certificates are in its folder startup."},
     [](std::string_view value, Settings *settings) { settings->workspace_dir = parse_text(value); }},
    {{"auth_token", "",
      "With cell+tcp: the token of the site's client that a server asks of each message in a secure deployment. The "
      "running job has it; give it by environment or profile."},
     [](std::string_view value, Settings *settings) { settings->auth_token = parse_text(value); }},
    {{"auth_token_signature", "", "The signature of auth_token."},
     [](std::string_view value, Settings *settings) { settings->auth_token_signature = parse_text(value); }},
    {{"log_level", "warn", "The least important records to be logged: debug, info, warn or error; `off`: none."},
     [](std::string_view value, Settings *settings) {
       settings->log_level = parse_one_of(value, {"debug", "info", "warn", "error", "off"});
     }},
    {{"log_file", "",
      "The path of a file to which the log is appended; without one it goes to stderr; `none`: only to who reads it "
      "(flare_agent_next_log_record())."},
     [](std::string_view value, Settings *settings) { settings->log_file = parse_text(value); }},
    {{"max_tensor_bytes", "1TiB",
      "The largest tensor that is sent or received: bytes, or a number followed by KiB, MiB, GiB or TiB."},
     [](std::string_view value, Settings *settings) { settings->limits.max_tensor_bytes = parse_size(value); }},
    {{"max_message_bytes", "4TiB",
      "The most that all tensors of one task or result may have together, written as max_tensor_bytes."},
     [](std::string_view value, Settings *settings) { settings->limits.max_message_bytes = parse_size(value); }},
};

// A value as it can stand in a message: short, on one line, UTF-8.
std::string quoted(std::string_view value) {
  constexpr size_t kMost = 80;
  if (!is_utf8(value)) return "(not UTF-8)";
  size_t end = std::min(value.size(), kMost);
  while (end < value.size() && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80) --end;
  std::string text = "'";
  for (const char letter : value.substr(0, end)) {
    text += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? '?' : letter;
  }
  return text + (end < value.size() ? "...'" : "'");
}

const Entry &find_entry(std::string_view name, std::string_view source) {
  std::array<std::string_view, std::size(kTable)> names;
  for (size_t i = 0; i < names.size(); ++i) {
    names[i] = kTable[i].option.name;
    if (names[i] == name) return kTable[i];
  }
  std::string text = "unknown option " + quoted(name);
  if (source != kSetByCall) text += " in " + std::string(source);
  const std::string_view near = nearest(name, names.data(), names.size());
  if (!near.empty()) text += "; did you mean '" + std::string(near) + "'?";
  throw Failure(FLARE_INVALID_ARGUMENT, text);
}

}  // namespace

size_t option_count() { return std::size(kTable); }
const Option &option_at(size_t index) { return kTable[index].option; }

void apply_option(Settings *settings, std::string_view name, std::string_view value, std::string_view source) {
  const Entry &entry = find_entry(name, source);
  try {
    entry.apply(value, settings);
  } catch (const Failure &failure) {
    const bool hidden = is_secret(name) || name == "curve_exchanger_key";  // a secret key may stand there by mistake
    const std::string shown = hidden ? "" : " " + quoted(value);
    throw Failure(failure.status(), "option " + std::string(name) + ": the value" + shown + " (" + std::string(source) +
                                        ") " + failure.what());
  }
}

void Options::set(std::string_view name, std::string_view value) {
  Settings scratch;
  apply_option(&scratch, name, value, kSetByCall);
  values_.insert_or_assign(std::string(name), std::string(value));
}

}  // namespace flare
