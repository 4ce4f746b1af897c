#include "runtime/loop.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

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

// The id of the descriptor by which whoever sleeps is woken; watches count from 1.
constexpr uint64_t kKick = 0;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {
    if (fd < 0) throw Failure(FLARE_IO, "no descriptor for a loop: " + std::generic_category().message(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;

  int get() const { return fd_; }

 private:
  int fd_;
};

// As epoll_wait() wants it: never too short.
int milliseconds_until(TimePoint when) {
  if (when == TimePoint::max()) return -1;
  const TimePoint now = Clock::now();
  if (when <= now) return 0;
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(when - now).count();
  return static_cast<int>(std::min<int64_t>(count, std::numeric_limits<int>::max()));
}

}  // namespace

// Whoever runs work holds the turn. Whoever drives sleeps until a timer or descriptor wants a turn, and takes it: the
// loop's own thread, or a guest, which is a thread of the user that waits for what only the loop can bring.
struct Loop::State {
  enum class Driver { kThread, kGuest, kNobody };
  using Alarms = std::multimap<TimePoint, std::shared_ptr<const Work>>;

  explicit State(std::function<void(std::exception_ptr)> error) : on_error(std::move(error)) {
    add(kick.get(), kKick, EPOLLIN | EPOLLET);  // an edge for each write: it need not be read
  }

  const std::function<void(std::exception_ptr)> on_error;
  const Descriptor poller{::epoll_create1(EPOLL_CLOEXEC)};
  const Descriptor kick{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const Descriptor rest_timer{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};
  std::atomic<bool> ended = false;

  std::mutex turn;  // taken without any other lock held; guards the members down to the blank line
  std::map<uint64_t, std::shared_ptr<const Work>> watches;
  uint64_t watches_made = 0;

  std::atomic<std::thread::id> holder{std::thread::id()};  // of the turn

  std::mutex mutex;  // guards the members down to the blank line
  std::deque<Work> posted;
  std::deque<Work> put_off;
  Alarms alarms;
  bool stopped = false;
  Driver driver = Driver::kThread;
  bool sleeping = false;  // the driver
  bool kicked = false;    // the driver is to look at what it waits for
  std::thread::id guest;
  bool has_guest = false;
  bool resting = false;  // the timer will wake the thread
  TimePoint rest_until{};
  std::condition_variable thread_left;

  std::mutex join_mutex;  // held while the thread ends, so that every stop() returns after its end
  std::thread thread;

  // ---- Turns

  bool in_turn() const { return holder.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  class Turn {
   public:
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

  std::shared_ptr<const Work> take_alarm(TimePoint now) {
    std::lock_guard lock(mutex);
    if (alarms.empty() || alarms.begin()->first > now) return nullptr;
    return std::move(alarms.extract(alarms.begin()).mapped());
  }

  void run_alarms() {
    const TimePoint now = Clock::now();
    size_t most;  // those that are set anew have their next turn
    {
      std::lock_guard lock(mutex);
      most = alarms.size();
    }
    for (; most > 0 && !ended; --most) {
      const auto alarm = take_alarm(now);
      if (!alarm) return;
      guarded(*alarm);
    }
  }

  // ---- Sleeping and waking

  void add(int fd, uint64_t id, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(poller.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      throw std::system_error(errno, std::generic_category(), "watching a descriptor");
    }
  }

  void run_put_off() {
    std::unique_lock lock(mutex);
    if (put_off.empty()) return;
    auto works = std::exchange(put_off, {});
    lock.unlock();
    const Turn mine(this, std::unique_lock(turn));
    for (const Work &work : works) {
      if (!ended) guarded(work);
    }
    run_posted(std::numeric_limits<size_t>::max());
  }

  // The driver: sleeps until something is to be done, or until then, and does it.
  void step(TimePoint until) {
    run_put_off();
    {
      std::lock_guard lock(mutex);
      if (!posted.empty() || !put_off.empty() || kicked || ended) until = TimePoint::min();
      if (!alarms.empty()) until = std::min(until, alarms.begin()->first);
      sleeping = true;
    }
    std::array<epoll_event, 16> events;
    const int count =
        ::epoll_wait(poller.get(), events.data(), static_cast<int>(events.size()), milliseconds_until(until));
    {
      std::lock_guard lock(mutex);
      sleeping = kicked = false;
    }
    const Turn mine(this, std::unique_lock(turn));
    for (int i = 0; i < count && !ended; ++i) {
      const auto watch = watches.find(events[static_cast<size_t>(i)].data.u64);
      if (watch == watches.end()) continue;
      const auto on_readable = watch->second;  // which may end its watch
      guarded(*on_readable);
    }
    run_alarms();
    run_posted(std::numeric_limits<size_t>::max());
  }

  // With the mutex held, all three. Whoever sleeps looks at what there is to do; who does not sleep looks before.
  void wake() {
    if (sleeping) ::eventfd_write(kick.get(), 1);
  }
  // It is done at once, also when nobody drives.
  void wake_driver() { driver == Driver::kNobody ? set_rest(Duration(1)) : wake(); }
  // The driver returns from its step.
  void kick_driver() {
    kicked = true;
    wake();
  }

  // ---- Who drives

  // With the mutex held: the thread drives after so long.
  void set_rest(Duration rest) {
    itimerspec when{};
    when.it_value.tv_nsec = static_cast<long>(rest.count());
    ::timerfd_settime(rest_timer.get(), 0, &when, nullptr);
    resting = true;
    rest_until = Clock::now() + rest;
  }

  // The loop's thread.
  void run() {
    while (!ended) may_drive() ? step(TimePoint::max()) : rest();
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
    if (!has_guest && !resting) set_rest(std::max(rest_until - Clock::now(), Duration(1)));
    return false;
  }

  void rest() {
    uint64_t expirations = 0;
    while (::read(rest_timer.get(), &expirations, sizeof expirations) < 0 && errno == EINTR) {
    }
    std::lock_guard lock(mutex);
    resting = false;
  }

  // Whether this thread drives from now on.
  bool enter() {
    std::unique_lock lock(mutex);
    if (stopped || has_guest) return false;
    has_guest = true;
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
    if (ended || !posted.empty()) {
      set_rest(Duration(1));
    } else if (resting) {
      rest_until = Clock::now() + kRest;  // to set the timer anew each time would cost more than its one ring
    } else {
      set_rest(kRest);
    }
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
  bool asleep = false;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->posted.push_back(std::move(work));
    // Whoever has the turn looks before it ends, and whoever was woken before looks too.
    if (state_->posted.size() > 1 || state_->in_turn()) return;
    asleep = state_->sleeping;
    if (!asleep) state_->wake_driver();
  }
  // Without the lock, which is the first thing that whoever wakes wants.
  if (asleep) ::eventfd_write(state_->kick.get(), 1);
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
  state_->wake();  // the driver sleeps when this is the turn of a thread that helps
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
  const TimePoint until = deadline.value_or(TimePoint::max());
  while (!fd.raised() && !state_->ended && (!deadline || Clock::now() < until)) state_->step(until);
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

// What a callback needs is held apart from the alarm or watch, which may end while its callback runs.

class Loop::OneAlarm : public Loop::Alarm {
 public:
  OneAlarm(State *state, Work on_time)
      : state_(state), core_(std::make_shared<Core>()), ring_(std::make_shared<const Work>([core = core_] {
          // `core` may end with its alarm in its own callback; a ring is held by who runs it.
          core->due.reset();
          core->on_time();
        })) {
    core_->on_time = std::move(on_time);
  }
  ~OneAlarm() override { OneAlarm::set(std::nullopt); }

  void set(std::optional<TimePoint> when) override {
    if (when == core_->due) return;
    std::lock_guard lock(state_->mutex);
    if (core_->due) {
      const auto [first, last] = state_->alarms.equal_range(*core_->due);
      const auto found = std::find_if(first, last, [&](const auto &entry) { return entry.second == ring_; });
      if (found != last) state_->alarms.erase(found);
    }
    core_->due = when;
    if (!when) return;
    const auto place = state_->alarms.emplace(*when, ring_);
    if (place == state_->alarms.begin()) state_->wake();  // who sleeps would sleep too long
  }

 private:
  struct Core {
    Work on_time;
    std::optional<TimePoint> due;
  };

  State *state_;
  std::shared_ptr<Core> core_;
  std::shared_ptr<const Work> ring_;
};

class Loop::OneWatch : public Loop::Watch {
 public:
  OneWatch(Loop *loop, int fd, Work on_readable) : state_(loop->state_.get()), fd_(fd), id_(++state_->watches_made) {
    try {
      state_->add(fd, id_, EPOLLIN);
    } catch (const std::system_error &) {
      loop->post([error = std::current_exception()] { std::rethrow_exception(error); });
    }
    state_->watches.emplace(id_, std::make_shared<const Work>(std::move(on_readable)));
  }
  ~OneWatch() override {
    ::epoll_ctl(state_->poller.get(), EPOLL_CTL_DEL, fd_, nullptr);
    state_->watches.erase(id_);
  }

 private:
  State *state_;
  int fd_;
  uint64_t id_;
};

std::unique_ptr<Loop::Alarm> Loop::make_alarm(Work on_time) {
  return std::make_unique<OneAlarm>(state_.get(), std::move(on_time));
}

std::unique_ptr<Loop::Watch> Loop::make_watch(int fd, Work on_readable) {
  return std::make_unique<OneWatch>(this, fd, std::move(on_readable));
}

}  // namespace flare
