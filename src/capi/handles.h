// What the opaque handles of the C API are. Children hold what they need, so that any order of release is safe, and
// each knows the process that made it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "base/limits.h"
#include "capi/process_id.h"
#include "capi/view.h"
#include "config/settings.h"
#include "exchanger/exchanger.h"
#include "flare_agent.h"
#include "flare_exchanger.h"
#include "model/draft.h"
#include "model/value.h"
#include "pipe/metric.h"
#include "runtime/log.h"

struct flare_error {
  flare_status status;
  std::string message;
};

struct flare_options {
  flare::Options values;
};

struct flare_settings {
  flare::Resolved resolved;
};

// Received and read-only, or a draft that is written until it is sent.
struct flare_shareable {
  explicit flare_shareable(std::shared_ptr<const flare::Shareable> received);
  flare_shareable(flare::Draft draft, const flare::Limits &limits);

  const flare::View &view() const;
  // Throws Failure(FLARE_INVALID_STATE) for what is received or sent.
  flare::Draft &writable();
  // Of a draft, as it is sent.
  flare::Shareable finish() const { return draft_->finish(); }

  const pid_t pid = flare::process_id();
  const flare::Limits limits;
  std::atomic<bool> sent{false};
  bool lent = false;  // refers to memory of the user

 private:
  std::optional<flare::Draft> draft_;
  mutable std::mutex mutex_;  // guards what follows: readers of what was sent may be many
  mutable bool changed_ = true;
  // The last one shows the present content. Those before stay: what was read from them lives as long as the handle.
  mutable std::vector<std::unique_ptr<const flare::View>> views_;
};

struct flare_agent {
  std::shared_ptr<flare::Agent> agent;
  pid_t pid = flare::process_id();
};

struct flare_log_record {
  flare::Log::Record record;
  pid_t pid = flare::process_id();
};

struct flare_task {
  std::shared_ptr<flare::Task> task;
  std::optional<flare_shareable> shareable;
  pid_t pid = flare::process_id();
};

struct flare_result {
  std::shared_ptr<flare::Task> task;
  flare_shareable shareable;
  std::shared_ptr<flare::Upload> upload;  // written once, before shareable.sent is raised
  pid_t pid = flare::process_id();
};

struct flare_exchanger {
  std::shared_ptr<flare::Exchanger> exchanger;
  pid_t pid = flare::process_id();
};

struct flare_request {
  std::shared_ptr<flare::Exchanger> exchanger;
  std::shared_ptr<flare::Request> request;
  flare_shareable shareable;
  pid_t pid = flare::process_id();
};

struct flare_reply {
  std::shared_ptr<flare::Exchanger> exchanger;
  std::shared_ptr<flare::Request> request;
  flare::MessagePtr message;
  flare_shareable shareable;
  pid_t pid = flare::process_id();
};

struct flare_metric {
  flare::Metric metric;
  pid_t pid = flare::process_id();
};

namespace flare {

// Given out when there is no memory for another error; flare_error_free() knows it.
extern flare_error out_of_memory;

// A flare_value is a Value under another name.
inline const flare_value *to_c(const Value *value) { return reinterpret_cast<const flare_value *>(value); }
inline const Value *from_c(const flare_value *value) { return reinterpret_cast<const Value *>(value); }

}  // namespace flare
