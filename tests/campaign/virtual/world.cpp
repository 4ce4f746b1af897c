#include "world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "runtime/level_fd.h"

namespace flare_world {

namespace {

World *there = nullptr;

}  // namespace

// Not at zero: there, times before the beginning would be negative.
World::World(uint64_t seed) : draw_(seed), now_(std::chrono::hours(1)) { there = this; }

World::~World() { there = nullptr; }

World &World::here() {
  if (there != nullptr) return *there;
  std::fputs("there is no world\n", stderr);
  std::abort();
}

void World::as(const std::shared_ptr<Process> &process, const std::function<void()> &work) {
  auto before = std::exchange(current_, process);
  work();
  current_ = std::move(before);
}

void World::at(TimePoint when, std::function<void()> event) { events_.emplace(std::max(when, now_), std::move(event)); }

void World::join(Runner *runner, std::shared_ptr<Process> process) { members_.push_back({runner, std::move(process)}); }

void World::leave(Runner *runner) {
  std::erase_if(members_, [&](const Member &member) { return member.runner == runner; });
}

bool World::awake(const Member &member) const { return !member.process->dead && now_ >= member.process->frozen_until; }

void World::run(const std::function<bool()> &done, std::optional<TimePoint> deadline) {
  while (!hurried() && !done() && (!deadline || now_ < *deadline)) {
    if (!step(deadline)) return;
  }
}

bool World::step(std::optional<TimePoint> deadline) {
  if (spins()) return false;
  ready_.clear();
  for (const Member &member : members_) {
    if (awake(member) && member.runner->ready(now_)) ready_.push_back(member);
  }
  if (!events_.empty() && events_.begin()->first <= now_) {
    // What happens outside is as likely as any turn.
    if (ready_.empty() || draw_.one_in(static_cast<int64_t>(ready_.size()) + 1)) {
      const auto event = std::move(events_.extract(events_.begin()).mapped());
      as(nullptr, event);
      return true;
    }
  }
  if (!ready_.empty()) {
    take_turn(ready_[static_cast<size_t>(draw_.below(static_cast<int64_t>(ready_.size())))]);
    return true;
  }
  std::optional<TimePoint> next;
  if (!events_.empty()) next = events_.begin()->first;
  for (const Member &member : members_) {
    if (member.process->dead) continue;
    auto due = member.runner->ready(now_) ? std::optional(now_) : member.runner->due();
    if (due) next = flare::earlier(next, std::max(*due, member.process->frozen_until));
  }
  next = flare::earlier(next, deadline);
  if (!next) return false;
  if (*next > now_) turns_at_once_ = 0;
  now_ = std::max(now_, *next);
  return true;
}

void World::take_turn(Member member) {
  ++turns_;
  ++turns_at_once_;
  as(member.process, [&] { member.runner->run(); });
}

int World::add(const flare::LevelFd *level) {
  levels_[++descriptors_] = level;
  ++held.descriptors;
  return descriptors_;
}

void World::drop(int fd) {
  levels_.erase(fd);
  --held.descriptors;
}

bool World::readable(int fd) const { return levels_.at(fd)->raised(); }

}  // namespace flare_world
