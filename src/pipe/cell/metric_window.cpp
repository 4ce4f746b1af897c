#include "pipe/cell/metric_window.h"

#include <utility>

#include "base/uuid.h"

namespace flare {

void MetricWindow::begin(const std::string &batch, size_t size) {
  stop(batch);
  Batch &own = batches_[batch];
  while (own.ids.size() < size) own.ids.push_back(new_uuid());
  own.taken.resize(size);
  for (size_t i = 0; i < size; ++i) {
    if (!own.taken[i]) own.waiting.push_back(i);
  }
  turns_.push_back(batch);
}

void MetricWindow::stop(const std::string &batch) {
  std::erase(turns_, batch);
  const auto found = batches_.find(batch);
  if (found == batches_.end()) return;
  found->second.waiting.clear();
  found->second.failure.clear();
  under_way_ -= std::exchange(found->second.under_way, 0);
}

void MetricWindow::forget(const std::string &batch) {
  stop(batch);
  batches_.erase(batch);
}

std::optional<MetricWindow::Metric> MetricWindow::next() {
  if (under_way_ >= most_) return std::nullopt;
  for (const std::string &name : turns_) {
    Batch &batch = batches_.at(name);
    if (batch.waiting.empty()) continue;
    const size_t index = batch.waiting.front();
    batch.waiting.pop_front();
    ++batch.under_way;
    ++under_way_;
    return Metric{name, index, batch.ids[index]};
  }
  return std::nullopt;
}

std::optional<MetricWindow::Attempt> MetricWindow::on_answer(const std::string &batch, size_t index,
                                                             const std::string &failure) {
  const auto found = batches_.find(batch);
  if (found == batches_.end() || found->second.under_way == 0) return std::nullopt;
  Batch &own = found->second;
  --own.under_way;
  --under_way_;
  if (failure.empty()) {
    own.taken.at(index) = true;
  } else {
    own.waiting.clear();
    if (own.failure.empty()) own.failure = failure;
  }
  if (own.under_way > 0 || !own.waiting.empty()) return std::nullopt;
  Attempt attempt{own.failure};
  stop(batch);
  return attempt;
}

}  // namespace flare
