#include "exec/program.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string_view>

namespace flare_tool {

namespace {

using Clock = std::chrono::steady_clock;

void never_wait_for(const Descriptor &fd) { ::fcntl(fd.get(), F_SETFL, O_NONBLOCK); }

// All that is there for the moment, closes `fd` at its end. That is more than a pipe holds, but bounded: who prints
// without end must not be listened to without end.
template <typename Sink>
void read_all(Descriptor *fd, const Sink &sink) {
  constexpr int kReads = 64;
  std::array<char, 65536> buffer;
  for (int reads = 0; reads < kReads && fd->get() >= 0; ++reads) {
    const ssize_t size = ::read(fd->get(), buffer.data(), buffer.size());
    if (size > 0) {
      sink(std::string_view(buffer.data(), static_cast<size_t>(size)));
    } else if (size == 0 || (errno != EINTR && errno != EAGAIN)) {
      fd->close();
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

// A signal that our own writing has raised says nothing about our own output.
void forget_broken_pipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  const timespec now = {};
  ::sigtimedwait(&set, nullptr, &now);
}

}  // namespace

Program::Program(const std::vector<std::string> &command, const std::map<std::string, std::string> &environment,
                 bool talks, const Guard &guard)
    : Program(command, environment, talks, guard, {make_pipe(), make_pipe(), make_pipe()}) {}

Program::Program(const std::vector<std::string> &command, const std::map<std::string, std::string> &environment,
                 bool talks, const Guard &guard, Pipes pipes)
    : guard_(guard),
      input_(std::move(pipes.input.write)),
      output_(std::move(pipes.output.read)),
      errors_(std::move(pipes.errors.read)),
      process_({command, environment, "FLARE_AGENT_", pipes.input.read.get(), pipes.output.write.get(),
                pipes.errors.write.get(), SIGKILL, guard.watched()}) {
  if (!talks) input_.close();
  for (const Descriptor *fd : {&input_, &output_, &errors_})
    if (fd->get() >= 0) never_wait_for(*fd);
}

Program::~Program() { guard_.watch_nothing(); }  // what still runs is killed right after this

void Program::read_output() {
  read_all(&output_, [this](std::string_view text) { lines_.add(text); });
}

void Program::read_errors() {
  read_all(&errors_, [this](std::string_view text) {
    last_words_.add(text);
    std::fwrite(text.data(), 1, text.size(), stderr);
  });
}

void Program::write_input() {
  while (!to_tell_.empty()) {
    const ssize_t size = ::write(input_.get(), to_tell_.data(), to_tell_.size());
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0 && errno != EINTR) {  // it does not listen any more; how it ends will say why
      forget_broken_pipe();
      to_tell_.clear();
      input_.close();
    }
    if (size > 0) to_tell_.erase(0, static_cast<size_t>(size));
  }
}

void Program::wait(std::chrono::milliseconds timeout, const Interrupts &interrupts) {
  std::array<pollfd, 4> entries = {{{interrupts.fd(), POLLIN, 0},
                                    {output_.get(), POLLIN, 0},
                                    {errors_.get(), POLLIN, 0},
                                    {to_tell_.empty() ? -1 : input_.get(), POLLOUT, 0}}};
  ::poll(entries.data(), entries.size(), static_cast<int>(timeout.count()));
  read_errors();
  read_output();
  write_input();
}

std::optional<std::string> Program::take_line() {
  std::optional<std::string> line = lines_.take();
  return line || !ended_ ? line : lines_.take_rest();
}

bool Program::has_ended() {
  if (ended_ || !process_.has_ended()) return ended_;
  ended_ = true;
  guard_.watch_nothing();
  read_errors();
  read_output();
  return true;
}

void Program::tell(const std::string &line) {
  to_tell_ += line + "\n";
  write_input();
}

std::optional<int> Program::stop(std::chrono::milliseconds grace, bool politely, const Interrupts &interrupts) {
  std::optional<int> interrupted;
  const auto ends_within = [&](std::chrono::milliseconds time) {
    for (const auto deadline = Clock::now() + time; !has_ended();) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0 || interrupted) return false;
      wait(left, interrupts);
      if (const auto signal = interrupts.take()) interrupted = signal;
    }
    return true;
  };
  if (politely) input_.close();
  if (politely && ends_within(grace)) return interrupted;
  if (!interrupted) process_.signal(SIGTERM);
  if (ends_within(grace)) return interrupted;
  process_.signal(SIGKILL);
  while (!has_ended()) ::poll(nullptr, 0, 1);
  return interrupted;
}

}  // namespace flare_tool
