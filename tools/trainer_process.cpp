#include "trainer_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

namespace flare_tool {

namespace {

std::vector<char *> pointers(std::vector<std::string> &texts) {
  std::vector<char *> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string &text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string> &more) {
  std::vector<std::string> all;
  for (char **entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (more.count(text.substr(0, text.find('='))) == 0) all.push_back(text);
  }
  for (const auto &[name, value] : more) all.push_back(std::string(name).append("=").append(value));
  return all;
}

// Between fork and exec of a process with threads: only what POSIX allows in signal handlers.
[[noreturn]] void become(char *const *arguments, char *const *environment, int log, int null, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before we asked to be told
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

int open_or_throw(const std::filesystem::path &path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path.string());
  return fd;
}

}  // namespace

TrainerProcess::TrainerProcess(const Start &start) : log_(start.log) {
  // The shell takes the command apart and then becomes it, so the process is the trainer itself.
  std::vector<std::string> arguments = {"/bin/sh", "-c", "exec " + start.command + " \"$@\"", "sh"};
  arguments.insert(arguments.end(), start.arguments.begin(), start.arguments.end());
  std::vector<std::string> environment = environment_with(start.environment);
  const std::vector<char *> argument_pointers = pointers(arguments), environment_pointers = pointers(environment);
  const int null = open_or_throw("/dev/null", O_RDONLY);
  const int log = open_or_throw(start.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(argument_pointers.data(), environment_pointers.data(), log, null, parent);
  const int fork_error = errno;
  ::close(log);
  ::close(null);
  if (pid_ < 0) throw std::system_error(fork_error, std::generic_category(), "fork");
  ::setpgid(pid_, pid_);  // by both, so that the group exists for both from now on
}

TrainerProcess::~TrainerProcess() {
  if (has_ended()) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool TrainerProcess::has_ended() {
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

std::string TrainerProcess::how_it_ended() const {
  if (exit_status_ >= 0) return "exit status " + std::to_string(exit_status_);
  return "signal " + std::to_string(end_signal_) + " (" + sigdescr_np(end_signal_) + ")";
}

void TrainerProcess::signal(int signal) const { ::kill(-pid_, signal); }

}  // namespace flare_tool
