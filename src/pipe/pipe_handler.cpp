#include "pipe/pipe_handler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/failure.h"
#include "base/text.h"

namespace flare {

namespace {

// The first moment at which more than `duration` has passed: PH-07, PH-09 and PH-12 compare strictly.
TimePoint beyond(TimePoint since, Duration duration) { return since + duration + Duration(1); }

// An alarm that rings so late did not wait for a busy processor: the process was frozen or suspended.
constexpr Duration kHeldUp = std::chrono::milliseconds(500);

// Between two heartbeats, however often they are asked for.
constexpr Duration kLeastGap = std::chrono::milliseconds(200);

// Whether the peer waits for a message of ours, which then serves as the acknowledgement too.
bool has_answer(const Message &message) {
  return message.kind == MessageKind::kRequest && message.topic != topic::kMetric && message.topic != topic::kAbortTask;
}

}  // namespace

PipeHandler::PipeHandler(const Options &options, const Limits &limits) : options_(options), limits_(limits) {
  if (options_.heartbeat_interval <= Duration::zero()) {
    throw Failure(FLARE_INVALID_ARGUMENT, "heartbeat_interval is " + duration_text(options_.heartbeat_interval) +
                                              "; it must be greater than 0");
  }
  if (options_.heartbeat_timeout && *options_.heartbeat_timeout <= options_.heartbeat_interval) {
    throw Failure(FLARE_INVALID_ARGUMENT, "heartbeat_timeout is " + duration_text(*options_.heartbeat_timeout) +
                                              "; it must be greater than heartbeat_interval, which is " +
                                              duration_text(options_.heartbeat_interval));
  }
}

void PipeHandler::start(TimePoint now, bool peer) {
  if (started_) return;
  started_ = true;
  peer_heard_ = peer_heard_ || peer;
  last_heard_ = now;
  next_heartbeat_ = now;
}

void PipeHandler::stop(const std::string &reason) {
  std::erase_if(actions_, [](const Action &action) { return !std::holds_alternative<Sent>(action); });
  shut(reason);
}

void PipeHandler::resume(TimePoint now) {
  if (!std::exchange(paused_, false)) return;
  last_heard_ = now;
}

void PipeHandler::on_connected(TimePoint now) {
  if (stopped_) return;
  for (Sending &sending : sending_) transmit(&sending, now);
  if (started_) beat(now);
}

void PipeHandler::forget_received() {
  remembered_.clear();
  remembered_order_.clear();
  acks_due_.clear();
}

void PipeHandler::send(const MessagePtr &message, Duration timeout, TimePoint now) {
  if (timeout <= Duration::zero()) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "the timeout of a send is " + duration_text(timeout) + "; it must be greater than 0");
  }
  if (stopped_) {
    actions_.emplace_back(Sent{message->id, false, stop_reason_});
    return;
  }
  if (message->kind == MessageKind::kReply) acks_due_.erase(message->request_id);
  Sending sending;
  sending.message = message;
  sending.timeout = timeout;
  transmit(&sending, now);
  sending_.push_back(std::move(sending));
}

void PipeHandler::cancel(const std::string &id, const std::string &reason) {
  const auto found = find(id);
  if (found != sending_.end()) finish(found, false, reason);
}

void PipeHandler::on_peer_activity(TimePoint now) {
  peer_heard_ = true;
  last_heard_ = std::max(last_heard_, now);
}

void PipeHandler::beat_soon(TimePoint now) {
  const TimePoint soon = last_heartbeat_ ? std::max(now, *last_heartbeat_ + kLeastGap) : now;
  next_heartbeat_ = std::min(next_heartbeat_, soon);
}

PipeHandler::Received PipeHandler::on_message(const Message &message, TimePoint now) {
  if (!receiving()) return Received::kIgnored;
  if (message.topic != topic::kStreamProgress) on_peer_activity(now);
  if (message.kind == MessageKind::kReply) on_ack(message.request_id, std::nullopt, now);
  if (message.topic == topic::kEnd || message.topic == topic::kAbort) {
    actions_.emplace_back(TransmitAck{message.id, std::nullopt});
    const bool ended = message.topic == topic::kEnd;
    end(message.topic,
        text_header(message.data, header::kReason, ended ? "the peer ended the job" : "the peer aborted the job"));
    return Received::kIgnored;
  }
  if (remembered_.count(message.id) > 0) {
    acks_due_.erase(message.id);
    actions_.emplace_back(TransmitAck{message.id, std::nullopt});
    return Received::kRepeated;
  }
  return Received::kNew;
}

void PipeHandler::on_taken(const Message &message, const std::optional<Refusal> &refusal, TimePoint now) {
  if (stopped_) return;
  if (!refusal) remember(message.id);
  if (!refusal && has_answer(message)) {
    acks_due_[message.id] = now + options_.ack_delay;
  } else {
    actions_.emplace_back(TransmitAck{message.id, refusal});
  }
}

void PipeHandler::on_ack(const std::string &id, const std::optional<Refusal> &refusal, TimePoint now) {
  const auto found = find(id);
  if (found == sending_.end()) return;
  if (!refusal) {
    finish(found, true, "");
  } else if (refusal->for_good) {
    finish(found, false, refusal->reason, true);
  } else if (found->waiting_for_ack) {  // else this attempt has failed already
    attempt_failed(found, refusal->reason, now);
  }
}

void PipeHandler::on_handed_over(const std::string &id) {
  const auto found = find(id);
  if (found != sending_.end() && found->waiting_for_ack) found->next.reset();
}

