#include "agent/metric_queue.h"

#include <utility>

#include "base/failure.h"

namespace flare {

void MetricQueue::push(Metric metric) {
  if (const size_t size = size_of(metric); size > limits_.metric_bytes_per_batch) {
    throw Failure(FLARE_TOO_LARGE, "metric '" + metric.name + "' has " + std::to_string(size) +
                                       " bytes, the limit is " + std::to_string(limits_.metric_bytes_per_batch) +
                                       ": send it as a tensor or bytes of the result");
  }
  if (queue_.size() >= capacity_) {
    queue_.pop_front();
    ++dropped_;
  }
  queue_.push_back(std::move(metric));
}

std::vector<Metric> MetricQueue::take_batch(bool all) {
  std::vector<Metric> batch;
  if (queue_.empty() || (!all && under_way_.size() >= kMaxUnderWay)) return batch;
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < limits_.metrics_per_batch) {
    bytes += size_of(queue_.front());
    if (bytes > limits_.metric_bytes_per_batch) break;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

bool MetricQueue::done(const std::string &message_id, bool accepted) {
  const auto found = under_way_.find(message_id);
  if (found == under_way_.end()) return false;
  (accepted ? accepted_ : dropped_) += static_cast<int64_t>(found->second);
  under_way_.erase(found);
  return true;
}

void MetricQueue::drop_all() {
  dropped_ += static_cast<int64_t>(queue_.size());
  queue_.clear();
  for (const auto &[id, count] : under_way_) dropped_ += static_cast<int64_t>(count);
  under_way_.clear();
}

}  // namespace flare
