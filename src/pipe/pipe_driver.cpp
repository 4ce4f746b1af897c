#include "pipe/pipe_driver.h"

#include <new>
#include <utility>

#include "base/failure.h"

namespace flare {

PipeHandler::Options PipeDriver::handler_options(const Settings &settings) {
  PipeHandler::Options options;
  options.heartbeat_interval = settings.heartbeat_interval;
  options.heartbeat_timeout = settings.heartbeat_timeout;
  options.resend_interval = settings.resend_interval;
  options.max_resends = settings.max_resends;
  return options;
}

PipeDriver::PipeDriver(const PipeHandler::Options &options, const Settings &settings, Loop *loop, Log log,
                       PipeListener *listener)
    : settings_(settings),
      log_(std::move(log)),
      listener_(listener),
      handler_(options, settings.limits),
      alarm_(loop->make_alarm([this] { pump(); })) {}

// ---- Pipe ----------------------------------------------------------------------------------------------------

void PipeDriver::send(const MessagePtr &message, const SendOptions &options) {
  if (closed_) return;
  if (over_) return refuse(*message, *over_, over_reason_);
  LaidOut laid_out{};
  try {
    laid_out = lay_out(message, options);
  } catch (const Failure &failure) {
    return refuse(*message, failure.status(), failure.what());
  } catch (const std::bad_alloc &) {
    return refuse(*message, FLARE_OUT_OF_MEMORY, "not enough memory to send it");
  }
  sends_.insert_or_assign(message->id, Sending{message, laid_out.by_reference, false, false, {}});
  if (laid_out.by_reference) listener_->on_transaction(message->id);
  handler_.send(message, laid_out.timeout, Clock::now());
  pump();
}

void PipeDriver::send_own(const MessagePtr &message, Duration timeout) {
  SendOptions options;
  options.timeout = timeout;
  const LaidOut laid_out = lay_out(message, options);
  sends_.insert_or_assign(message->id, Sending{message, laid_out.by_reference, true, false, {}});
  handler_.send(message, laid_out.timeout, Clock::now());
}

// Settles a message that was never on its way.
void PipeDriver::refuse(const Message &message, flare_status status, const std::string &reason) {
  listener_->on_accepted(message.id, false, reason);
  listener_->on_settled(message.id, status, reason);
}

void PipeDriver::cancel(const std::string &id, flare_status status, const std::string &reason) {
  const auto found = sends_.find(id);
  if (closed_ || found == sends_.end()) return;
  if (!found->second.outcome) found->second.outcome = {status, reason};
  withdraw(id, status, reason);
  if (found->second.decided) {
    settle(id);
  } else {
    handler_.cancel(id, reason);
  }
  pump();
}

void PipeDriver::close(const std::string &reason) {
  if (std::exchange(closed_, true)) return;
  handler_.stop(reason);
  alarm_.reset();
  shut(reason);
  sends_.clear();
}

// ---- The turn ------------------------------------------------------------------------------------------------

void PipeDriver::pump() {
  if (pumping_ || closed_) return;
  pumping_ = true;
  act(Clock::now());
  pumping_ = false;
  set_alarm();
}

void PipeDriver::act(TimePoint now) {
  handler_.check_held_up(due_, now);
  handler_.on_time(now);
  for (bool busy = true; busy && !closed_;) {
    busy = pump_session();
    busy = pump_handler() || busy;
    busy = pump_transfers() || busy;
  }
}

bool PipeDriver::pump_handler() {
  const auto actions = handler_.take_actions();
  for (const auto &action : actions) {
    if (!closed_) perform(action);
  }
  return !actions.empty();
}

void PipeDriver::set_alarm() {
  if (closed_) return;
  due_ = earlier(handler_.deadline(), deadline());
  alarm_->set(due_);
}

void PipeDriver::perform(const PipeHandler::Action &action) {
  if (const auto *send = std::get_if<PipeHandler::Transmit>(&action)) {
    if (sends_.contains(send->message->id)) transmit(send->message);
  } else if (const auto *ack = std::get_if<PipeHandler::TransmitAck>(&action)) {
    transmit_ack(*ack);
  } else if (std::holds_alternative<PipeHandler::TransmitHeartbeat>(action)) {
    transmit_heartbeat();
  } else if (const auto *sent = std::get_if<PipeHandler::Sent>(&action)) {
    on_sent(*sent);
  } else if (const auto *status = std::get_if<PipeHandler::Status>(&action)) {
    finish(status_of(*status), status->reason);
  }
}

// ---- What becomes of a message -------------------------------------------------------------------------------

void PipeDriver::on_sent(const PipeHandler::Sent &sent) {
  const auto found = sends_.find(sent.id);
  if (found == sends_.end()) return;
  Sending &sending = found->second;
  sending.decided = true;
  const bool accepted = on_decided(sending.message, sent.accepted, sent.reason);
  if (accepted && !sending.by_reference) {
    if (!sending.outcome) sending.outcome = Outcome{};
  } else if (!accepted && !sending.outcome) {
    const flare_status status =
        over_.value_or(sent.for_good ? FLARE_ABORTED : handler_.ended().value_or(FLARE_STALLED));
    sending.outcome = {status, sent.reason};
    withdraw(sent.id, status, sent.reason);
  }
  const bool settled = sending.outcome.has_value();
  if (!sending.own) {
    listener_->on_accepted(sent.id, accepted, accepted ? "" : sent.reason);
  } else if (!accepted) {
    log_.error("the peer was not told that task " + sending.message->request_id + " is lost: " + sent.reason);
  }
  if (settled) settle(sent.id);
}

bool PipeDriver::conclude(const std::string &id, flare_status status, const std::string &reason) {
  const auto found = sends_.find(id);
  if (found == sends_.end()) return true;
  if (!found->second.outcome) found->second.outcome = {status, reason};
  if (!found->second.decided) return false;
  settle(id);
  return true;
}

std::vector<std::string> PipeDriver::referring() const {
  std::vector<std::string> ids;
  for (const auto &[id, sending] : sends_) {
    if (sending.by_reference) ids.push_back(id);
  }
  return ids;
}

// Nothing of the message is referred to any more when the listener hears of it.
void PipeDriver::settle(const std::string &id) {
  const auto found = sends_.find(id);
  if (found == sends_.end()) return;
  const Outcome outcome = *found->second.outcome;
  const bool own = found->second.own;
  sends_.erase(found);
  release(id, outcome.reason);
  if (!own) listener_->on_settled(id, outcome.status, outcome.reason);
}

void PipeDriver::forget_sends(const std::string &reason) {
  const auto sends = std::exchange(sends_, {});
  for (const auto &[id, sending] : sends) handler_.cancel(id, reason);
}

void PipeDriver::finish(flare_status status, const std::string &reason) {
  if (over_) return;
  over_ = status;
  over_reason_ = reason;
  log_.info("session over status=" + std::string(flare_status_text(status)) + " reason=" + reason);
  handler_.stop(reason);
  pump_handler();
  end(status, reason);
  if (status != FLARE_ENDED) {
    std::vector<std::string> ids;
    for (const auto &[id, sending] : sends_) ids.push_back(id);
    for (const std::string &id : ids) give_up(id, status, reason);
  }
  if (!closed_) listener_->on_over(status, reason);
}

// What a defect kept from being settled.
void PipeDriver::give_up(const std::string &id, flare_status status, const std::string &reason) {
  const auto found = sends_.find(id);
  if (closed_ || found == sends_.end()) return;
  Sending &sending = found->second;
  if (!sending.outcome) sending.outcome = {status, reason};
  if (!std::exchange(sending.decided, true) && !sending.own) listener_->on_accepted(id, false, reason);
  settle(id);
}

}  // namespace flare
