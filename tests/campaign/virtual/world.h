// A world in one thread and in virtual time: its clock stands still while anybody has something to do, and then jumps
// to the next thing to happen. Who has the next turn is drawn. While somebody waits, the world goes on around it,
// deeper in the same stack; a wait may so take longer than it should, as one of a thread does that is not scheduled.
//
// The library's own waiting (Clock, Loop, LevelFd, Bell, new_uuid) is defined on it in runtime.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../draw.h"
#include "base/time.h"

namespace flare {
class LevelFd;
}

namespace flare_world {

using flare::Duration;
using flare::TimePoint;
using flare_test::Draw;

// Whoever takes turns: a loop of the library, or a program that uses it.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual bool ready(TimePoint now) const = 0;
  virtual std::optional<TimePoint> due() const = 0;  // when it will be ready, if nothing happens to it
  virtual void run() = 0;
};

// What a process is here: something that can be frozen, or killed, at any moment between two turns.
struct Process {
  bool dead = false;
  TimePoint frozen_until{};
  bool raised = false;  // a descriptor of it, since its program looked
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();
  World(const World &) = delete;
  World &operator=(const World &) = delete;
  static World &here();  // the one that there is

  TimePoint now() const { return now_; }
  Draw &draw() { return draw_; }

  // ---- Processes ----
  std::shared_ptr<Process> current() const { return current_; }
  // Runs `work` as this process does.
  void as(const std::shared_ptr<Process> &process, const std::function<void()> &work);
  // The process of whoever runs is dead, or the world ends: nothing is waited for any more.
  bool hurried() const { return over_ || (current_ && current_->dead); }

  // ---- What happens ----
  void at(TimePoint when, std::function<void()> event);
  void join(Runner *runner, std::shared_ptr<Process> process);
  void leave(Runner *runner);
  // Until `done`, the deadline, or nothing is left to happen.
  void run(const std::function<bool()> &done, std::optional<TimePoint> deadline);
  // No process is scheduled any more; whatever still waits returns.
  void end() { over_ = true; }
  // So many turns were taken without any time going by: somebody runs in circles.
  bool spins() const { return turns_at_once_ > kMostTurnsAtOnce; }
  int64_t turns() const { return turns_; }

  // ---- Descriptors ----
  int add(const flare::LevelFd *level);
  void drop(int fd);
  bool readable(int fd) const;

  // What has been made and not been let go.
  struct Held {
    int64_t loops = 0, alarms = 0, watches = 0, bells = 0, descriptors = 0, links = 0;
    int64_t sum() const { return loops + alarms + watches + bells + descriptors + links; }
  };
  Held held;

 private:
  static constexpr int64_t kMostTurnsAtOnce = 20'000;

  struct Member {
    Runner *runner;
    std::shared_ptr<Process> process;
  };

  bool awake(const Member &member) const;
  bool step(std::optional<TimePoint> deadline);
  void take_turn(Member member);

  Draw draw_;
  TimePoint now_;
  bool over_ = false;
  int64_t turns_ = 0, turns_at_once_ = 0;
  std::shared_ptr<Process> current_;
  std::vector<Member> members_;
  std::vector<Member> ready_;  // scratch
  std::multimap<TimePoint, std::function<void()>> events_;
  std::map<int, const flare::LevelFd *> levels_;
  int descriptors_ = 0;
};

}  // namespace flare_world
