#include "doctor/session.h"

#include <algorithm>
#include <memory>

namespace flare_tool::doctor {

namespace {

using Handle = std::unique_ptr<flare_agent, void (*)(flare_agent *)>;

std::string info(flare_agent *agent, const char *name) {
  const char *value = nullptr;
  return flare_agent_info(agent, name, &value) == FLARE_OK ? value : "";
}

std::chrono::milliseconds left(Clock::time_point deadline) {
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()), std::chrono::milliseconds(1));
}

// As the trainer would, but quietly, and without its patience.
Handle open(flare::Options *options, Clock::time_point deadline) {
  const double seconds = std::chrono::duration<double>(left(deadline)).count();
  options->set("connect_timeout", std::to_string(seconds)).set("close_timeout", "1");
  options->set("log_level", "warn").set("log_file", "none");
  flare_agent *agent = nullptr;
  flare::call(flare_agent_open, options->handle(), &agent);
  return {agent, flare_agent_close};
}

void wait(flare_agent *agent, Clock::time_point deadline) {
  // The agent's own time-out has the better words, so it goes first.
  const auto patience = left(deadline) + std::chrono::milliseconds(500);
  if (!flare::try_call(FLARE_TIMEOUT, flare_agent_wait_connected, agent, int64_t{patience.count()})) {
    throw flare::Error(FLARE_TIMEOUT, "the library does not answer in time");
  }
}

std::vector<std::string> records_of(flare_agent *agent) {
  std::vector<std::string> records;
  flare_log_record *record = nullptr;
  while (flare_agent_next_log_record(agent, 0, &record, nullptr) == FLARE_OK) {
    records.emplace_back(flare_log_record_text(record));
    flare_log_record_free(record);
  }
  return records;
}

void connect(flare::Options *options, Clock::time_point deadline, Facts *facts) {
  const Clock::time_point begin = Clock::now();
  const Handle agent = open(options, deadline);
  facts->probe = probe(facts->given.value_of("url"), deadline);
  if (facts->probe && !facts->probe->good()) return;  // nobody will answer
  Session &session = facts->session.emplace();
  try {
    wait(agent.get(), deadline);
    session.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    session.url = info(agent.get(), "url");
    session.agent_id = info(agent.get(), "agent_id");
    session.site = info(agent.get(), "site");
    session.job_id = info(agent.get(), "job_id");
    session.peer_version = info(agent.get(), "peer_version");
    session.wire_version = info(agent.get(), "wire_version");
  } catch (const flare::Error &error) {
    session.failed = Failed{error.status(), error.what()};
  }
  session.records = records_of(agent.get());
}

}  // namespace

void try_session(flare::Options *options, Clock::time_point deadline, Facts *facts) {
  const std::string url = facts->given.value_of("url");
  if (url.empty() && facts->given.value_of("rendezvous_dir").empty()) return;
  if (url.starts_with("memory://")) return;
  try {
    connect(options, deadline, facts);
  } catch (const flare::Error &error) {
    facts->session.emplace().failed = Failed{error.status(), error.what()};
  }
}

}  // namespace flare_tool::doctor
