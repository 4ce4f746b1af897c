#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/failure.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "config/discover.h"
#include "config/rank.h"
#include "pipe/metric.h"

using flare::Agent;
using flare::checked_timeout;
using flare::Failure;
using flare::guarded;
using flare::hand_out;
using flare::is_usable;
using flare::Metric;
using flare::nonempty_text;
using flare::Outcome;
using flare::required;
using flare::text;
using flare::usable;

namespace {

// Of this process, for flare_shutdown(). Never destroyed: it may be called while the process ends. A forked child has
// its own, as a thread that it does not have may hold the mutex of its parent's.
class OpenAgents {
 public:
  explicit OpenAgents(const OpenAgents *of_parent) : of_parent_(of_parent) {}

  static OpenAgents &instance() {
    static std::atomic<OpenAgents *> current{nullptr};
    OpenAgents *agents = current.load();
    while (agents == nullptr || agents->pid_ != flare::process_id()) {
      auto fresh = std::make_unique<OpenAgents>(agents);
      if (current.compare_exchange_weak(agents, fresh.get())) agents = fresh.release();
    }
    return *agents;
  }

  void add(const std::shared_ptr<Agent> &agent) {
    std::lock_guard lock(mutex_);
    std::erase_if(agents_, [](const auto &other) { return other.expired(); });
    agents_.push_back(agent);
  }

  void close_all() {
    decltype(agents_) agents;
    {
      std::lock_guard lock(mutex_);
      agents.swap(agents_);
    }
    for (const auto &weak : agents) {
      if (const auto agent = weak.lock()) agent->close();
    }
  }

 private:
  [[maybe_unused]] const OpenAgents *const of_parent_;  // in sight of leak checkers
  const pid_t pid_ = flare::process_id();
  std::mutex mutex_;
  std::vector<std::weak_ptr<Agent>> agents_;
};

// Kept by each call, so that a close in another thread does not take the agent away under it.
std::shared_ptr<Agent> agent_of(const flare_agent *agent) { return usable(agent, "agent")->agent; }

int64_t checked_step(int64_t step) {
  if (step < FLARE_NO_STEP) {
    throw Failure(FLARE_INVALID_ARGUMENT, "step " + std::to_string(step) + ": 0 or more, or FLARE_NO_STEP");
  }
  return step;
}

std::string analytics_type(const char *type) {
  const std::string_view checked = text(type, "type");
  if (flare::is_analytics_type(checked)) return std::string(checked);
  std::string message = "'" + std::string(checked) + "' is no AnalyticsDataType; those are";
  for (const std::string_view known : flare::kAnalyticsTypes) message.append(" ").append(known);
  throw Failure(FLARE_INVALID_ARGUMENT, message);
}

}  // namespace

flare_status flare_agent_open(const flare_options *options, flare_agent **agent, flare_error **error) noexcept {
  return guarded(error, [&] {
    required(agent, "agent");
    const flare::Resolved resolved = flare::resolve_for_agent(options ? options->values : flare::Options());
    flare::require_rank_zero(resolved, [](const char *name) {
      return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): the library sets nothing
    });
    auto handle = std::make_unique<flare_agent>();
    handle->agent = Agent::open(resolved);
    OpenAgents::instance().add(handle->agent);
    *agent = handle.release();
    return FLARE_OK;
  });
}

void flare_shutdown(void) noexcept {
  guarded(nullptr, [&] {
    OpenAgents::instance().close_all();
    return FLARE_OK;
  });
}

int32_t flare_agent_should_exit(const flare_agent *agent) noexcept {
  int32_t answer = 0;
  guarded(nullptr, [&] {
    answer = is_usable(agent) && agent->agent->should_exit();
    return FLARE_OK;
  });
  return answer;
}

flare_status flare_agent_wait_connected(flare_agent *agent, int64_t timeout_ms, flare_error **error) noexcept {
  return guarded(error, [&] { return agent_of(agent)->wait_connected(checked_timeout(timeout_ms)); });
}

void flare_agent_stop(flare_agent *agent) noexcept {
  if (is_usable(agent)) agent->agent->ask_to_stop();  // and nothing that is not async-signal-safe
}

void flare_agent_close(flare_agent *agent) noexcept {
  if (!is_usable(agent)) return;
  guarded(nullptr, [&] {
    agent->agent->close();
    return FLARE_OK;
  });
  delete agent;
}

