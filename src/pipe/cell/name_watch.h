// Notices another process with our cell's name that NameLock cannot see, on another machine. Of one name a cell keeps
// the newest connection and closes the one before it, so both connect again and again, and each throws the other out.
// Pure.
#pragma once

#include <optional>
#include <utility>

#include "base/time.h"

namespace flare {

class NameWatch {
 public:
  static constexpr int kMost = 5;  // connections in a row that did not last
  static constexpr Duration kLasting = std::chrono::seconds(5);

  void on_ready(TimePoint now) { ready_at_ = now; }

  // The connection was lost, or could not be made. True: the name is somebody else's.
  bool on_lost(TimePoint now) {
    const auto ready = std::exchange(ready_at_, std::nullopt);
    if (!ready) return false;
    short_ = now - *ready < kLasting ? short_ + 1 : 0;
    return short_ >= kMost;
  }

 private:
  std::optional<TimePoint> ready_at_;
  int short_ = 0;
};

}  // namespace flare
