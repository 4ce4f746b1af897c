#include "runtime/level_fd.h"

#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/loop.h"

namespace flare {

namespace {

long futex(const std::atomic<uint32_t> *word, int operation, uint32_t value, const timespec *timeout) {
  return ::syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
}

}  // namespace

LevelFd::~LevelFd() {
  if (fd_ >= 0) ::close(fd_);
}

void LevelFd::set(bool raised) {
  if (raised == this->raised()) return;
  {
    std::lock_guard lock(mutex_);
    raised_ = raised ? 1 : 0;
    eventfd_t ignored;
    // Neither can fail: the counter only moves between 0 and 1.
    if (fd_ >= 0) raised ? ::eventfd_write(fd_, 1) : ::eventfd_read(fd_, &ignored);
  }
  if (!raised) return;
  if (waiters_ > 0) futex(&raised_, FUTEX_WAKE, INT_MAX, nullptr);
  if (Loop *const guest = guest_) guest->kick();
}

int LevelFd::get() const {
  std::lock_guard lock(mutex_);
  if (fd_ < 0) fd_ = ::eventfd(raised_, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd_;
}

void LevelFd::wait(std::optional<TimePoint> deadline) const {
  ++waiters_;
  while (!raised()) {
    timespec left{};
    if (deadline) {
      const TimePoint now = Clock::now();
      if (*deadline <= now) break;
      const Duration rest = *deadline - now;
      left.tv_sec = static_cast<time_t>(rest.count() / 1'000'000'000);
      left.tv_nsec = static_cast<long>(rest.count() % 1'000'000'000);
    }
    futex(&raised_, FUTEX_WAIT, 0, deadline ? &left : nullptr);
  }
  --waiters_;
}

}  // namespace flare
