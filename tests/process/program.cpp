#include "program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace flare_test {

using Clock = std::chrono::steady_clock;

Program::Program(const std::string &name, const std::vector<std::string> &arguments,
                 const std::map<std::string, std::string> &environment) {
  int out[2], in[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(in, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const std::string path = std::string(FLARE_TEST_BIN_DIR) + "/" + name;
  std::vector<char *> argv = {const_cast<char *>(path.c_str())};
  for (const std::string &argument : arguments) argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (char **variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (!environment.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto &[key, value] : environment) variables.push_back(key + "=" + value);
  std::vector<char *> envp;
  for (std::string &variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  // Not fork(), which is slow in a program with many threads and much memory. Until it is another program, the child
  // lives in our memory and must write to none of it.
  pid_ = ::vfork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(out[1], 2);
    ::execve(path.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(in[0]);
  out_ = out[0];
  in_ = in[1];
}

Program::~Program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(out_);
  ::close(in_);
}

bool Program::read_some(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd entry{out_, POLLIN, 0};
  if (::poll(&entry, 1, static_cast<int>(std::max<int64_t>(0, left))) <= 0) return false;
  char buffer[4096];
  const ssize_t size = ::read(out_, buffer, sizeof buffer);
  if (size <= 0) return false;
  output_.append(buffer, static_cast<size_t>(size));
  return true;
}

std::string Program::wait_line(const std::string &start, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    for (size_t end = output_.find('\n', seen_); end != std::string::npos; end = output_.find('\n', seen_)) {
      const std::string line = output_.substr(seen_, end - seen_);
      seen_ = end + 1;
      if (line.rfind(start, 0) == 0) return line;
    }
    if (!read_some(deadline)) return "";
  }
}

void Program::drain() {
  while (read_some(Clock::now())) {
  }
}

int Program::wait_exit(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (read_some(deadline)) {
  }
  if (pid_ < 0) return -1;
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < deadline) ::usleep(1000);
  if (ended != pid_) return -1;
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void Program::signal(int number) const { ::kill(pid_, number); }

void Program::write_line(const std::string &text) const {
  const std::string line = text + "\n";
  if (::write(in_, line.data(), line.size()) < 0) throw std::runtime_error("write");
}

}  // namespace flare_test
