// Virtual time: what is scheduled happens in order of its time, and of its being scheduled where times are equal.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace flare::replay {

class Timeline {
 public:
  explicit Timeline(double start) : now_(start) {}

  double now() const { return now_; }
  void at(double time, std::function<void()> action) {
    const auto place = std::upper_bound(actions_.begin(), actions_.end(), time,
                                        [](double value, const Entry &entry) { return value < entry.first; });
    actions_.insert(place, {time, std::move(action)});
  }
  void clear() { actions_.clear(); }

  // Runs the next action, or moves to `until` when that comes before it. False: neither is there.
  bool step(std::optional<double> until) {
    if (!actions_.empty() && (!until || actions_.front().first <= *until)) {
      now_ = std::max(now_, actions_.front().first);
      const auto action = std::move(actions_.front().second);
      actions_.erase(actions_.begin());
      action();
      return true;
    }
    if (until) now_ = std::max(now_, *until);
    return until.has_value();
  }
  void run_until(double until) {
    while (!actions_.empty() && actions_.front().first <= until) step(until);
    now_ = std::max(now_, until);
  }

 private:
  using Entry = std::pair<double, std::function<void()>>;
  double now_;
  std::vector<Entry> actions_;
};

}  // namespace flare::replay
