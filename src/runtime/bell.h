// Something that a signal handler may do: raises a flag, and a descriptor that a loop watches.
#pragma once

#include <atomic>

namespace flare {

class Bell {
 public:
  Bell();  // throws Failure(FLARE_IO)
  ~Bell();
  Bell(const Bell &) = delete;
  Bell &operator=(const Bell &) = delete;

  // Any thread, and async-signal-safe: a store and a write(). It stays rung.
  void ring() noexcept;
  bool rung() const noexcept { return rung_.load(std::memory_order_acquire); }
  int get() const { return fd_; }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free);
  std::atomic<bool> rung_{false};
  int fd_;
};

}  // namespace flare
