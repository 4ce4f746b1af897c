#include "interrupts.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>

namespace flare_tool {

namespace {

// SIGPIPE: whoever read our output is gone, and nothing may be left behind then either.
sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Interrupted::Interrupted(int signal)
    : std::runtime_error("ended by signal " + std::to_string(signal) + " (SIG" + sigabbrev_np(signal) + ")"),
      signal_(signal) {}

Interrupts::Interrupts() {
  std::signal(SIGCHLD, SIG_DFL);  // where it is ignored, how a child ended is lost
  const sigset_t set = watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
}

Interrupts::~Interrupts() {
  ::close(fd_);
  const sigset_t set = watched();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

std::optional<int> Interrupts::take() const {
  std::optional<int> asked;
  signalfd_siginfo info;
  while (::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    if (info.ssi_signo != SIGCHLD) asked = static_cast<int>(info.ssi_signo);
  return asked;
}

}  // namespace flare_tool
