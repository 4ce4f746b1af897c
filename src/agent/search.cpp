#include "agent/search.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace flare {

namespace {

// Locks come and go without a word: looking is the only way to see them.
constexpr Duration kLookAgain = std::chrono::seconds(1);
// A live exchanger welcomes at once. One that is frozen must not keep this agent from the jobs of others.
constexpr Duration kAnswer = std::chrono::seconds(10);

}  // namespace

Search::Search(std::string agent_id, std::string folder, std::optional<Duration> connect_timeout, TimePoint now)
    : agent_id_(std::move(agent_id)),
      folder_(std::move(folder)),
      connect_timeout_(connect_timeout),
      deadline_(connect_timeout ? std::optional(now + *connect_timeout) : std::nullopt) {}

void Search::on_nothing(const std::string &taken) {
  taken_ = taken;
  avoided_.clear();
}

Duration Search::on_found(const std::string &job, TimePoint now) {
  job_ = job;
  taken_.clear();
  return deadline_ ? std::clamp<Duration>(*deadline_ - now, std::chrono::milliseconds(1), kAnswer) : kAnswer;
}

bool Search::on_failed(flare_status status, const std::string &reason) {
  // Its exchanger may have gone, or its job have ended, after the look.
  if (status != FLARE_UNREACHABLE && status != FLARE_ENDED) return false;
  avoided_.insert(job_);
  failure_ = reason;
  return true;
}

TimePoint Search::next_look(TimePoint now) const { return *earlier(now + kLookAgain, deadline_); }

std::optional<Search::End> Search::end(TimePoint now) const {
  if (!deadline_ || now < *deadline_) return std::nullopt;
  const std::string within = " within connect_timeout = " + duration_text(*connect_timeout_);
  if (!taken_.empty()) {
    return End{FLARE_REFUSED, "another process is agent '" + agent_id_ + "' of job '" + taken_ +
                                  "' already, and no other job came to " + folder_ + within +
                                  ": end that process, or give this one another agent_id, or a longer connect_timeout "
                                  "to stand by"};
  }
  std::string reason = "no job for agent '" + agent_id_ + "' came to the rendezvous " + folder_ + within +
                       ": check that an exchanger uses this folder and this agent_id";
  if (!failure_.empty()) reason += "; the last one found did not answer: " + failure_;
  return End{FLARE_UNREACHABLE, reason};
}

}  // namespace flare
