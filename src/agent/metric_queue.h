// Metrics on their way out: bounded, in order, in batches. The oldest give way when it is full. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/limits.h"
#include "pipe/metric.h"

namespace flare {

class MetricQueue {
 public:
  MetricQueue(size_t capacity, const Limits &limits) : capacity_(capacity), limits_(limits) {}

  // Throws Failure(FLARE_TOO_LARGE) for one that no batch could hold.
  void push(Metric metric);

  // The next batch to send, empty when there is nothing or enough is under way. `all`: whatever is under way, so
  // that a result is preceded by the metrics that were logged before it.
  std::vector<Metric> take_batch(bool all);
  void sent(const std::string &message_id, size_t count) { under_way_[message_id] = count; }
  // False when the message is not a batch.
  bool done(const std::string &message_id, bool accepted);
  // What is queued or under way will not arrive.
  void drop_all();

  bool empty() const { return queue_.empty() && under_way_.empty(); }
  int64_t accepted() const { return accepted_; }
  int64_t dropped() const { return dropped_; }

 private:
  static constexpr size_t kMaxUnderWay = 4;

  size_t capacity_;
  Limits limits_;
  std::deque<Metric> queue_;
  std::map<std::string, size_t> under_way_;  // batches by message id, with their size
  int64_t accepted_ = 0;
  int64_t dropped_ = 0;
};

}  // namespace flare
