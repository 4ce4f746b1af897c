#include "runtime/loop.h"

#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include <asio.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

#include "base/failure.h"
#include "runtime/level_fd.h"
#include "runtime/signals_blocked.h"

namespace flare {

namespace {

// How long the loop's thread leaves the loop to a guest that has just left: a program that takes one task after the
// other is back sooner, and waking the thread in between would only cost both.
constexpr Duration kRest = std::chrono::milliseconds(1);

// How much of what is posted a thread that helps runs at most.
constexpr size_t kMostHelp = 16;

}  // namespace

// Whoever runs work holds the turn. Whoever drives sleeps in Asio's context until a timer or descriptor wants a turn,
// and takes it: the loop's own thread, or a guest, which is a thread of the user that waits for what only the loop can
// bring.
struct Loop::State {
  enum class Driver { kThread, kGuest, kNobody };

  explicit State(std::function<void(std::exception_ptr)> error) : on_error(std::move(error)) {}

  asio::io_context context;
  const asio::executor_work_guard<asio::io_context::executor_type> never_out_of_work = asio::make_work_guard(context);
  const std::function<void(std::exception_ptr)> on_error;
  std::atomic<bool> ended = false;

  std::mutex turn;  // taken without any other lock held
  std::atomic<std::thread::id> holder{std::thread::id()};

  std::mutex mutex;  // guards the members down to the blank line
  std::deque<Work> posted;
  std::deque<Work> put_off;
  bool stopped = false;
  Driver driver = Driver::kThread;
  bool sleeping = false;  // the driver, and nobody has woken it yet
  bool kicked = false;    // the driver is to look at what it waits for
  bool has_guest = false;
  std::thread::id guest;
  uint64_t guests = 0;     // so far
  TimePoint rest_until{};  // the thread lets the loop be, when there is no guest
  bool rests_on = false;   // without an end: it has to be woken
  std::condition_variable thread_left, rest_over;

  std::mutex join_mutex;  // held while the thread ends, so that every stop() returns after its end
  std::thread thread;

  // ---- Turns

