#include "runtime/level_fd.h"

#include <cerrno>
#include <string>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/failure.h"

namespace flare {

LevelFd::LevelFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw Failure(FLARE_IO, "no descriptor for an event: " + std::generic_category().message(errno));
}

LevelFd::~LevelFd() { ::close(fd_); }

void LevelFd::set(bool raised) {
  if (raised == raised_) return;
  raised_ = raised;
  eventfd_t ignored;
  // Neither can fail: the counter only moves between 0 and 1.
  raised ? ::eventfd_write(fd_, 1) : ::eventfd_read(fd_, &ignored);
}

void LevelFd::wait(std::optional<TimePoint> deadline) const {
  for (;;) {
    timespec left{};
    if (deadline) {
      const TimePoint now = Clock::now();
      const Duration rest = *deadline > now ? *deadline - now : Duration::zero();
      left.tv_sec = static_cast<time_t>(rest.count() / 1'000'000'000);
      left.tv_nsec = static_cast<long>(rest.count() % 1'000'000'000);
    }
    pollfd entry{fd_, POLLIN, 0};
    const int ready = ::ppoll(&entry, 1, deadline ? &left : nullptr, nullptr);
    if (ready >= 0 || errno != EINTR) return;
  }
}

}  // namespace flare
