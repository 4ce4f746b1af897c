#include "runtime/bell.h"

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/failure.h"

namespace flare {

Bell::Bell() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw Failure(FLARE_IO, "no descriptor for an event: " + std::generic_category().message(errno));
}

Bell::~Bell() { ::close(fd_); }

void Bell::ring() noexcept {
  const int before = errno;  // of whatever a signal handler interrupts
  rung_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  // It fails only when it was rung some 2^64 times.
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof one);
  errno = before;
}

}  // namespace flare
