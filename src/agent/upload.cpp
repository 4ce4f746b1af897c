#include "agent/upload.h"

#include <algorithm>
#include <utility>

#include "agent/task_book.h"
#include "base/text.h"

namespace flare {

namespace {

double seconds(TimePoint time) { return to_seconds(time.time_since_epoch()); }

// Not before the gate's own time, which a double rounds.
TimePoint not_before(double seconds) { return TimePoint(from_seconds(seconds)) + std::chrono::microseconds(1); }

std::optional<std::string> gate_name(const std::string &receiver) {
  return receiver.empty() ? std::nullopt : std::optional(receiver);
}

flare_upload_state shown(TransferState state) {
  switch (state) {
    case TransferState::kActive: return FLARE_UPLOAD_ACTIVE;
    case TransferState::kCompleted: return FLARE_UPLOAD_DELIVERED;
    default: return FLARE_UPLOAD_FAILED;
  }
}

}  // namespace

TransferProgress UploadSnapshot::sum() const {
  const auto count = static_cast<int64_t>(receivers.size());
  TransferProgress sum{bytes_per_receiver * count, 0, items_per_receiver * count, 0};
  for (const ReceiverProgress &receiver : receivers) {
    sum.bytes_done += receiver.bytes;
    sum.items_done += receiver.items;
  }
  return sum;
}

Upload::Upload(MessagePtr reply, bool lent, const std::vector<uint64_t> &sizes,
               const std::vector<std::string> &receivers, TimePoint now)
    : reply_(std::move(reply)),
      lent_(lent),
      task_id_(task_id_of(*reply_)),
      message_id_(reply_->id),
      submitted_at_(now) {
  for (const std::string &name : receivers) {
    if (std::find(receivers_.begin(), receivers_.end(), name) == receivers_.end()) receivers_.push_back(name);
  }
  for (const std::string &name : receivers_) progress_.receivers.push_back({name});
  if (receivers_.empty()) progress_.receivers.push_back({});
  progress_.items_per_receiver = static_cast<int64_t>(sizes.size());
  for (const uint64_t size : sizes) progress_.bytes_per_receiver += static_cast<int64_t>(size);
}

// ---- The sending of it -----------------------------------------------------------------------------------------

void Upload::keep() {
  message_id_.clear();
  gate_.reset();
}

void Upload::send_again(MessagePtr reply) {
  reply_ = std::move(reply);
  message_id_ = reply_->id;
}

void Upload::begin(const Settings &settings) {
  idle_timeout_ = settings.streaming_idle_timeout;
  download_complete_timeout_ = settings.download_complete_timeout;
  SubmitGate::Options options;
  options.idle_timeout = idle_timeout_ ? std::optional(to_seconds(*idle_timeout_)) : std::nullopt;
  options.download_complete_timeout = to_seconds(settings.download_complete_timeout);
  gate_.emplace(options);
  gate_->begin();
  transaction_ = false;
  failure_.clear();
  verdict_.reset();
  given_up_.reset();
  for (ReceiverProgress &receiver : progress_.receivers) receiver = {receiver.name};
  changed();
}

// ---- What the pipe says ------------------------------------------------------------------------------------------

void Upload::on_transaction(TimePoint now) {
  transaction_ = true;
  if (!gate_) return;
  // The whole transaction is one ref: its objects are fetched one after the other, and the last of them must not count
  // as never started meanwhile.
  SubmitGate::Transaction transaction{message_id_, {}, seconds(now)};
  for (const ReceiverProgress &receiver : progress_.receivers) {
    transaction.pairs.push_back({message_id_, gate_name(receiver.name)});
  }
  gate_->on_transaction(transaction);
}

void Upload::on_accepted(TimePoint now) {
  if (!accepted_) accepted_ = Outcome{};
  accepted_fd.set(true);
  if (!gate_) return;
  gate_->on_sent(SubmitGate::Sent::kAccepted, transaction_, {}, seconds(now));
  run_gate(false);
}

void Upload::on_progress(const TransferEvent &event, TimePoint now) {
  const auto found = std::find_if(progress_.receivers.begin(), progress_.receivers.end(),
                                  [&](const ReceiverProgress &receiver) { return receiver.name == event.receiver; });
  if (found == progress_.receivers.end()) return;
  *found = {found->name, event.bytes, event.items, shown(event.state)};
  changed();
  if (event.state == TransferState::kFailed && failure_.empty()) failure_ = event.reason;
  if (!gate_) return;
  UploadProgress progress;
  progress.transaction = event.transaction;
  progress.ref = event.transaction;
  progress.receiver = gate_name(event.receiver);
  progress.sequence = event.sequence;
  progress.bytes = event.bytes;
  progress.items = event.items;
  progress.state = event.state;
  gate_->on_progress(progress, seconds(now));
  run_gate(false);
}

void Upload::on_settled(flare_status status, const std::string &reason, TimePoint now) {
  // What the gate thinks of this end knows less of it than the pipe, which says who ended it.
  const std::optional<Outcome> given_up = given_up_;
  if (gate_) {
    gate_->on_sent(SubmitGate::Sent::kRefused, false, {}, seconds(now));  // no news once it was accepted
    gate_->on_completed(status == FLARE_OK ? "finished" : "failed", seconds(now));
  }
  run_gate(false);
  // Bytes that are where they should be are, whatever was thought of them a moment before.
  if (status != FLARE_OK && given_up) return settle(given_up->status, given_up->reason, now);
  settle(status, status != FLARE_OK && transaction_ ? reason + so_far() : reason, now);
}

// ---- What else happens -------------------------------------------------------------------------------------------

void Upload::on_stop(TimePoint now) {
  if (gate_) {
    gate_->on_abandon(SubmitGate::Abandon::kAgentStopped, seconds(now));
    return run_gate(false);
  }
  // No peer has asked for it again yet, and none will be waited for.
  if (lent_) return settle(FLARE_STOPPED, "the agent was stopped before a peer asked for the result again", now);
  wait_over_ = true;
  settled_fd.set(true);
}

void Upload::on_time(TimePoint now) {
  if (!gate_) return;
  gate_->on_time(seconds(now));
  run_gate(true);
}

std::optional<TimePoint> Upload::deadline() const {
  if (settled_ || !gate_ || !gate_->deadline()) return std::nullopt;
  return not_before(*gate_->deadline());
}

// The gate's other actions are upstream's bookkeeping: what is sent, watched and deleted is the pipe's business here.
void Upload::run_gate(bool by_time) {
  if (!gate_) return;
  for (const SubmitGate::Action &action : gate_->take_actions()) {
    const auto *finished = std::get_if<SubmitGate::Finished>(&action);
    if (finished == nullptr || settled_) continue;
    if (!finished->success) {
      fail(*finished);
    } else if (by_time && !gate_->tracker()) {
      // Upstream calls it delivered when time is up (AG-29). Here the owner knows that it is not.
      given_up_ = verdict_ =
          Outcome{FLARE_STALLED, "not everything was fetched within " + duration_text(download_complete_timeout_) +
                                     " (option download_complete_timeout)"};
    }
  }
}

std::string Upload::so_far() const {
  const TransferProgress sum = progress_.sum();
  return "; " + bytes_text(sum.bytes_done, sum.bytes_total) + " were fetched";
}

void Upload::fail(const SubmitGate::Finished &finished) {
  using Cause = ResultUploadTracker::Cause;
  if (finished.cause == Cause::kNone) {
    if (!gate_->seen_abandon()) return;  // refused: the pipe says why
    if (!lent_) {                        // what was copied goes on until the close
      wait_over_ = true;
      settled_fd.set(true);
      return;
    }
    given_up_ = verdict_ = Outcome{FLARE_STOPPED, finished.reason + so_far()};
  } else if (finished.cause == Cause::kStalled || finished.cause == Cause::kDidNotStart) {
    given_up_ = verdict_ =
        Outcome{FLARE_STALLED, finished.reason + ": nothing was fetched for " + duration_text(*idle_timeout_) +
                                   " (option streaming_idle_timeout)" + so_far() +
                                   ". Look at the receiver: it is stuck, gone, or needs more time"};
  } else {
    given_up_ = verdict_ =
        Outcome{FLARE_ABORTED, finished.reason + (failure_.empty() ? "" : ": " + failure_) + so_far()};
  }
}

std::optional<Outcome> Upload::take_verdict() { return std::exchange(verdict_, std::nullopt); }

void Upload::settle(flare_status status, const std::string &reason, TimePoint now) {
  if (settled_) return;
  if (!accepted_) accepted_ = Outcome{status, reason};
  settled_ = Outcome{status, reason};
  settled_at_ = now;
  for (ReceiverProgress &receiver : progress_.receivers) {
    if (status == FLARE_OK) {
      receiver = {receiver.name, progress_.bytes_per_receiver, progress_.items_per_receiver, FLARE_UPLOAD_DELIVERED};
    } else if (receiver.state != FLARE_UPLOAD_DELIVERED) {
      receiver.state = FLARE_UPLOAD_FAILED;
    }
  }
  reply_.reset();  // memory of the user is the user's again
  accepted_fd.set(true);
  settled_fd.set(true);
  changed();
}

// ---- What its user is told -----------------------------------------------------------------------------------------

UploadSnapshot Upload::snapshot(TimePoint now) const {
  UploadSnapshot snapshot = progress_;
  snapshot.seconds = to_seconds(settled_at_.value_or(now) - submitted_at_);
  const auto any = [&](flare_upload_state state) {
    return std::any_of(snapshot.receivers.begin(), snapshot.receivers.end(),
                       [&](const ReceiverProgress &receiver) { return receiver.state == state; });
  };
  if (settled_) {
    snapshot.state = settled_->status == FLARE_OK ? FLARE_UPLOAD_DELIVERED : FLARE_UPLOAD_FAILED;
  } else if (any(FLARE_UPLOAD_ACTIVE) || any(FLARE_UPLOAD_DELIVERED) || any(FLARE_UPLOAD_FAILED)) {
    snapshot.state = FLARE_UPLOAD_ACTIVE;
  }
  return snapshot;
}

void Upload::changed() {
  ++progress_.changes;
  progress_fd.set(true);
}

void Upload::looked(int64_t changes) { progress_fd.set(settled_ || changes < progress_.changes); }

}  // namespace flare
