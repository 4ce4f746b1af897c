// Why a wait ended: expected outcomes have a status, failures also a reason for the user.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "flare_agent.h"
#include "runtime/level_fd.h"
#include "runtime/loop.h"

namespace flare {

struct Outcome {
  flare_status status = FLARE_OK;
  std::string reason;
};

// Asks `check` under the lock whenever the descriptor is raised, until it answers or the time is over. A negative
// timeout never ends. With a loop, which is where it will be raised, the thread does that loop's work while it waits.
Outcome wait_for(std::mutex *mutex, const LevelFd &fd, int64_t timeout_ms,
                 const std::function<std::optional<Outcome>()> &check, Loop *loop = nullptr);

}  // namespace flare
