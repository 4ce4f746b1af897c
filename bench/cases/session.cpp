#include "session.h"

#include <stdexcept>

namespace flare::bench {

void must(flare_status status, const char *what) {
  if (status != FLARE_OK) throw std::runtime_error(std::string(what) + ": " + flare_status_text(status));
}

namespace {

OptionsHandle options_of(const std::string &url, const Settings &settings) {
  OptionsHandle options(flare_options_new());
  must(flare_options_set(options.get(), "url", url.c_str(), nullptr), "url");
  must(flare_options_set(options.get(), "token", "bench", nullptr), "token");
  for (const auto &[name, value] : settings) {
    must(flare_options_set(options.get(), name.c_str(), value.c_str(), nullptr), name.c_str());
  }
  return options;
}

std::string url_of(const std::string &transport, const Folder &folder) {
  if (transport == "memory") return "memory://" + folder.path();
  return transport == "ipc" ? "zmq+ipc://" + folder.path() + "/flare.sock" : "zmq+tcp://127.0.0.1:*";
}

}  // namespace

Site::Site(const std::string &transport, const Folder &folder, const Settings &settings) {
  const OptionsHandle options = options_of(url_of(transport, folder), settings);
  must(flare_exchanger_open(options.get(), &exchanger_, nullptr), "exchanger");
}

RequestHandle Site::request() {
  flare_request *request = nullptr;
  must(flare_request_new(exchanger_, "bench", &request, nullptr), "request");
  return RequestHandle(request);
}

Trainer::Trainer(const std::string &url, const Settings &settings) {
  const OptionsHandle options = options_of(url, settings);
  must(flare_agent_open(options.get(), &agent_, nullptr), "agent");
}

TaskHandle Trainer::next_task() {
  flare_task *task = nullptr;
  must(flare_agent_next_task(agent_, FLARE_WAIT_FOREVER, &task, nullptr), "next task");
  return TaskHandle(task);
}

ResultHandle result_of(flare_task *task) {
  flare_result *result = nullptr;
  must(flare_result_new(task, &result, nullptr), "result");
  return ResultHandle(result);
}

ReplyHandle wait_for_reply(flare_request *request) {
  flare_reply *reply = nullptr;
  must(flare_request_wait(request, FLARE_WAIT_FOREVER, &reply, nullptr), "reply");
  return ReplyHandle(reply);
}

}  // namespace flare::bench
