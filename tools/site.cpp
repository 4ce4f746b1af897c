#include "site.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <flare_agent.hpp>
#include <stdexcept>
#include <system_error>

namespace flare_tool {

namespace {

std::string new_token() {
  std::array<unsigned char, 16> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw std::system_error(errno, std::generic_category(), "getrandom");
  std::string token;
  for (const unsigned char byte : bytes) {
    token += "0123456789abcdef"[byte >> 4];
    token += "0123456789abcdef"[byte & 15];
  }
  return token;
}

std::string failure_of(const flare::Shareable &reply) {
  std::string text(reply.return_code());
  const auto reason = reply.section(FLARE_HEADERS).find("reason");
  if (reason && reason->as_text()) text += ": " + std::string(*reason->as_text());
  return text;
}

}  // namespace

Site::Site(const Settings &settings) : name_(settings.name) {
  const std::string token = new_token();
  flare::Options options;
  options.set("url", settings.url).set("token", token).set("agent_id", settings.name);
  options.set("site", settings.name).set("job_id", settings.job_id);
  options.set("close_timeout", "1");  // the trainer has ended before we close
  flare_exchanger *exchanger = nullptr;
  flare::call(flare_exchanger_open, options.handle(), &exchanger);
  exchanger_.reset(exchanger);

  trainer_ =
      std::make_unique<TrainerProcess>(TrainerProcess::Start{settings.trainer_command,
                                                             settings.trainer_arguments,
                                                             {{"FLARE_AGENT_URL", flare_exchanger_url(exchanger)},
                                                              {"FLARE_AGENT_TOKEN", token},
                                                              {"FLARE_AGENT_AGENT_ID", settings.name},
                                                              {"FLARE_AGENT_SITE", settings.name},
                                                              {"FLARE_AGENT_JOB_ID", settings.job_id}},
                                                             settings.log});
}

void Site::send(const Order &order) {
  flare_request *request = nullptr;
  flare::call(flare_request_new, exchanger_.get(), order.task_name.c_str(), &request);
  request_.reset(request);
  flare::call(flare_request_set_round, request, order.round, order.total_rounds);
  if (order.model != nullptr) {
    flare_shareable *const task = flare_request_shareable(request);
    flare::call(flare_shareable_set_kind, task, "WEIGHTS");
    write_model(*order.model, task);
  }
  flare::call(flare_request_send, request);
}

int Site::answer_fd() const { return flare_request_poll_fd(request_.get()); }

std::optional<Answer> Site::take_answer() {
  flare_reply *handle = nullptr;
  if (!flare::try_call(FLARE_TIMEOUT, flare_request_wait, request_.get(), int64_t{0}, &handle)) return std::nullopt;
  const Handle<flare_reply, flare_reply_free> owner(handle);
  const flare::Shareable reply(flare_reply_shareable(handle));
  request_.reset();
  if (reply.return_code() != "OK") throw std::runtime_error("the trainer answered " + failure_of(reply));
  if (reply.params_type() == FLARE_PARAMS_DIFF)
    throw std::runtime_error("the trainer sent differences (WEIGHT_DIFF); the simulator averages whole WEIGHTS");
  return Answer{name_, copy_model(reply), reply.metric("accuracy"), reply.steps()};
}

void Site::take_logged() {
  flare_metric *handle = nullptr;
  while (flare_exchanger_next_metric(exchanger_.get(), 0, &handle, nullptr) == FLARE_OK) {
    const Handle<flare_metric, flare_metric_free> owner(handle);
    const auto value = flare::Value(flare_metric_value(handle)).as_double();
    if (value) logged_.push_back({flare_metric_name(handle), flare_metric_step(handle), *value});
  }
}

void Site::end(const std::string &reason) {
  // A trainer that cannot be told any more is ended by signals.
  [[maybe_unused]] const flare_status told = flare_exchanger_end(exchanger_.get(), reason.c_str(), nullptr);
}

}  // namespace flare_tool
