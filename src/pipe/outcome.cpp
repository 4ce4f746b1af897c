#include "pipe/outcome.h"

#include <algorithm>

#include "base/time.h"

namespace flare {

Outcome wait_for(std::mutex *mutex, const LevelFd &fd, int64_t timeout_ms,
                 const std::function<std::optional<Outcome>()> &check, Loop *loop) {
  constexpr int64_t kLongest = int64_t{1} << 40;  // 35 years in milliseconds: far from overflow
  std::optional<TimePoint> deadline;
  if (timeout_ms >= 0) deadline = Clock::now() + std::chrono::milliseconds(std::min(timeout_ms, kLongest));
  for (;;) {
    {
      std::lock_guard lock(*mutex);
      if (auto outcome = check()) return *std::move(outcome);
    }
    if (deadline && Clock::now() >= *deadline) return {FLARE_TIMEOUT, ""};
    loop ? loop->wait(fd, deadline) : fd.wait(deadline);
  }
}

}  // namespace flare
