#include <thread>

#include "driver.hpp"

namespace {

using flare::Agent;

Json version(Driver & /*driver*/, const Json & /*request*/) {
  const uint32_t version = flare_version();
  Json answer = ok();
  answer["version"] =
      std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 0xff) + "." + std::to_string(version & 0xff);
  return answer;
}

Json open(Driver &driver, const Json &request) {
  flare::Options options;
  for (const auto &[name, value] : request.at("options").items()) options.set(name, value.get<std::string>());
  auto agent = std::make_unique<Agent>(options);
  driver.close();
  driver.agent = std::move(agent);
  return ok();
}

Json close(Driver &driver, const Json & /*request*/) {
  driver.close();
  return ok();
}

// What was closed is gone, and with it its name: nobody can ask it anything.
Json after_close(Driver & /*driver*/, const Json & /*request*/) { return {{"status", "CANNOT"}}; }

Json wait_connected(Driver &driver, const Json &request) {
  const auto limit = timeout(request);
  if (limit.count() >= 0) return in_time(driver.agent->wait_connected(limit));
  driver.agent->wait_connected();
  return ok();
}

Json info(Driver &driver, const Json &request) {
  const auto value = driver.agent->info(text(request, "name"));
  if (!value) return {{"status", "NOT_FOUND"}};
  return {{"status", "OK"}, {"value", *value}};
}

const char *state_name(flare_state state) {
  constexpr const char *kNames[] = {"CONNECTING", "CONNECTED", "ENDED",   "STOPPED",
                                    "ABORTED",    "PEER_GONE", "REFUSED", "UNREACHABLE"};
  return kNames[state];
}

Json state(Driver &driver, const Json & /*request*/) {
  return {{"status", "OK"}, {"state", state_name(driver.agent->state())}};
}

const char *kind_name(flare_task_kind kind) {
  constexpr const char *kNames[] = {"other", "train", "validate", "submit_model"};
  return kNames[kind];
}

Json describe(const flare::Task &task) {
  return {{"id", task.id()},
          {"name", task.name()},
          {"kind", kind_name(task.kind())},
          {"round", task.round()},
          {"total_rounds", task.total_rounds()},
          {"attempt", task.attempt()},
          {"site", task.site()},
          {"job_id", task.job_id()}};
}

// Why there is no task.
Json no_task(const Agent &agent) { return {{"status", agent.over() ? state_name(agent.state()) : "TIMEOUT"}}; }

Json next_task(Driver &driver, const Json &request) {
  const auto limit = timeout(request);
  auto task = limit.count() < 0 ? driver.agent->next_task() : driver.agent->try_next_task(limit);
  if (!task) return no_task(*driver.agent);
  driver.drop_task();
  driver.task = std::move(task);
  return {{"status", "OK"}, {"task", describe(*driver.task)}};
}

Json stop(Driver &driver, const Json & /*request*/) {
  driver.agent->stop();
  return ok();
}

Json interrupt_next_task(Driver &driver, const Json &request) {
  std::thread other([&, after = std::chrono::milliseconds(request.at("after_ms").get<int64_t>())] {
    std::this_thread::sleep_for(after);
    driver.agent->stop();
  });
  try {
    auto task = driver.agent->next_task();
    other.join();
    if (!task) return no_task(*driver.agent);
    driver.drop_task();
    driver.task = std::move(task);
    return ok();
  } catch (const flare::Error &) {
    other.join();
    throw;
  }
}

Json log_scalar(Driver &driver, const Json &request) {
  const Json &step = request.at("step");
  const double value = request.at("value").get<double>();
  if (step.is_null())
    driver.agent->log_scalar(text(request, "name"), value);
  else
    driver.agent->log_scalar(text(request, "name"), value, step.get<int64_t>());
  return ok();
}

Json log_json(Driver &driver, const Json &request) {
  const Json &step = request.at("step");
  driver.agent->log_json(text(request, "type"), text(request, "name"), request.at("value").dump(),
                         step.is_null() ? FLARE_NO_STEP : step.get<int64_t>());
  return ok();
}

Json log_burst(Driver &driver, const Json &request) {
  const auto count = request.at("count").get<int64_t>();
  for (int64_t i = 0; i < count; ++i) driver.agent->log_scalar(text(request, "name"), static_cast<double>(i), i);
  return ok();
}

Json cycles(Driver &driver, const Json &request) {
  const auto count = request.at("count").get<int64_t>();
  for (int64_t done = 0; done < count; ++done) {
    driver.drop_task();
    driver.task = driver.agent->next_task();
    if (!driver.task) return no_task(*driver.agent);
    driver.result = driver.task->result();
    echo(driver);
    driver.result->submit();
    driver.result->wait(FLARE_DELIVERED);
  }
  return {{"status", "OK"}, {"done", count}};
}

}  // namespace

const Operations &agent_operations() {
  static const Operations all = {
      {"version", {Needs::kNothing, version}},
      {"open", {Needs::kNothing, open}},
      {"after_close", {Needs::kNothing, after_close}},
      {"close", {Needs::kAgent, close}},
      {"wait_connected", {Needs::kAgent, wait_connected}},
      {"info", {Needs::kAgent, info}},
      {"state", {Needs::kAgent, state}},
      {"next_task", {Needs::kAgent, next_task}},
      {"stop", {Needs::kAgent, stop}},
      {"interrupt_next_task", {Needs::kAgent, interrupt_next_task}},
      {"log_scalar", {Needs::kAgent, log_scalar}},
      {"log_json", {Needs::kAgent, log_json}},
      {"log_burst", {Needs::kAgent, log_burst}},
      {"cycles", {Needs::kAgent, cycles}},
  };
  return all;
}
