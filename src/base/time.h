// Time inside the library is monotonic (W-05). Deciding code never asks for the time: it is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace flare {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// The time for whatever waits. Defined apart in clock.cpp, so that a campaign can bring its own.
struct Clock {
  using time_point = TimePoint;
  static TimePoint now();
};

inline Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
inline double to_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// For machines that count in seconds.
inline double to_seconds(TimePoint time) { return to_seconds(time.time_since_epoch()); }
inline TimePoint time_point(double seconds) { return TimePoint(from_seconds(seconds)); }

// For records, messages and others: nothing here is decided by it.
inline double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The earlier of two deadlines, where nullopt means never.
inline std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return *a < *b ? a : b;
}

}  // namespace flare
