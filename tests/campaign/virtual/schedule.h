// A schedule of the virtual campaign: the settings of both ends, the tasks of a job, and what is done to the ends and
// their network when. Drawn from a seed; the same seed gives the same schedule.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.h"
#include "network.h"

namespace flare_world {

using std::chrono::milliseconds;

struct PlannedTask {
  enum class Answer { kResult, kFail, kRelease, kCancel };
  std::vector<int64_t> task_floats, result_floats;  // of each tensor
  Answer answer = Answer::kResult;
  milliseconds hold{0};
  int64_t metrics = 0;
  bool lent_task = false, lent_result = false;
  int64_t receivers = 0;     // declared ones of the result, the exchanger included; 0: none
  bool others_agree = true;  // that they have it
  milliseconds others_take{0};
};

struct Event {
  enum class Kind {
    kAbortRequest,  // value: its index
    kAbortJob,
    kEndJob,
    kStopTrainer,
    kRingTrainer,  // as a signal handler stops it
    kCloseTrainer,
    kKillTrainer,
    kKillSite,  // another one opens after `lasts`
    kFreezeTrainer,
    kFreezeSite,
    kCut,
    kCutUnseen,
    kHalfClose,
    kStall,
    kBefall,
    kDeafen
  };
  milliseconds at{0}, lasts{0};
  Kind kind = Kind::kCut;
  int64_t value = 0;
  Way way = Way::kUp;
  Lanes lanes = Lanes::kBoth;
  Mishaps mishaps;
};

struct Schedule {
  uint64_t seed = 0;
  bool mild = false;         // nobody dies or is frozen, and faults are short: everything must succeed
  bool ahead = false;        // the trainer takes the next task while results are on their way
  bool all_at_once = false;  // the site sends all tasks at the beginning
  flare::Settings settings;
  std::vector<PlannedTask> tasks;
  std::vector<Event> events;  // by their time
};

Schedule draw_schedule(uint64_t seed);
std::string describe(const Schedule &schedule);

}  // namespace flare_world