flare_status flare_agent_next_task(flare_agent *agent, int64_t timeout_ms, flare_task **task,
                                   flare_error **error) noexcept {
  return guarded(error, [&] {
    const auto open_agent = agent_of(agent);
    required(task, "task");
    return hand_out(task, [&](flare_task *handle) {
      Outcome outcome = open_agent->next_task(checked_timeout(timeout_ms), &handle->task);
      if (outcome.status == FLARE_OK) {
        handle->shareable.emplace(
            std::shared_ptr<const flare::Shareable>(handle->task->message(), &handle->task->data()));
      }
      return outcome;
    });
  });
}

int flare_agent_connected_poll_fd(const flare_agent *agent) noexcept {
  return is_usable(agent) ? agent->agent->connected_fd() : -1;
}

int flare_agent_poll_fd(const flare_agent *agent) noexcept { return is_usable(agent) ? agent->agent->task_fd() : -1; }

flare_state flare_agent_state(const flare_agent *agent) noexcept {
  flare_state state = FLARE_STATE_STOPPED;
  guarded(nullptr, [&] {
    if (is_usable(agent)) state = agent->agent->state();
    return FLARE_OK;
  });
  return state;
}

flare_status flare_agent_info(flare_agent *agent, const char *name, const char **value) noexcept {
  return guarded(nullptr, [&] {
    usable(agent, "agent"), required(value, "value");
    const char *found = agent->agent->info(required(name, "name"));
    if (found == nullptr) return FLARE_NOT_FOUND;
    *value = found;
    return FLARE_OK;
  });
}

flare_status flare_agent_get_stats(const flare_agent *agent, flare_agent_stats *stats) noexcept {
  return guarded(nullptr, [&] {
    const auto open_agent = agent_of(agent);
    flare::write_tagged(required(stats, "stats"), open_agent->stats());
    return FLARE_OK;
  });
}

flare_status flare_agent_log_scalar(flare_agent *agent, const char *name, double value, int64_t step,
                                    flare_error **error) noexcept {
  return guarded(error, [&] {
    const auto open_agent = agent_of(agent);
    return open_agent->log({"SCALAR", std::string(nonempty_text(name, "name")), value, checked_step(step), "", 0});
  });
}

flare_status flare_agent_log_json(flare_agent *agent, const char *type, const char *name, const char *json,
                                  int64_t step, const char *path, flare_error **error) noexcept {
  return guarded(error, [&] {
    const auto open_agent = agent_of(agent);
    Metric metric;
    metric.type = analytics_type(type);
    metric.name = nonempty_text(name, "name");
    flare::Limits limits = open_agent->settings().limits;
    limits.max_depth -= flare::kMetricDepth;
    metric.value = flare::value_from_json(required(json, "json"), limits);
    metric.step = checked_step(step);
    if (path) metric.path = text(path, "path");
    return open_agent->log(std::move(metric));
  });
}

flare_status flare_agent_next_log_record(flare_agent *agent, int64_t timeout_ms, flare_log_record **record,
                                         flare_error **error) noexcept {
  return guarded(error, [&] {
    const auto open_agent = agent_of(agent);
    required(record, "record");
    return hand_out(record, [&](flare_log_record *handle) {
      return open_agent->next_log_record(checked_timeout(timeout_ms), &handle->record);
    });
  });
}

int flare_agent_log_poll_fd(const flare_agent *agent) noexcept {
  return is_usable(agent) ? agent->agent->log_fd() : -1;
}

void flare_log_record_free(flare_log_record *record) noexcept {
  if (is_usable(record)) delete record;
}

flare_log_level flare_log_record_level(const flare_log_record *record) noexcept {
  if (record == nullptr) return FLARE_LOG_DEBUG;
  switch (record->record.level) {
    case flare::Log::Level::kDebug: return FLARE_LOG_DEBUG;
    case flare::Log::Level::kInfo: return FLARE_LOG_INFO;
    case flare::Log::Level::kWarn: return FLARE_LOG_WARN;
    case flare::Log::Level::kError: break;
  }
  return FLARE_LOG_ERROR;
}

const char *flare_log_record_text(const flare_log_record *record) noexcept {
  return record ? record->record.text.c_str() : "";
}
