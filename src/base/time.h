// Time inside the library is monotonic (W-05). Deciding code never asks for the time: it is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace flare {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = std::chrono::nanoseconds;

inline Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
inline double to_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// The earlier of two deadlines, where nullopt means never.
inline std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return *a < *b ? a : b;
}

}  // namespace flare
