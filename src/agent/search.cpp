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
// The reasons of a refusal last as long as the exchanger, but for a name that is taken: this is for those, and for an
// exchanger that was restarted with what it lacked.
constexpr Duration kAskAgain = std::chrono::seconds(30);

}  // namespace

Search::Search(std::string agent_id, std::string folder, std::optional<Duration> connect_timeout, TimePoint now)
    : agent_id_(std::move(agent_id)),
      folder_(std::move(folder)),
      connect_timeout_(connect_timeout),
      deadline_(connect_timeout ? std::optional(now + *connect_timeout) : std::nullopt) {}

std::set<std::string> Search::avoided(TimePoint now) {
  std::set<std::string> jobs = silent_;
  std::erase_if(refusers_, [now](const auto &refuser) { return now >= refuser.second; });
  for (const auto &[job, until] : refusers_) jobs.insert(job);
  return jobs;
}

void Search::on_nothing(const std::string &taken) {
  taken_ = taken;
  silent_.clear();
}

Duration Search::on_found(const std::string &job, TimePoint now) {
  job_ = job;
  taken_.clear();
  return deadline_ ? std::clamp<Duration>(*deadline_ - now, std::chrono::milliseconds(1), kAnswer) : kAnswer;
}

bool Search::on_failed(flare_status status, const std::string &reason, TimePoint now) {
  switch (status) {
    case FLARE_UNREACHABLE:  // its exchanger may have gone, or its job have ended, after the look
    case FLARE_ENDED:
      silent_.insert(job_);
      failure_ = reason;
      return true;
    case FLARE_REFUSED:
    case FLARE_PROTOCOL:
      refusers_[job_] = now + kAskAgain;
      refusal_ = End{status, "job '" + job_ + "': " + reason};
      return true;
    default: return false;
  }
}

TimePoint Search::next_look(TimePoint now) const { return *earlier(now + kLookAgain, deadline_); }

std::optional<Search::End> Search::end(TimePoint now) const {
  if (!deadline_ || now < *deadline_) return std::nullopt;
  const std::string within = " within connect_timeout = " + duration_text(*connect_timeout_);
  if (refusal_) {
    return End{refusal_->status, refusal_->reason + " (and no other job for agent '" + agent_id_ +
                                     "' came to the rendezvous " + folder_ + within + ")"};
  }
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
