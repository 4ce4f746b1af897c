// Runs work, timers and descriptors one after another, each in a turn. All of an agent's or exchanger's deciding
// happens there; "in the loop" means in a turn. A thread of its own does that, or a thread of the user that has to wait
// for its outcome anyway, or has just posted something: each thread that need not be woken is a context switch less.
// Built on Asio, which is seen in loop.cpp only.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "base/time.h"

namespace flare {

class LevelFd;

class Loop {
 public:
  using Work = std::function<void()>;

  // Starts the thread; all signals are blocked in it. `on_error` gets what escapes a Work, in the turn.
  Loop(const char *thread_name, std::function<void(std::exception_ptr)> on_error);
  ~Loop();  // stops and joins; not in the loop thread

  // Any thread. Runs in the order of the posts; dropped after stop().
  void post(Work work);
  // The same in two steps, so that locks need not be held in the second: line up, then help, which runs in this thread
  // what waits, unless another runs it already.
  void line_up(Work work);
  void help();
  // In the loop, for what another thread waits for less than this one's next words: runs before anybody sleeps, at once
  // that is, or after a rest of about a millisecond when a thread that waited here has just got what it waited for.
  void put_off(Work work);
  // As fd.wait(deadline), while this thread does the loop's work, when no other waits so. Without locks.
  void wait(const LevelFd &fd, std::optional<TimePoint> deadline);
  // Any thread: whoever is in wait() looks at its descriptor.
  void kick();
  // Any thread but the loop's: returns when it ran; what it throws is thrown here. Throws Failure(FLARE_STOPPED)
  // when the loop does not run (any more).
  void run_and_wait(Work work);
  // No work runs after it returned, whoever called it first. In the loop it ends the loop, but cannot wait.
  void stop();
  bool in_loop() const;

  // A one-shot timer. Made, used and destroyed in the loop, also by its own callback; nothing runs after its
  // destruction, and nothing for a time that was taken back or replaced.
  class Alarm {
   public:
    virtual ~Alarm() = default;
    virtual void set(std::optional<TimePoint> when) = 0;
  };
  // Calls each time the descriptor is readable, until it is destroyed. Made and destroyed in the loop, also by
  // its own callback. It does not own the descriptor.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  std::unique_ptr<Alarm> make_alarm(Work on_time);
  std::unique_ptr<Watch> make_watch(int fd, Work on_readable);

 private:
  struct State;
  class OneAlarm;
  class OneWatch;
  std::unique_ptr<State> state_;
};

}  // namespace flare
