#include "child_process.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "descriptor.h"

namespace flare_tool {

namespace {

std::vector<char *> pointers(std::vector<std::string> &texts) {
  std::vector<char *> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string &text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_of(const ChildProcess::Start &start) {
  std::vector<std::string> all;
  for (char **entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!start.without.empty() && text.starts_with(start.without)) continue;
    if (start.environment.count(text.substr(0, text.find('='))) == 0) all.push_back(text);
  }
  for (const auto &[name, value] : start.environment) all.push_back(std::string(name).append("=").append(value));
  return all;
}

// Between fork and exec of a process with threads: only what POSIX allows in signal handlers, and glibc's execvpe(),
// which allocates nothing. Returns why it is not what it should be.
int become(const ChildProcess::Start &start, char *const *arguments, char *const *environment, pid_t parent) {
  ::setpgid(0, 0);
  if (const pid_t group = ::getpid(); start.told >= 0 && ::write(start.told, &group, sizeof group) < 0) return errno;
  ::prctl(PR_SET_PDEATHSIG, start.signal_on_our_death);
  if (::getppid() != parent) return ESRCH;  // it died before we asked to be told
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::dup2(start.input, STDIN_FILENO);
  ::dup2(start.output, STDOUT_FILENO);
  ::dup2(start.errors, STDERR_FILENO);
  ::execvpe(arguments[0], arguments, environment);
  return errno;
}

}  // namespace

ChildProcess::ChildProcess(const Start &start) {
  std::vector<std::string> arguments = start.arguments, environment = environment_of(start);
  const std::vector<char *> argument_pointers = pointers(arguments), environment_pointers = pointers(environment);
  PipeEnds failure = make_pipe();  // closed by a successful exec
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    const int error = become(start, argument_pointers.data(), environment_pointers.data(), parent);
    [[maybe_unused]] const ssize_t told = ::write(failure.write.get(), &error, sizeof error);
    ::_exit(127);
  }
  int error = pid_ < 0 ? errno : 0;
  failure.write.close();
  if (pid_ > 0) {
    ::setpgid(pid_, pid_);  // by both, so that the group exists for both from now on
    while (::read(failure.read.get(), &error, sizeof error) < 0 && errno == EINTR) continue;
    if (error != 0) ::waitpid(pid_, nullptr, 0);
  }
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start " + arguments.front());
}

ChildProcess::~ChildProcess() {
  if (has_ended()) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool ChildProcess::has_ended() {
  if (ended_) return true;
  siginfo_t info = {};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return false;
  signal(SIGKILL);  // while its id is still taken, so that no other group can be meant
  ::waitpid(pid_, nullptr, 0);
  ended_ = true;
  if (info.si_code == CLD_EXITED) {
    exit_status_ = info.si_status;
  } else {
    end_signal_ = info.si_status;
  }
  return true;
}

std::string ChildProcess::how_it_ended() const {
  if (exit_status_ >= 0) return "exit status " + std::to_string(exit_status_);
  return "signal " + std::to_string(end_signal_) + " (" + sigdescr_np(end_signal_) + ")";
}

void ChildProcess::signal(int signal) const { ::kill(-pid_, signal); }

}  // namespace flare_tool
