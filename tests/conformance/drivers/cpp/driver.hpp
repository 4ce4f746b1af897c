// Speaks the protocol of tests/conformance/README.md through flare_agent.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "flare_agent.hpp"

using Json = nlohmann::ordered_json;
using Elements = std::vector<std::byte>;

// The one agent, task and result in hand. What is borrowed outlives the result, the result the task.
struct Driver {
  std::unique_ptr<flare::Agent> agent;
  std::optional<flare::Task> task;
  std::vector<std::unique_ptr<Elements>> borrowed;
  std::optional<flare::Result> result;

  void drop_result();
  void drop_task();
  // The agent first: submitted results have its close_timeout to finish.
  void close();
};

enum class Needs { kNothing, kAgent, kTask, kResult };

struct Operation {
  Needs needs;
  Json (*run)(Driver &driver, const Json &request);
};

using Operations = std::unordered_map<std::string, Operation>;
const Operations &agent_operations();
const Operations &task_operations();
const Operations &result_operations();

// Any failure comes as flare::Error and is turned into its answer by answer().
Json answer(Driver &driver, const Json &request);
inline Json ok() { return {{"status", "OK"}}; }
inline Json failure(const char *status, const std::string &message) {
  return {{"status", status}, {"message", message}};
}
const char *status_name(flare_status status);
// Whether something came within the time; if not, the answer is TIMEOUT.
inline Json in_time(bool came) { return {{"status", came ? "OK" : "TIMEOUT"}}; }

std::string text(const Json &request, const char *field);
std::chrono::milliseconds timeout(const Json &request);
flare_section section_of(const Json &request);

// Into the result in hand.
void echo(Driver &driver);
