#include <array>
#include <iostream>
#include <string>

#include "driver.hpp"

namespace {

struct StatusName {
  flare_status status;
  const char *name;
};

constexpr std::array kStatusNames = {
    StatusName{FLARE_OK, "OK"},
    StatusName{FLARE_TIMEOUT, "TIMEOUT"},
    StatusName{FLARE_ENDED, "ENDED"},
    StatusName{FLARE_STOPPED, "STOPPED"},
    StatusName{FLARE_NOT_FOUND, "NOT_FOUND"},
    StatusName{FLARE_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    StatusName{FLARE_INVALID_STATE, "INVALID_STATE"},
    StatusName{FLARE_PEER_GONE, "PEER_GONE"},
    StatusName{FLARE_ABORTED, "ABORTED"},
    StatusName{FLARE_STALLED, "STALLED"},
    StatusName{FLARE_PROTOCOL, "PROTOCOL"},
    StatusName{FLARE_IO, "IO"},
    StatusName{FLARE_OUT_OF_MEMORY, "OUT_OF_MEMORY"},
    StatusName{FLARE_FORKED, "FORKED"},
    StatusName{FLARE_INTERNAL, "INTERNAL"},
    StatusName{FLARE_REFUSED, "REFUSED"},
    StatusName{FLARE_UNREACHABLE, "UNREACHABLE"},
    StatusName{FLARE_TOO_LARGE, "TOO_LARGE"},
};

const Operation *find(const std::string &op) {
  for (const Operations *operations : {&agent_operations(), &task_operations(), &result_operations()})
    if (const auto found = operations->find(op); found != operations->end()) return &found->second;
  return nullptr;
}

bool has(const Driver &driver, Needs needs) {
  switch (needs) {
    case Needs::kNothing: return true;
    case Needs::kAgent: return driver.agent != nullptr;
    case Needs::kTask: return driver.task.has_value();
    case Needs::kResult: return driver.result.has_value();
  }
  return false;
}

}  // namespace

const char *status_name(flare_status status) {
  for (const StatusName &known : kStatusNames)
    if (known.status == status) return known.name;
  return "UNKNOWN";
}

void Driver::drop_result() {
  result.reset();
  borrowed.clear();
}

void Driver::drop_task() {
  drop_result();
  task.reset();
}

void Driver::close() {
  agent.reset();
  drop_task();
}

std::string text(const Json &request, const char *field) { return request.at(field).get<std::string>(); }

std::chrono::milliseconds timeout(const Json &request) {
  return std::chrono::milliseconds(request.at("timeout_ms").get<int64_t>());
}

flare_section section_of(const Json &request) {
  const std::string name = text(request, "section");
  return name == "headers" ? FLARE_HEADERS : name == "meta" ? FLARE_META : FLARE_BODY;
}

Json answer(Driver &driver, const Json &request) {
  const Operation *operation = find(text(request, "op"));
  if (operation == nullptr) return {{"status", "UNKNOWN"}};
  if (!has(driver, operation->needs)) return failure("INVALID_STATE", "nothing is open that this is done with");
  try {
    return operation->run(driver, request);
  } catch (const flare::Error &error) {
    return failure(status_name(error.status()), error.what());
  }
}

int main() {
  Driver driver;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answer(driver, Json::parse(line)).dump() << std::endl;
  driver.close();
}
