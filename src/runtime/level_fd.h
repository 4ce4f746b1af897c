// A condition that threads wait for, and a file descriptor that polls as readable exactly while it is raised. The
// descriptor is made when somebody wants it: most conditions are only waited for here, where it would be a price.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/time.h"

namespace flare {

class Loop;

class LevelFd {
 public:
  LevelFd() = default;
  ~LevelFd();
  LevelFd(const LevelFd &) = delete;
  LevelFd &operator=(const LevelFd &) = delete;

  // Not thread-safe: call it under the lock that guards the condition which this shows.
  void set(bool raised);

  // Any thread.
  bool raised() const { return raised_ != 0; }
  int get() const;  // -1: there is none to be had
  // Returns when it is raised or the time is over (nullopt: never), which the caller tells apart by looking.
  void wait(std::optional<TimePoint> deadline) const;
  // The loop that somebody drives who waits for this, to be woken when it is raised; or none.
  void set_guest(Loop *loop) const { guest_ = loop; }

 private:
  std::atomic<uint32_t> raised_ = 0;
  mutable std::atomic<int> waiters_ = 0;
  mutable std::atomic<Loop *> guest_ = nullptr;

  mutable std::mutex mutex_;  // guards fd_, and that it shows raised_
  mutable int fd_ = -1;
};

}  // namespace flare
