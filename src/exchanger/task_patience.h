// How long an exchanger waits for its agent to fetch a task (TX-06, TX-07): as long as bytes flow, and no longer than
// is given for a beginning. Decides only; time comes in.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"

namespace flare {

class TaskPatience {
 public:
  struct Options {
    std::optional<Duration> idle_timeout;       // nullopt: a pause means nothing
    std::optional<Duration> peer_read_timeout;  // nullopt: for ever
    bool chosen = false;                        // the user gave peer_read_timeout
  };

  TaskPatience(const Options &options, TimePoint sent) : options_(options), sent_(sent) {}

  void on_progress(TimePoint now) { progressed_ = now; }

  // When to give the task up, unless something moves before; nullopt: never.
  std::optional<TimePoint> deadline() const;
  // Why, once the deadline has passed.
  std::string reason() const;

 private:
  // A shorter time than idle_timeout that the user has chosen is meant for the whole of it.
  bool fails_fast() const;
  std::optional<Duration> patience() const;

  Options options_;
  TimePoint sent_;
  std::optional<TimePoint> progressed_;
};

}  // namespace flare
