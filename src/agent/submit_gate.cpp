#include "agent/submit_gate.h"

#include <algorithm>
#include <utility>

#include "base/failure.h"

namespace flare {

namespace {

// A wait of nothing would find the clock where it was, and a rounded deadline missed by a hair.
constexpr double kShortestWait = 1e-6;

}  // namespace

std::string_view text_of(SubmitGate::Abandon abandon) {
  switch (abandon) {
    case SubmitGate::Abandon::kAgentStopped: return "the agent was stopped during the upload";
    case SubmitGate::Abandon::kHandlerStopped: return "the pipe ended during the upload";
    case SubmitGate::Abandon::kPipeClosed: break;
  }
  return "the pipe was closed during the upload";
}

SubmitGate::SubmitGate(const Options &options) : options_(options) {
  if (options_.gated && options_.idle_timeout) tracker_.emplace(*options_.idle_timeout);
}

void SubmitGate::begin() {
  if (state_ != State::kNew) return;
  state_ = State::kSending;
  if (options_.gated) actions_.emplace_back(Watch{tracker_.has_value()});
  actions_.emplace_back(Send{options_.gated ? std::optional(options_.download_complete_timeout) : std::nullopt});
}

void SubmitGate::on_transaction(const Transaction &transaction) {
  if (state_ == State::kSending && options_.gated) register_transaction(transaction);
}

void SubmitGate::register_transaction(const Transaction &transaction) {
  if (std::find(transactions_.begin(), transactions_.end(), transaction.id) == transactions_.end()) {
    transactions_.push_back(transaction.id);
  }
  if (tracker_) tracker_->register_pairs(transaction.id, transaction.pairs, transaction.created);
}

void SubmitGate::on_sent(Sent sent, bool initiated, const std::vector<Transaction> &listed, double now) {
  if (state_ != State::kSending && !(state_ == State::kLastGrace && !sent_)) return;
  sent_ = true;
  if (options_.gated) actions_.emplace_back(Unwatch{});
  if (transactions_.empty() && initiated && options_.gated) {
    for (const Transaction &transaction : listed) register_transaction(transaction);
  }
  if (sent != Sent::kAccepted) {
    if (options_.gated) fail_transactions(now);
    // The plain path has no clean-up for a send that raised (AG-21).
    if (options_.gated || sent == Sent::kRefused) actions_.emplace_back(CleanUp{});
    return finish(false, "the peer did not accept the result", ResultUploadTracker::Cause::kNone);
  }
  if (!options_.gated || (!initiated && transactions_.empty())) {
    return finish(true, "", ResultUploadTracker::Cause::kNone);
  }
  if (state_ == State::kLastGrace) {
    if (completed_) on_completed(status_, now);
    return;
  }
  if (tracker_ && !transactions_.empty()) {
    state_ = State::kTracking;
    return turn(now);
  }
  state_ = State::kUntracked;
  wait_for(WaitFor::kCompletion, options_.download_complete_timeout, now);
  if (completed_) finish(true, "", ResultUploadTracker::Cause::kNone);
}

void SubmitGate::on_completed(const std::optional<std::string> &status, double now) {
  if (state_ == State::kNew) return;
  completed_ = true;
  status_ = status;
  const bool in_last_grace = state_ == State::kLastGrace && sent_;
  if (state_ == State::kTracking) {
    turn(now);
  } else if (in_last_grace && tracker_) {
    decide(now);  // it is decided now, one way or the other
    conclude(now);
  } else if (in_last_grace || state_ == State::kUntracked) {
    finish(true, "", ResultUploadTracker::Cause::kNone);
  }
}

ResultUploadTracker::Verdict SubmitGate::on_progress(const UploadProgress &progress, double now) {
  ResultUploadTracker::Verdict verdict;
  verdict.reason = "not_tracked";
  if (!tracker_ || state_ == State::kNew || finished()) return verdict;
  try {
    verdict = tracker_->update({progress.transaction, progress.ref, progress.receiver, progress.sequence,
                                progress.bytes, progress.items, progress.state, progress.job, progress.task},
                               progress.time.value_or(now));
  } catch (const Failure &) {
    ++rejected_;
    verdict.reason = "invalid";
    return verdict;
  }
  if (!verdict.accepted) ++rejected_;
  if (state_ == State::kTracking) turn(now);
  return verdict;
}

void SubmitGate::on_abandon(Abandon abandon, double now) {
  abandon_ = std::min(abandon, abandon_.value_or(abandon));
  if (options_.look_interval) return;
  if (state_ == State::kTracking) {
    turn(now);
  } else if (state_ == State::kSending || state_ == State::kUntracked) {
    seen_abandon_ = abandon_;
    state_ = State::kLastGrace;
    wait_for(WaitFor::kCompletion, kLastGrace, now);
  }
}

void SubmitGate::on_time(double now) {
  if (!wait_.until || now < *wait_.until) return;
  if (state_ == State::kTracking) return turn(now);
  if (state_ == State::kLastGrace) return give_up(now);
  finish(true, "", ResultUploadTracker::Cause::kNone);  // not tracked
}

void SubmitGate::turn(double now) {
  decide(now);
  if (decision_.done) return conclude(now);
  const bool in_grace = decision_.reason == ResultUploadTracker::kInGrace;
  seen_abandon_ = abandon_;
  if (abandon_) {
    if (in_grace) return finish(true, decision_.reason, ResultUploadTracker::Cause::kAllCompleted);
    const double grace = std::min(options_.look_interval.value_or(kLastGrace), kLastGrace);
    if (grace <= 0) return give_up(now);
    state_ = State::kLastGrace;
    return wait_for(WaitFor::kCompletion, grace, now);
  }
  std::optional<double> timeout = options_.look_interval;
  if (!timeout) {
    if (const auto deadline = tracker_->deadline()) timeout = *deadline - now;
  } else if (in_grace) {
    timeout = std::min(*timeout, *tracker_->grace_remaining(now));
  }
  wait_for(WaitFor::kProgress, timeout, now);
}

void SubmitGate::give_up(double now) {
  if (fail_transactions(now)) return finish(true, decision_.reason, ResultUploadTracker::Cause::kAllCompleted);
  actions_.emplace_back(CleanUp{});
  finish(false, std::string(text_of(*abandon_)), ResultUploadTracker::Cause::kNone);
}

void SubmitGate::wait_for(WaitFor what, std::optional<double> timeout, double now) {
  wait_.what = what;
  wait_.timeout = timeout;
  wait_.until = timeout ? std::optional(now + std::max(*timeout, kShortestWait)) : std::nullopt;
  ++wait_.number;
}

bool SubmitGate::fail_transactions(double now) {
  if (tracker_ && tracker_->mark_abandoned(now)) return true;
  for (const std::string &transaction : transactions_) actions_.emplace_back(Delete{transaction});
  return false;
}

void SubmitGate::conclude(double now) {
  if (!decision_.success) {
    fail_transactions(now);
    actions_.emplace_back(CleanUp{});
  }
  finish(decision_.success, decision_.reason, decision_.cause);
}

void SubmitGate::finish(bool success, const std::string &reason, ResultUploadTracker::Cause cause) {
  state_ = State::kFinished;
  wait_.until.reset();
  actions_.emplace_back(Finished{success, reason, cause});
}

std::vector<SubmitGate::Action> SubmitGate::take_actions() { return std::exchange(actions_, {}); }

}  // namespace flare
