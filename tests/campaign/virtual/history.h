// What the ends of a schedule saw, and whether it keeps the promises of docs/concepts.md and docs/gating.md. Pure:
// entries in, violations out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flare_agent.h"

namespace flare_world {

enum class Role { kSite, kTrainer };

// One process from its start to its end; they are numbered from 0.
struct Life {
  Role role = Role::kTrainer;
  bool killed = false;
  bool closed = false;  // in order
};

struct Entry {
  enum class What {
    kSent,       // site: a request for `task`
    kAborting,   // site: it is about to take `task` back; -1: all
    kOutcome,    // site: of the request, with `status`; of a reply also `code`, `answer` (-1: none) and `right`
    kMetric,     // site: `step` of the trainer `other`, its value `right` or not
    kTask,       // trainer: `task`, `attempt` of the site `other`, as it was sent or not (`right`)
    kAnswered,   // trainer: with `answer`, in this way (`code`)
    kSubmitted,  // trainer: `answer` is on its way
    kAccepted,   // trainer: of `answer`, with `status`
    kSettled,    // trainer: of `answer`, with `status`
    kOver,       // either: nothing more can be done, for `status`
    kDefect,     // either: something that must never be seen (`code`)
  };
  What what = What::kDefect;
  double at = 0;  // seconds from the beginning
  int life = 0;
  int task = -1;
  int64_t answer = -1;
  flare_status status = FLARE_OK;
  bool right = true;
  int64_t attempt = 0;
  int other = -1;
  int64_t step = 0;
  std::string code;
};

struct History {
  std::vector<Life> lives;
  std::vector<Entry> entries;  // in the order of their happening
  int64_t messages = 0;        // that the ends sent each other
  int64_t held = 0;            // loops, alarms, descriptors and the like that were left at the end
  int64_t borrowed = 0;        // payloads in lent memory that were not copied before they were sent
  bool spins = false;          // turns without end at one moment
};

struct Expectations {
  int tasks = 0;
  // Nobody died, and what was done was short: each task is answered as it says.
  bool mild = false;
  // No message was lost alone, so that none had to be sent again after those behind it: metrics are in order.
  bool metrics_in_order = true;
  int64_t most_messages = 0;
};

struct Tally {
  int64_t handed_out = 0, answered = 0, delivered = 0, undelivered = 0, replies = 0, gone = 0, metrics = 0;
  int64_t lost_words = 0;  // results that a site has and whose trainer was told otherwise: allowed, to be rare
  int64_t messages = 0;
  Tally &operator+=(const Tally &more);
};

// Every violation, as a sentence. `tally` may be null.
std::vector<std::string> check_history(const Expectations &expected, const History &history, Tally *tally);

std::string describe(const Entry &entry);

}  // namespace flare_world
