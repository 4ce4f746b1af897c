#include "agent/metric_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace flare {

void MetricQueue::push(Metric metric) {
  if (queue_.size() >= capacity_) {
    queue_.pop_front();
    ++dropped_;
  }
  queue_.push_back(std::move(metric));
}

std::vector<Metric> MetricQueue::take_batch(bool all) {
  std::vector<Metric> batch;
  if (queue_.empty() || (!all && under_way_.size() >= kMaxUnderWay)) return batch;
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(batch_size_, queue_.size()));
  batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
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
