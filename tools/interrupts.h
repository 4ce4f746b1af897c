// Signals as something to poll: Ctrl-C and the like, and the end of a child.
#pragma once

#include <optional>
#include <stdexcept>

namespace flare_tool {

// The user wants the run to end.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal);
  int signal() const { return signal_; }

 private:
  int signal_;
};

// While it lives, these signals no longer interrupt the process. Create it before any thread.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts &) = delete;
  Interrupts &operator=(const Interrupts &) = delete;

  int fd() const { return fd_; }
  // Takes what has come, without waiting: the signal that asks to end, if there was one. SIGCHLD only wakes.
  std::optional<int> take() const;

 private:
  int fd_;
};

}  // namespace flare_tool
