// A schedule of the process campaign: the tasks of a job, and what is done to its processes and their network when.
// Drawn from a seed; the same seed gives the same schedule.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "../process/fault_proxy.h"

namespace flare_test {

struct PlannedTask {
  int64_t floats = 1;
  std::string answer = "result";  // or fail, release, cancel
  int64_t hold_ms = 0;
  int64_t metrics = 0;
  bool lent = false;
};

struct Event {
  enum class Kind {
    kAbortTask,      // value: its index
    kKillTrainer,    // and start another
    kKillExchanger,  // and start another after `lasts`, which hands out what was not answered
    kFreezeTrainer,
    kFreezeExchanger,
    kCut,
    kHalfClose,
    kStall,
    kLimit,  // value: bytes a second
    kBefall
  };
  std::chrono::milliseconds at{0}, lasts{0};
  Kind kind = Kind::kCut;
  int64_t value = 0;
  Way way = Way::kUp;
  FaultRates rates;
};

struct Schedule {
  uint64_t seed = 0;
  std::string transport;  // ipc or tcp
  bool ahead = false;     // the trainer takes the next task while results are on their way
  std::vector<PlannedTask> tasks;
  std::vector<Event> events;  // by their time

  int64_t largest_bytes() const;
};

Schedule draw_schedule(uint64_t seed, const std::string &transport);
std::string describe(const Schedule &schedule);

}  // namespace flare_test
