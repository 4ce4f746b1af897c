#include "exchanger/task_patience.h"

#include <algorithm>

#include "base/text.h"

namespace flare {

namespace {

constexpr Duration kShortestBeginning = std::chrono::seconds(30);

}  // namespace

bool TaskPatience::fails_fast() const {
  if (!options_.peer_read_timeout) return false;
  return !options_.idle_timeout || (options_.chosen && *options_.peer_read_timeout < *options_.idle_timeout);
}

std::optional<Duration> TaskPatience::patience() const {
  if (!options_.peer_read_timeout || fails_fast()) return options_.peer_read_timeout;
  return std::min(*options_.idle_timeout, std::max(*options_.peer_read_timeout, kShortestBeginning));
}

std::optional<TimePoint> TaskPatience::deadline() const {
  if (progressed_ && options_.idle_timeout && !fails_fast()) return *progressed_ + *options_.idle_timeout;
  const auto patience = this->patience();
  return patience ? std::optional(sent_ + *patience) : std::nullopt;
}

std::string TaskPatience::reason() const {
  if (!progressed_) {
    return "the agent did not begin to fetch it within " + duration_text(*patience()) + " (option peer_read_timeout)";
  }
  if (fails_fast()) {
    return "the agent did not fetch it within " + duration_text(*patience()) + " (option peer_read_timeout)";
  }
  return "the agent fetched nothing of it for " + duration_text(*options_.idle_timeout) +
         " (option streaming_idle_timeout)";
}

}  // namespace flare
