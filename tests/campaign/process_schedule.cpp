#include "process_schedule.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

namespace flare_test {

namespace {

using std::chrono::milliseconds;

constexpr int64_t kLongest = 2000;  // ms, that a fault lasts

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  int64_t below(int64_t bound) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool one_in(int64_t n) { return below(n) == 0; }
  double fraction() { return static_cast<double>(random_() >> 11) / 9007199254740992.0; }  // of 2^53
  Way way() { return one_in(2) ? Way::kUp : Way::kDown; }

 private:
  std::mt19937_64 random_;
};

PlannedTask draw_task(Draw *draw, bool calm) {
  PlannedTask task;
  // One in three is inlined, the others have up to 4 MiB.
  const double most = draw->one_in(3) ? 14 : 20;
  task.floats = static_cast<int64_t>(std::exp2(draw->fraction() * most));
  const int64_t kind = draw->below(12);
  if (kind == 0) task.answer = "fail";
  if (kind == 1) task.answer = "release";
  if (kind == 2 && !calm) task.answer = "cancel";
  task.hold_ms = draw->one_in(2) ? 0 : draw->between(0, 150);
  task.metrics = draw->one_in(2) ? 0 : draw->between(1, 40);
  task.lent = draw->one_in(2);
  return task;
}

// `exotic`: of what only a broken machine does.
FaultRates draw_rates(Draw *draw, bool exotic) {
  FaultRates rates;
  const auto rate = [&] { return draw->one_in(2) ? 0.03 + draw->fraction() * 0.3 : 0; };
  if (exotic) {
    (draw->one_in(2) ? rates.flip_framing : rates.lose_bytes) = 0.005 + draw->fraction() * 0.02;
  } else {
    rates.drop = rate();
    rates.duplicate = rate();
    rates.reorder = rate();
    rates.flip_payload = rate();
    rates.flip_envelope = rate();
  }
  if (draw->one_in(3)) {
    rates.shortest_delay = milliseconds(draw->between(0, 10));
    rates.longest_delay = rates.shortest_delay + milliseconds(draw->between(1, 60));
  }
  return rates;
}

// `time`: in ms, what the job takes in calm.
Event draw_event(Draw *draw, size_t tasks, int64_t time, bool exotic) {
  Event event;
  event.at = milliseconds(draw->one_in(4) ? 0 : draw->below(time));
  event.way = draw->way();
  const int64_t kind = draw->below(exotic ? 30 : 20);
  if (kind < 2) {
    event.kind = Event::Kind::kAbortTask;
    event.value = draw->below(static_cast<int64_t>(tasks));
  } else if (kind < 4) {
    event.kind = Event::Kind::kKillTrainer;
  } else if (kind < 6) {
    event.kind = Event::Kind::kKillExchanger;
    event.lasts = milliseconds(draw->between(0, 500));
  } else if (kind < 8) {
    event.kind = draw->one_in(2) ? Event::Kind::kFreezeTrainer : Event::Kind::kFreezeExchanger;
    event.lasts = milliseconds(draw->between(20, 700));
  } else if (kind < 10) {
    event.kind = Event::Kind::kCut;
  } else if (kind < 11) {
    event.kind = Event::Kind::kHalfClose;
  } else if (kind < 12) {
    event.kind = Event::Kind::kStall;
    event.lasts = milliseconds(draw->between(20, 900));
  } else if (kind < 14) {
    event.kind = Event::Kind::kLimit;
    event.value = draw->between(1, 16) << 20;
    event.lasts = milliseconds(draw->between(50, 900));
  } else {
    event.kind = Event::Kind::kBefall;
    event.lasts = milliseconds(draw->between(50, kLongest));
    event.rates = draw_rates(draw, exotic);
  }
  return event;
}

std::string text(Way way) { return way == Way::kUp ? "up" : "down"; }

std::string text(const FaultRates &rates) {
  std::ostringstream out;
  const std::pair<const char *, double> named[] = {{"drop", rates.drop},
                                                   {"duplicate", rates.duplicate},
                                                   {"reorder", rates.reorder},
                                                   {"payload", rates.flip_payload},
                                                   {"envelope", rates.flip_envelope},
                                                   {"framing", rates.flip_framing},
                                                   {"lose", rates.lose_bytes}};
  for (const auto &[name, rate] : named) {
    if (rate > 0) out << " " << name << "=" << rate;
  }
  if (rates.longest_delay.count() > 0) {
    out << " delay=" << rates.shortest_delay.count() << ".." << rates.longest_delay.count() << "ms";
  }
  return out.str();
}

std::string text(const Event &event) {
  const std::string lasts = " for " + std::to_string(event.lasts.count()) + " ms";
  switch (event.kind) {
    case Event::Kind::kAbortTask: return "abort task " + std::to_string(event.value);
    case Event::Kind::kKillTrainer: return "kill the trainer";
    case Event::Kind::kKillExchanger: return "kill the exchanger" + lasts;
    case Event::Kind::kFreezeTrainer: return "freeze the trainer" + lasts;
    case Event::Kind::kFreezeExchanger: return "freeze the exchanger" + lasts;
    case Event::Kind::kCut: return "cut";
    case Event::Kind::kHalfClose: return "half-close " + text(event.way);
    case Event::Kind::kStall: return "stall " + text(event.way) + lasts;
    case Event::Kind::kLimit: return "limit " + text(event.way) + " to " + std::to_string(event.value) + " B/s" + lasts;
    case Event::Kind::kBefall: return "befall " + text(event.way) + text(event.rates) + lasts;
  }
  return "";
}

}  // namespace

int64_t Schedule::largest_bytes() const {
  int64_t largest = 0;
  for (const PlannedTask &task : tasks) largest = std::max<int64_t>(largest, task.floats * 4);
  return largest;
}

Schedule draw_schedule(uint64_t seed, const std::string &transport) {
  Draw draw(seed);
  Schedule schedule;
  schedule.seed = seed;
  schedule.transport = transport;
  schedule.ahead = draw.one_in(3);
  const bool calm = draw.one_in(12);
  const bool exotic = draw.one_in(9);
  const auto tasks = static_cast<size_t>(draw.between(1, 16));
  for (size_t i = 0; i < tasks; ++i) schedule.tasks.push_back(draw_task(&draw, calm));
  int64_t time = 50;
  for (const PlannedTask &task : schedule.tasks) time += task.hold_ms + 15;
  const int64_t events = calm ? 0 : draw.between(1, 10);
  for (int64_t i = 0; i < events; ++i) schedule.events.push_back(draw_event(&draw, tasks, time, exotic));
  std::stable_sort(schedule.events.begin(), schedule.events.end(),
                   [](const Event &a, const Event &b) { return a.at < b.at; });
  return schedule;
}

std::string describe(const Schedule &schedule) {
  std::ostringstream out;
  out << "seed " << schedule.seed << " over " << schedule.transport << (schedule.ahead ? ", ahead" : "") << "\n";
  for (size_t i = 0; i < schedule.tasks.size(); ++i) {
    const PlannedTask &task = schedule.tasks[i];
    out << "  task " << i << ": " << task.floats * 4 << " bytes" << (task.lent ? ", lent" : "") << ", " << task.answer
        << " after " << task.hold_ms << " ms, " << task.metrics << " metrics\n";
  }
  for (const Event &event : schedule.events) out << "  at " << event.at.count() << " ms: " << text(event) << "\n";
  return out.str();
}

}  // namespace flare_test
