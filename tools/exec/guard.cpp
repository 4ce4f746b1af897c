#include "exec/guard.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace flare_tool {

namespace {

// What is being killed may still write into the folder for a moment.
void clean_up(pid_t group, const std::filesystem::path &folder) {
  constexpr int kTries = 100;
  if (group > 0) ::kill(-group, SIGKILL);
  for (int i = 0; i < kTries && group > 0 && ::kill(-group, 0) == 0; ++i) ::poll(nullptr, 0, 10);
  std::error_code failed;
  std::filesystem::remove_all(folder, failed);
  for (int i = 0; i < kTries && failed; ++i) {
    ::poll(nullptr, 0, 10);
    std::filesystem::remove_all(folder, failed);
  }
}

// Reads until nobody can write any more.
[[noreturn]] void guard(int groups, const std::filesystem::path &folder) {
  ::setsid();  // who ends the group of the process that it watches does not mean it
  ::prctl(PR_SET_NAME, "flare-guard");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pid_t group = 0;
  for (pid_t next = 0;;) {
    const ssize_t size = ::read(groups, &next, sizeof next);
    if (size == sizeof next) group = next;
    if (size == 0 || (size < 0 && errno != EINTR)) break;
  }
  clean_up(group, folder);
  ::_exit(0);
}

}  // namespace

Guard::Guard(const std::filesystem::path &folder) {
  PipeEnds pipe = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    // Of its output and the like nothing stays open, so that who waits for their end does not wait for the guard.
    for (int fd = 0; fd < pipe.read.get(); ++fd) ::close(fd);
    ::close_range(static_cast<unsigned>(pipe.read.get()) + 1, ~0U, 0);
    guard(pipe.read.get(), folder);
  }
  groups_ = std::move(pipe.write);
}

Guard::~Guard() {
  groups_.close();
  ::waitpid(pid_, nullptr, 0);
}

void Guard::watch_nothing() const {
  constexpr pid_t kNone = 0;
  // A pipe takes a few bytes whole and at once; without a guard it is as if there had been none.
  [[maybe_unused]] const ssize_t written = ::write(groups_.get(), &kNone, sizeof kNone);
}

}  // namespace flare_tool