void PipeHandler::on_not_sent(const std::string &id, const std::string &reason, TimePoint now) {
  const auto found = find(id);
  if (found == sending_.end()) return;
  if (!options_.resend_interval) return finish(found, false, reason);
  found->waiting_for_ack = false;
  found->next = beyond(now, *options_.resend_interval);
}

void PipeHandler::on_held_up(TimePoint now) {
  if (!options_.heartbeat_timeout) return;
  const Duration interval = options_.peer_interval.value_or(options_.heartbeat_interval);
  last_heard_ = std::max(last_heard_, now - *options_.heartbeat_timeout + interval);
}

void PipeHandler::check_held_up(std::optional<TimePoint> due, TimePoint now) {
  if (due && now - *due > kHeldUp) on_held_up(now);
}

void PipeHandler::on_broken(const std::string &reason) {
  if (!options_.upstream_defects) return end(topic::kPeerGone, reason);
  if (!stopped_) say(topic::kPeerGone, reason);  // and nothing else (W-32)
}

void PipeHandler::on_heartbeat_failed(bool broken, const std::string &reason) {
  if (options_.upstream_defects && !broken) {
    shut(reason);
  } else {
    on_broken(reason);
  }
}

void PipeHandler::on_time(TimePoint now) {
  check_silence(now);
  check_heartbeat(now);
  check_sends(now);
}

void PipeHandler::check_silence(TimePoint now) {
  const auto deadline = silence_deadline();
  if (!deadline || now < *deadline) return;
  end(topic::kPeerGone, "nothing was heard from the peer for " + duration_text(*options_.heartbeat_timeout));
}

void PipeHandler::check_heartbeat(TimePoint now) {
  if (started_ && !paused_ && !stopped_ && now >= next_heartbeat_) beat(now);
}

void PipeHandler::beat(TimePoint now) {
  actions_.emplace_back(TransmitHeartbeat{});
  last_heartbeat_ = now;
  next_heartbeat_ = beyond(now, options_.heartbeat_interval);
}

void PipeHandler::check_sends(TimePoint now) {
  if (stopped_) return;
  for (auto next = sending_.begin(); next != sending_.end();) {
    const auto sending = next++;  // which may be gone in a moment
    if (!sending->next || now < *sending->next) continue;
    if (sending->waiting_for_ack) {
      attempt_failed(sending, "the peer did not acknowledge it within " + duration_text(sending->timeout), now);
    } else {
      transmit(&*sending, now);
    }
  }
  std::erase_if(acks_due_, [&](const auto &due) {
    if (now < due.second) return false;
    actions_.emplace_back(TransmitAck{due.first, std::nullopt});
    return true;
  });
}

std::optional<TimePoint> PipeHandler::deadline() const {
  if (stopped_) return std::nullopt;
  std::optional<TimePoint> deadline;
  if (started_ && !paused_) deadline = next_heartbeat_;
  deadline = earlier(deadline, silence_deadline());
  for (const Sending &sending : sending_) deadline = earlier(deadline, sending.next);
  for (const auto &[id, due] : acks_due_) deadline = earlier(deadline, due);
  return deadline;
}

std::vector<PipeHandler::Action> PipeHandler::take_actions() { return std::exchange(actions_, {}); }

std::list<PipeHandler::Sending>::iterator PipeHandler::find(const std::string &id) {
  return std::find_if(sending_.begin(), sending_.end(),
                      [&](const Sending &sending) { return sending.message->id == id; });
}

void PipeHandler::transmit(Sending *sending, TimePoint now) {
  sending->waiting_for_ack = true;
  sending->next = now + sending->timeout;
  actions_.emplace_back(Transmit{sending->message});
}

void PipeHandler::attempt_failed(std::list<Sending>::iterator sending, const std::string &reason, TimePoint now) {
  ++sending->failures;
  if (!options_.resend_interval || (options_.max_resends && sending->failures > *options_.max_resends)) {
    finish(sending, false, reason);
    return;
  }
  sending->waiting_for_ack = false;
  sending->next = beyond(now, *options_.resend_interval);
}

void PipeHandler::finish(std::list<Sending>::iterator sending, bool accepted, const std::string &reason,
                         bool for_good) {
  actions_.emplace_back(Sent{sending->message->id, accepted, reason, for_good});
  sending_.erase(sending);
}

void PipeHandler::remember(const std::string &id) {
  remembered_.insert(id);
  remembered_order_.push_back(id);
  if (remembered_order_.size() <= limits_.max_remembered_ids) return;
  remembered_.erase(remembered_order_.front());
  remembered_order_.pop_front();
}

// The last actions are made here: whatever waits for an outcome gets it.
void PipeHandler::shut(const std::string &reason) {
  if (stopped_) return;
  stopped_ = true;
  stop_reason_ = reason;
  acks_due_.clear();
  while (!sending_.empty()) finish(sending_.begin(), false, reason);
}

void PipeHandler::end(std::string_view topic, const std::string &reason) {
  if (stopped_) return;
  receiving_over_ = true;
  if (!options_.upstream_defects) shut(reason);
  say(topic, reason);
}

void PipeHandler::say(std::string_view topic, const std::string &reason) {
  Status status{std::string(topic), reason};
  ended_ = status_of(status);
  actions_.emplace_back(std::move(status));
}

flare_status status_of(const PipeHandler::Status &status) {
  if (status.topic == topic::kEnd) return FLARE_ENDED;
  return status.topic == topic::kAbort ? FLARE_ABORTED : FLARE_PEER_GONE;
}

std::optional<TimePoint> PipeHandler::silence_deadline() const {
  if (!started_ || !peer_heard_ || paused_ || !receiving() || !options_.heartbeat_timeout) return std::nullopt;
  return beyond(last_heard_, *options_.heartbeat_timeout);
}

}  // namespace flare
