// One thread that runs work, timers and descriptors one after another. All of an agent's or exchanger's deciding
// happens in it. Built on Asio, which is seen in loop.cpp only.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "base/time.h"

namespace flare {

class Loop {
 public:
  using Work = std::function<void()>;

  // Starts the thread; all signals are blocked in it. `on_error` gets what escapes a Work, in the loop thread.
  Loop(const char *thread_name, std::function<void(std::exception_ptr)> on_error);
  ~Loop();  // stops and joins; not in the loop thread

  // Any thread. Runs in the order of the posts; dropped after stop().
  void post(Work work);
  // Any thread but the loop's: returns when it ran; what it throws is thrown here. Throws Failure(FLARE_STOPPED)
  // when the loop does not run (any more).
  void run_and_wait(Work work);
  // No work runs after it returned, whoever called it first. In the loop thread it ends the loop, but cannot wait.
  void stop();
  bool in_loop() const;

  // A one-shot timer. Made, used and destroyed in the loop thread, also by its own callback; nothing runs after its
  // destruction, and nothing for a time that was taken back or replaced.
  class Alarm {
   public:
    virtual ~Alarm() = default;
    virtual void set(std::optional<TimePoint> when) = 0;
  };
  // Calls each time the descriptor is readable, until it is destroyed. Made and destroyed in the loop thread, also by
  // its own callback. It does not own the descriptor.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  std::unique_ptr<Alarm> make_alarm(Work on_time);
  std::unique_ptr<Watch> make_watch(int fd, Work on_readable);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flare
