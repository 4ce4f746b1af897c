// A file descriptor that polls as readable exactly while it is raised.
#pragma once

#include <optional>

#include "base/time.h"

namespace flare {

class LevelFd {
 public:
  LevelFd();  // throws Failure(FLARE_IO)
  ~LevelFd();
  LevelFd(const LevelFd &) = delete;
  LevelFd &operator=(const LevelFd &) = delete;

  // Not thread-safe: call it under the lock that guards the condition which the descriptor shows.
  void set(bool raised);

  int get() const { return fd_; }

  // Returns when it is raised or the time is over (nullopt: never), which the caller tells apart by looking.
  void wait(std::optional<TimePoint> deadline) const;

 private:
  int fd_;
  bool raised_ = false;
};

}  // namespace flare