  bool in_turn() const { return holder.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  class Turn {
   public:
    explicit Turn(State *state) : Turn(state, std::unique_lock(state->turn)) {}
    Turn(State *state, std::unique_lock<std::mutex> lock) : state_(state), lock_(std::move(lock)) {
      state_->holder = std::this_thread::get_id();
    }
    ~Turn() { state_->holder = std::thread::id(); }

   private:
    State *state_;
    std::unique_lock<std::mutex> lock_;
  };

  void guarded(const Work &work) {
    try {
      work();
    } catch (...) {
      on_error(std::current_exception());
    }
  }

  void run_posted(size_t most) {
    for (; most > 0 && !ended; --most) {
      Work work;
      {
        std::lock_guard lock(mutex);
        if (posted.empty()) return;
        work = std::move(posted.front());
        posted.pop_front();
      }
      guarded(work);
    }
  }

  void run_put_off() {
    std::unique_lock lock(mutex);
    if (put_off.empty()) return;
    auto works = std::exchange(put_off, {});
    lock.unlock();
    const Turn mine(this);
    for (const Work &work : works) {
      if (!ended) guarded(work);
    }
    run_posted(std::numeric_limits<size_t>::max());
  }

  // Of a timer or descriptor, in a turn.
  void called(const Work &work) {
    const Turn mine(this);
    if (!ended) guarded(work);
    run_posted(std::numeric_limits<size_t>::max());
  }

  // ---- Sleeping and waking

  // The driver: sleeps until something is to be done, or until then, and does it.
  void step(std::optional<TimePoint> until) {
    run_put_off();
    bool awake = false;
    {
      std::lock_guard lock(mutex);
      awake = !posted.empty() || !put_off.empty() || kicked || ended;
      sleeping = !awake;
    }
    if (awake) {
      context.poll_one();
    } else if (until) {
      context.run_one_until(*until);
    } else {
      context.run_one();  // with a time, Asio would wake up each second
    }
    {
      std::lock_guard lock(mutex);
      sleeping = kicked = false;
      if (posted.empty()) return;
    }
    const Turn mine(this);
    run_posted(std::numeric_limits<size_t>::max());
  }

  // Whoever sleeps looks at what there is to do; who does not sleep looks before.
  void rouse() {
    asio::post(context, [] {});
  }

  // With the mutex held, all three. The first says whether rouse() is to be called.
  bool must_rouse() { return std::exchange(sleeping, false); }
  // It is done at once, also when nobody drives.
  void wake_driver() {
    if (driver == Driver::kNobody) {
      end_rest();
    } else if (must_rouse()) {
      rouse();
    }
  }
  // The driver returns from its step.
  void kick_driver() {
    kicked = true;
    if (must_rouse()) rouse();
  }

  // ---- Who drives

  // With the mutex held.
  void end_rest() {
    rest_until = TimePoint();
    rest_over.notify_one();
  }

  // The loop's thread.
  void run() {
    while (!ended) may_drive() ? step(std::nullopt) : rest();
    std::lock_guard lock(mutex);
    driver = Driver::kNobody;
    thread_left.notify_all();
  }

  bool may_drive() {
    std::lock_guard lock(mutex);
    if (!has_guest && Clock::now() >= rest_until) {
      driver = Driver::kThread;
      return true;
    }
    if (driver == Driver::kThread) driver = Driver::kNobody;
    thread_left.notify_all();
    return false;
  }

  // A guest that stays is left alone. One that comes and goes need not wake the thread each time, which looks after it
  // now and then.
  void rest() {
    std::unique_lock lock(mutex);
    const uint64_t seen = guests;
    if (has_guest) {
      rest_over.wait_for(lock, kRest, [&] { return !has_guest && rest_until == TimePoint(); });
      rests_on = has_guest && guests == seen;
      rest_over.wait(lock, [&] { return !rests_on; });
    } else {
      rest_over.wait_until(lock, rest_until);
    }
  }

  // Whether this thread drives from now on.
  bool enter() {
    std::unique_lock lock(mutex);
    if (stopped || has_guest) return false;
    has_guest = true;
    ++guests;
    if (driver == Driver::kThread) kick_driver();
    thread_left.wait(lock, [&] { return driver != Driver::kThread; });
    driver = Driver::kGuest;
    guest = std::this_thread::get_id();
    return true;
  }

  void leave() {
    std::lock_guard lock(mutex);
    has_guest = kicked = false;
    driver = Driver::kNobody;
    rest_until = Clock::now() + kRest;
    if (ended || !posted.empty()) end_rest();
    if (std::exchange(rests_on, false)) rest_over.notify_one();
  }
};

Loop::Loop(const char *thread_name, std::function<void(std::exception_ptr)> on_error)
    : state_(std::make_unique<State>(std::move(on_error))) {
  const SignalsBlocked blocked;  // a new thread inherits the mask: signals are for the user's threads
  state_->thread = std::thread([state = state_.get()] { state->run(); });
  ::pthread_setname_np(state_->thread.native_handle(), thread_name);
}

Loop::~Loop() { stop(); }

void Loop::post(Work work) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->posted.push_back(std::move(work));
    // Whoever has the turn looks before it ends, and whoever was woken before looks too.
    if (state_->posted.size() > 1 || state_->in_turn()) return;
    if (!state_->must_rouse()) return state_->wake_driver();
  }
  state_->rouse();  // without the lock, which is the first thing that whoever wakes wants
}

void Loop::line_up(Work work) {
  std::lock_guard lock(state_->mutex);
  if (!state_->stopped) state_->posted.push_back(std::move(work));
}

void Loop::help() {
  State &state = *state_;
  if (std::unique_lock lock(state.turn, std::try_to_lock); lock) {
    const State::Turn mine(&state, std::move(lock));
    state.run_posted(kMostHelp);
  }
  // It was too much for us, came while our turn was about to end, or somebody else has the turn and may be ending it.
  std::lock_guard lock(state.mutex);
  if (!state.posted.empty()) state.wake_driver();
}

void Loop::put_off(Work work) {
  std::lock_guard lock(state_->mutex);
  if (state_->stopped) return;
  state_->put_off.push_back(std::move(work));
  if (state_->must_rouse()) state_->rouse();  // the driver sleeps when this is the turn of a thread that helps
}

