// Which process of a parallel launch this is. A federation knows one trainer per site: with several processes, that of
// rank 0 holds the agent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "config/settings.h"

namespace flare {

struct Rank {
  int64_t number = 0;
  std::string source;  // "environment variable RANK"
};

using Variable = std::function<const char *(const char *name)>;  // as getenv()

// What the option `rank` says, or the launcher when that is `auto`; nullopt when nobody launched this process in
// parallel, or nobody is to look.
std::optional<Rank> find_rank(const Resolved &resolved, const Variable &variable);

// Throws Failure(FLARE_INVALID_STATE) that says what to do when there is a rank and it is not 0.
void require_rank_zero(const Resolved &resolved, const Variable &variable);

}  // namespace flare
