// What drives the library, once more, on a world in one thread and in virtual time. The linker takes these definitions,
// and leaves those of the library where they are: runtime/loop, level_fd and bell, base/clock and uuid.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/uuid.h"
#include "runtime/bell.h"
#include "runtime/level_fd.h"
#include "runtime/loop.h"
#include "world.h"

namespace flare {

using flare_world::Process;
using flare_world::Runner;
using flare_world::World;

TimePoint Clock::now() { return World::here().now(); }

std::string new_uuid() {
  char text[37];
  const uint64_t high = World::here().draw().bits(), low = World::here().draw().bits();
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-8%03x-%012llx", static_cast<unsigned>(high >> 32),
                static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xfff),
                static_cast<unsigned>(low >> 52), static_cast<unsigned long long>(low & 0xffffffffffff));
  return text;
}

// ---- Descriptors ---------------------------------------------------------------------------------------------

LevelFd::~LevelFd() {
  if (fd_ >= 0) World::here().drop(fd_);
}

void LevelFd::set(bool raised) {
  if (raised == this->raised()) return;
  raised_ = raised ? 1 : 0;
  if (const auto process = World::here().current(); raised && process) process->raised = true;
}

int LevelFd::get() const {
  if (fd_ < 0) fd_ = World::here().add(this);
  return fd_;
}

void LevelFd::wait(std::optional<TimePoint> deadline) const {
  World::here().run([this] { return raised(); }, deadline);
}

namespace {

// Bells are told apart by number, as a watch knows nothing but a descriptor.
std::map<int, bool> &bells() {
  static std::map<int, bool> rung;
  return rung;
}

}  // namespace

Bell::Bell() : fd_(bells().empty() ? 1 : bells().rbegin()->first + 1) {
  bells()[fd_] = false;
  ++World::here().held.bells;
}

Bell::~Bell() {
  bells().erase(fd_);
  --World::here().held.bells;
}

void Bell::ring() noexcept {
  rung_ = true;
  bells()[fd_] = true;
}

// ---- Loops ---------------------------------------------------------------------------------------------------

