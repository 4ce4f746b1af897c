// What the processes of a campaign's schedule say they saw, and whether it keeps the promises of docs/concepts.md and
// docs/gating.md. Pure: lines in, violations out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flare_test {

enum class Role { kExchanger, kTrainer };

// One process from its start to its end.
struct Life {
  Role role = Role::kTrainer;
  int run = 0;          // of an exchanger: tasks name the one that they are from
  bool killed = false;  // by the schedule
  bool hung = false;    // it did not end in the time that it has
  int status = 0;       // its exit status, or 128 + signal
  std::string output;   // "MILLISECONDS WORD ..." line by line; others are of the library's log
};

struct Expectations {
  int tasks = 0;
  // Nothing was done to anybody: every task is answered as it says.
  bool calm = false;
  int64_t largest_bytes = 0;  // of one task; what processes may hold is in proportion to it
};

struct Tally {
  int64_t handed_out = 0, answered = 0, delivered = 0, undelivered = 0, replies = 0, gone = 0, metrics = 0;
  int64_t lost_words = 0;  // results that an exchanger has and whose trainer was told otherwise: allowed, to be rare
  Tally &operator+=(const Tally &more);
};

// Every violation, as a sentence. `tally` may be null.
std::vector<std::string> check_history(const Expectations &expected, const std::vector<Life> &lives, Tally *tally);

}  // namespace flare_test
