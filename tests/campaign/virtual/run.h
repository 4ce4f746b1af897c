// Runs one schedule of the virtual campaign: starts the ends, does to them what it says, starts others in the place of
// those that died, and brings back what all of them saw.
#pragma once

#include <string>
#include <vector>

#include "history.h"
#include "network.h"
#include "schedule.h"

namespace flare_world {

struct RunReport {
  History history;
  std::vector<std::string> violations;
  MishapCounts mishaps;
  Tally tally;
  double seconds = 0;  // of virtual time
  int64_t turns = 0;
};

RunReport run_schedule(const Schedule &schedule);

}  // namespace flare_world
