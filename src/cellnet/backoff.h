// How long to wait before connecting again: longer each time, until a connection lasts. Two agents of one name would
// otherwise throw each other out for ever, as fast as they can connect: a cell keeps the newest of one name.
#pragma once

#include <algorithm>
#include <optional>

#include "base/time.h"

namespace flare {

class Backoff {
 public:
  void on_ready(TimePoint now) { ready_at_ = now; }

  Duration next(TimePoint now) {
    if (ready_at_ && now - *ready_at_ >= kLasting) delay_ = kShortest;
    ready_at_.reset();
    const Duration delay = delay_;
    delay_ = std::min<Duration>(2 * delay_, kLongest);
    return delay;
  }

 private:
  static constexpr Duration kShortest = std::chrono::milliseconds(100);
  static constexpr Duration kLongest = std::chrono::seconds(10);  // NVFlare's own
  static constexpr Duration kLasting = std::chrono::seconds(10);

  Duration delay_ = kShortest;
  std::optional<TimePoint> ready_at_;
};

}  // namespace flare
