// Runs one schedule of the process campaign with real processes, sockets and faults.
#pragma once

#include <string>
#include <vector>

#include "process_history.h"
#include "process_schedule.h"

namespace flare_test {

struct RunReport {
  std::vector<Life> lives;
  std::vector<std::string> violations;
  FaultCounts faults;
  Tally tally;
  double seconds = 0;
};

RunReport run_schedule(const Schedule &schedule);

}  // namespace flare_test