void Loop::run_and_wait(Work work) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::exception_ptr error;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) throw Failure(FLARE_STOPPED, "the loop was stopped");
    state_->posted.emplace_back([&] {
      try {
        work();
      } catch (...) {
        error = std::current_exception();
      }
      std::lock_guard finished(mutex);
      done = true;
      changed.notify_one();
    });
    state_->wake_driver();
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  if (error) std::rethrow_exception(error);
}

void Loop::wait(const LevelFd &fd, std::optional<TimePoint> deadline) {
  if (!state_->enter()) return fd.wait(deadline);
  fd.set_guest(this);
  while (!fd.raised() && !state_->ended && (!deadline || Clock::now() < *deadline)) state_->step(deadline);
  fd.set_guest(nullptr);
  state_->leave();
}

void Loop::kick() {
  std::lock_guard lock(state_->mutex);
  if (state_->driver == State::Driver::kGuest && state_->guest != std::this_thread::get_id()) state_->kick_driver();
}

void Loop::stop() {
  {
    // Behind everything posted so far, so that nobody waits for work that never runs.
    std::lock_guard lock(state_->mutex);
    if (!std::exchange(state_->stopped, true)) {
      state_->posted.emplace_back([this] { state_->ended = true; });
      state_->wake_driver();
    }
  }
  if (in_loop()) return;
  {
    std::lock_guard lock(state_->join_mutex);
    if (state_->thread.joinable()) state_->thread.join();
  }
  std::lock_guard turn(state_->turn);  // of a guest or helper
}

bool Loop::in_loop() const { return state_->in_turn(); }

// What a callback needs is held apart from the alarm or watch, which may end while it waits for its turn, and while it
// has it.

class Loop::OneAlarm : public Loop::Alarm {
 public:
  OneAlarm(State *state, Work on_time)
      : state_(state), timer_(state->context), core_(std::make_shared<Core>(Core{this, std::move(on_time), {}, {}})) {}

  // One that is put off or taken back is left to ring for nothing, as most are, again and again: each change of Asio's
  // timer is a system call.
  void set(std::optional<TimePoint> when) override {
    core_->when = when;
    if (when && (!core_->rings || *when < *core_->rings)) arm(*when);
  }

 private:
  struct Core {
    OneAlarm *alarm;
    Work on_time;
    std::optional<TimePoint> when;   // it is set for
    std::optional<TimePoint> rings;  // the timer
  };

  void arm(TimePoint when) {
    core_->rings = when;
    timer_.expires_at(when);
    timer_.async_wait([state = state_, weak = std::weak_ptr(core_), when](const asio::error_code &error) {
      if (error) return;
      state->called([&] {
        const auto core = weak.lock();
        // Another time comes too late for a wait that is over and in the queue.
        if (core && core->rings == when) rung(*core);
      });
    });
  }

  static void rung(Core &core) {
    core.rings.reset();
    if (!core.when) return;
    if (*core.when > Clock::now()) return core.alarm->arm(*core.when);
    core.when.reset();
    core.on_time();
  }

  State *state_;
  asio::steady_timer timer_;
  std::shared_ptr<Core> core_;
};

class Loop::OneWatch : public Loop::Watch {
 public:
  OneWatch(State *state, int fd, Work on_readable)
      : state_(state), descriptor_(state->context, fd), on_readable_(std::make_shared<Work>(std::move(on_readable))) {
    wait();
  }
  ~OneWatch() override { descriptor_.release(); }  // it belongs to somebody else

 private:
  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, state = state_, weak = std::weak_ptr(on_readable_)](const asio::error_code &error) {
                             state->called([&] {
                               if (weak.expired()) return;
                               if (error) throw std::system_error(error, "watching a descriptor");
                               call(weak);
                             });
                           });
  }

  void call(const std::weak_ptr<Work> &weak) {
    const auto on_readable = weak.lock();
    try {
      (*on_readable)();
    } catch (...) {
      if (on_readable.use_count() > 1) wait();
      throw;
    }
    if (on_readable.use_count() > 1) wait();
  }

  State *state_;
  asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<Work> on_readable_;
};

std::unique_ptr<Loop::Alarm> Loop::make_alarm(Work on_time) {
  return std::make_unique<OneAlarm>(state_.get(), std::move(on_time));
}

std::unique_ptr<Loop::Watch> Loop::make_watch(int fd, Work on_readable) {
  return std::make_unique<OneWatch>(state_.get(), fd, std::move(on_readable));
}

}  // namespace flare