namespace {

// How long what is put off may rest, when a guest has just left.
constexpr Duration kRest = std::chrono::milliseconds(1);

constexpr size_t kMostHelp = 16;

[[noreturn]] void defect(const char *what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

struct Loop::State : Runner {
  using SharedWork = std::shared_ptr<const Work>;
  struct Alarm {
    std::optional<TimePoint> due;
    SharedWork on_time;
  };

  explicit State(std::function<void(std::exception_ptr)> error) : on_error(std::move(error)) {
    world.join(this, process);
    ++world.held.loops;
  }
  ~State() override {
    world.leave(this);
    --world.held.loops;
  }

  World &world = World::here();
  const std::shared_ptr<Process> process = world.current();
  const std::function<void(std::exception_ptr)> on_error;
  std::deque<Work> posted, put_off;
  TimePoint put_off_until{};
  std::vector<std::shared_ptr<Alarm>> alarms;
  std::map<int, SharedWork> watches;  // by descriptor
  bool stopped = false, in_turn = false;

  std::shared_ptr<Alarm> first_alarm() const {
    std::shared_ptr<Alarm> first;
    for (const auto &alarm : alarms) {
      if (alarm->due && (!first || *alarm->due < *first->due)) first = alarm;
    }
    return first;
  }

  SharedWork rung_watch() const {
    for (const auto &[fd, work] : watches) {
      if (bells().at(fd)) return work;
    }
    return nullptr;
  }

  bool ready(TimePoint now) const override {
    if (in_turn) return false;
    if (!posted.empty() || (!put_off.empty() && now >= put_off_until) || rung_watch()) return true;
    const auto alarm = first_alarm();
    return alarm && now >= *alarm->due;
  }

  std::optional<TimePoint> due() const override {
    if (in_turn) return std::nullopt;
    std::optional<TimePoint> due;
    if (!put_off.empty()) due = put_off_until;
    const auto alarm = first_alarm();
    return alarm ? earlier(due, alarm->due) : due;
  }

  void turn(const Work &work) {
    in_turn = true;
    try {
      work();
    } catch (...) {
      on_error(std::current_exception());
    }
    in_turn = false;
  }

  void run_posted() {
    const Work work = std::move(posted.front());
    posted.pop_front();
    turn(work);
  }

  void run() override {
    const auto alarm = first_alarm();
    const bool rings = alarm && world.now() >= *alarm->due;
    const auto watch = rung_watch();
    if (!posted.empty() && !((rings || watch) && world.draw().one_in(2))) {
      run_posted();
    } else if (watch) {
      turn(*watch);
    } else if (rings) {
      alarm->due.reset();
      turn(*alarm->on_time);
    } else {
      for (const Work &work : std::exchange(put_off, {})) turn(work);
    }
  }
};

Loop::Loop(const char *, std::function<void(std::exception_ptr)> on_error)
    : state_(std::make_unique<State>(std::move(on_error))) {}

Loop::~Loop() { stop(); }

void Loop::post(Work work) {
  if (!state_->stopped) state_->posted.push_back(std::move(work));
}

void Loop::line_up(Work work) { post(std::move(work)); }

void Loop::help() {
  State &state = *state_;
  if (state.in_turn || state.world.draw().one_in(4)) return;  // somebody else has the turn
  for (size_t left = kMostHelp; left > 0 && !state.posted.empty(); --left) state.run_posted();
}

void Loop::put_off(Work work) {
  State &state = *state_;
  if (state.stopped) return;
  if (state.put_off.empty())
    state.put_off_until = state.world.now() + (state.world.draw().one_in(4) ? kRest : Duration());
  state.put_off.push_back(std::move(work));
}

void Loop::wait(const LevelFd &fd, std::optional<TimePoint> deadline) { fd.wait(deadline); }

void Loop::kick() {}  // whoever waits looks after each turn

void Loop::run_and_wait(Work work) {
  State &state = *state_;
  if (state.in_turn) defect("a loop waits for itself");
  if (state.stopped) throw Failure(FLARE_STOPPED, "the loop was stopped");
  bool done = false;
  std::exception_ptr error;
  state.posted.emplace_back([&] {
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    done = true;
  });
  state.world.run([&] { return done; }, std::nullopt);
  while (!done && !state.posted.empty()) state.run_posted();  // when it has to hurry
  if (!done) defect("what a thread waits for in a loop never runs");
  if (error) std::rethrow_exception(error);
}

void Loop::stop() {
  State &state = *state_;
  if (state.in_turn) defect("a loop stops itself");
  if (std::exchange(state.stopped, true)) return;
  while (!state.posted.empty()) state.run_posted();
  state.put_off.clear();
}

bool Loop::in_loop() const { return state_->in_turn; }

class Loop::OneAlarm : public Loop::Alarm {
 public:
  OneAlarm(State *state, Work on_time) : state_(state), core_(std::make_shared<State::Alarm>()) {
    core_->on_time = std::make_shared<const Work>(std::move(on_time));
    state_->alarms.push_back(core_);
    ++state_->world.held.alarms;
  }
  ~OneAlarm() override {
    std::erase(state_->alarms, core_);
    --state_->world.held.alarms;
  }
  void set(std::optional<TimePoint> when) override { core_->due = when; }

 private:
  State *state_;
  std::shared_ptr<State::Alarm> core_;  // outlives this while it rings
};

class Loop::OneWatch : public Loop::Watch {
 public:
  OneWatch(State *state, int fd, Work on_readable) : state_(state), fd_(fd) {
    if (bells().count(fd) == 0) defect("there is nothing but bells to be watched");
    state_->watches[fd] = std::make_shared<const Work>(std::move(on_readable));
    ++state_->world.held.watches;
  }
  ~OneWatch() override {
    state_->watches.erase(fd_);
    --state_->world.held.watches;
  }

 private:
  State *state_;
  int fd_;
};

std::unique_ptr<Loop::Alarm> Loop::make_alarm(Work on_time) {
  return std::make_unique<OneAlarm>(state_.get(), std::move(on_time));
}

std::unique_ptr<Loop::Watch> Loop::make_watch(int fd, Work on_readable) {
  return std::make_unique<OneWatch>(state_.get(), fd, std::move(on_readable));
}

}  // namespace flare
