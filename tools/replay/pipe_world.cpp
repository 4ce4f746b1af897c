#include "pipe_world.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <variant>

namespace flare::replay {

namespace {

constexpr double kHeartbeatTimeout = 600;
constexpr double kDefaultTimeout = 5;
constexpr double kNotifyTimeout = 0.1;
constexpr double kResendCheck = 0.1;
constexpr std::string_view kHeartbeat = "_HEARTBEAT_";

PipeHandler::Options options_of(const Line &head) {
  PipeHandler::Options options;
  options.upstream_defects = true;
  options.heartbeat_interval = from_seconds(head.number_of("hb"));
  options.heartbeat_timeout.reset();
  if (const double timeout = head.number_of("hbto"); timeout > 0) options.heartbeat_timeout = from_seconds(timeout);
  options.resend_interval.reset();
  const double resend = head.maybe_number("resend").value_or(0);
  if (resend > 0 && head.flag("can_resend")) options.resend_interval = from_seconds(resend);
  options.max_resends = head.maybe_integer("maxr");
  return options;
}

}  // namespace

double rounded(double time) {
  std::array<char, 64> digits;
  std::snprintf(digits.data(), digits.size(), "%.6f", time);
  return std::strtod(digits.data(), nullptr);
}

PipeWorld::PipeWorld(const Script &script, Owner owner)
    : script_(script),
      head_(script.head()),
      owner_(std::move(owner)),
      timeline_(head_.number_of("t")),
      handler_(options_of(head_), Limits()),
      check_period_(head_.number_of("check")) {
  for (const Line &line : script.lines) {
    if (line.op() == "inbox") inbox_.push_back(&line);
    if (line.op() == "send_outcome") outcomes_.push_back(&line);
    if (line.op() == "act") acts_.push_back(&line);
  }
  std::stable_sort(inbox_.begin(), inbox_.end(),
                   [](const Line *a, const Line *b) { return a->number_of("at") < b->number_of("at"); });
}

void PipeWorld::start() {
  handler_.start(time());
  reader_alive_ = beating_ = true;
  timeline_.at(now() + head_.number_of("read"), [this] { read(); });
  timeline_.at(now(), [this] { beat(); });
}

void PipeWorld::run(const std::function<void(const Line &, std::function<void()>)> &act) {
  const std::function<void(size_t)> perform = [&](size_t index) {
    if (index == acts_.size()) return;
    const Line &line = *acts_[index];
    timeline_.at(std::max(now(), line.number_of("at")),
                 [&, index] { act(*acts_[index], [&perform, index] { perform(index + 1); }); });
  };
  perform(0);
  timeline_.run_until(head_.number_of("end"));
  // Upstream's threads are unwound where they are: a message under way is let go.
  for (const Sending &under_way : sending_) {
    if (!under_way.heartbeat) produce({{"ev", "release"}, {"topic", under_way.message->topic}});
  }
}

void PipeWorld::produce(Json event) {
  event["t"] = rounded(now());
  produced_.push_back(std::move(event));
}

const Line *PipeWorld::due(const char *op) const {
  const Line *latest = nullptr;
  for (const Line &line : script_.lines) {
    if (line.op() == op && line.number_of("at") <= now()) latest = &line;
  }
  return latest;
}

// ---- The reader --------------------------------------------------------------------------------------------------

void PipeWorld::read() {
  reader_alive_ = handler_.receiving();
  if (!reader_alive_) return;
  if (!handler_.paused()) {
    if (const Line *fails = due("recv_fail")) {
      handler_.on_broken("receiving failed");
      take_actions();
      // Upstream keeps the handle of a thread that died of an exception (PH-02).
      reader_alive_ = fails->text("how") == "raise";
      return;
    }
    if (!receive()) {
      if (const Line *active = due("active")) {
        handler_.on_peer_activity(Clock::time_point() + from_seconds(active->number_of("val")));
      }
      handler_.check_silence(time());
    }
    take_actions();
  }
  reader_alive_ = handler_.receiving();
  if (reader_alive_) timeline_.at(now() + head_.number_of("read"), [this] { read(); });
}

bool PipeWorld::receive() {
  if (next_message_ == inbox_.size() || inbox_[next_message_]->number_of("at") > now()) return false;
  const Line &line = *inbox_[next_message_++];
  Message message;
  message.topic = line.text("topic");
  message.id = line.text("id");
  if (message.topic != topic::kStreamProgress) peer_up_ = true;
  if (message.topic == kHeartbeat) {
    handler_.on_peer_activity(time());
    return true;
  }
  const auto received = handler_.on_message(message, time());
  take_actions();
  if (received != PipeHandler::Received::kNew) return true;
  handler_.on_taken(message, std::nullopt, time());
  if (message.topic == topic::kPeerGone) {
    owner_.status(message.topic);
  } else {
    owner_.message(line);
  }
  return true;
}

// ---- Heartbeats --------------------------------------------------------------------------------------------------

void PipeWorld::beat() {
  beating_ = !handler_.stopped();
  if (!beating_) return;
  handler_.check_heartbeat(time());
  take_actions();
  const auto next = [this](SendResult) { timeline_.at(now() + check_period_, [this] { beat(); }); };
  if (!std::exchange(heartbeat_due_, false)) return next(SendResult::kYes);
  auto message = std::make_shared<Message>();
  message->topic = kHeartbeat;
  message->id = "heartbeat-" + std::to_string(++heartbeats_);
  begin({message, message->id, kHeartbeatTimeout, !head_.flag("can_resend"), true, false, next});
}

// ---- Sending -----------------------------------------------------------------------------------------------------

void PipeWorld::send(const MessagePtr &message, std::optional<double> timeout, std::function<void(SendResult)> done) {
  begin({message, message->id, timeout.value_or(kDefaultTimeout), !timeout, false, false, std::move(done)});
}

void PipeWorld::begin(Sending sending) {
  if (handler_.stopped()) return sending.done(SendResult::kNo);
  const MessagePtr message = sending.message;
  const double timeout = sending.timeout;
  sending_.push_back(std::move(sending));
  handler_.send(message, from_seconds(timeout), time());
  take_actions();
}

// The scripted pipe.
void PipeWorld::transmit(const std::string &id) {
  const auto sending =
      std::find_if(sending_.begin(), sending_.end(), [&](const Sending &each) { return each.id == id; });
  if (sending == sending_.end()) return;
  std::string result = "ok";
  double duration = 0;
  if (sending->heartbeat) {
    if (const Line *fails = due("hb_fail")) result = fails->text("how");
  } else if (next_outcome_ < outcomes_.size()) {
    const Line &outcome = *outcomes_[next_outcome_++];
    result = outcome.text("res");
    duration = outcome.number_of("dur");
  }
  produce({{"ev", "send"},
           {"topic", sending->message->topic},
           {"type", sending->message->kind == MessageKind::kReply ? "REP" : "REQ"},
           {"timeout", sending->timeout},
           {"res", result}});
  if (duration > 0) {
    timeline_.at(now() + duration, [this, sending, result] { attempted(sending, result); });
  } else {
    attempted(sending, result);
  }
}

void PipeWorld::attempted(Position sending, const std::string &result) {
  if (result == "ok") {
    handler_.on_ack(sending->id, std::nullopt, time());
    take_actions();
    return finish(sending, SendResult::kYes);  // the peer has it, also when a stop came between
  }
  const bool raised = result == "raise";
  if (raised || result == "broken") {
    handler_.cancel(sending->id, "send failed");
    if (sending->heartbeat) {
      handler_.on_heartbeat_failed(!raised, "send failed");
    } else if (!raised && !handler_.stopped()) {
      handler_.on_broken("send failed");
    }
    // The message is let go before anybody hears of it.
    const auto done = sending->done;
    const bool heartbeat = sending->heartbeat;
    take_actions();
    if (!heartbeat) produce({{"ev", "release"}, {"topic", sending->message->topic}});
    sending_.erase(sending);
    beating_ = beating_ && !(heartbeat && raised);
    if (!(heartbeat && raised)) done(raised ? SendResult::kRaised : SendResult::kNo);
    return;
  }
  if (sending->single) {
    handler_.cancel(sending->id, "");
  } else {
    handler_.on_ack(sending->id, Refusal{}, time());
  }
  take_actions();
  wait_to_resend(sending);
}

void PipeWorld::wait_to_resend(Position sending) {
  if (sending->over) return finish(sending, SendResult::kNo);
  const std::string id = sending->id;
  const auto before = produced_.size();
  handler_.check_sends(time());
  take_actions();
  // Transmitted: its own end goes on from here; the list may have changed meanwhile.
  if (produced_.size() != before) return;
  timeline_.at(now() + kResendCheck, [this, sending] { wait_to_resend(sending); });
}

void PipeWorld::finish(Position sending, SendResult result) {
  const Sending over = std::move(*sending);
  sending_.erase(sending);
  if (!over.heartbeat) produce({{"ev", "release"}, {"topic", over.message->topic}});
  over.done(result);
}

void PipeWorld::notify(std::string_view topic) {
  if (pipe_gone_) return;
  produce({{"ev", "send"}, {"topic", topic}, {"type", "REQ"}, {"timeout", kNotifyTimeout}, {"res", "ok"}});
}

void PipeWorld::stop(bool close) {
  handler_.stop("stopped");
  take_actions();
  peer_up_ = false;
  if (std::exchange(pipe_gone_, true)) return;
  if (close) produce({{"ev", "close"}});
}

void PipeWorld::take_actions() {
  for (const auto &action : handler_.take_actions()) {
    if (std::holds_alternative<PipeHandler::TransmitHeartbeat>(action)) {
      heartbeat_due_ = true;
    } else if (const auto *again = std::get_if<PipeHandler::Transmit>(&action)) {
      transmit(again->message->id);
    } else if (const auto *sent = std::get_if<PipeHandler::Sent>(&action)) {
      for (Sending &each : sending_) {
        if (each.id == sent->id) each.over = true;
      }
    } else if (const auto *status = std::get_if<PipeHandler::Status>(&action)) {
      owner_.status(status->topic);
    }
  }
}

// ---- The end -----------------------------------------------------------------------------------------------------

void PipeWorld::compare(Report *report) const {
  std::vector<Json> expected, got;
  for (const Line &line : script_.lines) {
    if (!line.has("ev")) continue;
    expected.push_back(line.fields);
    expected.back().erase("data");  // the words of a status are ours
  }
  got = produced_;
  // What happens at one moment on different threads has no order.
  const auto order = [](const Json &a, const Json &b) {
    return a.at("t") != b.at("t") ? a.at("t") < b.at("t") : a.dump() < b.dump();
  };
  std::stable_sort(expected.begin(), expected.end(), order);
  std::stable_sort(got.begin(), got.end(), order);
  for (size_t i = 0; i < expected.size() || i < got.size(); ++i) {
    const Json want = i < expected.size() ? expected[i] : Json();
    const Json have = i < got.size() ? got[i] : Json();
    if (want != have) report->differ(script_.head(), "event " + std::to_string(i), want.dump(), have.dump());
  }
  const Line &end = script_.end();
  report->expect(end, "asked_to_stop", handler_.stopped());
  report->expect(end, "reader_alive", reader_alive_);
  report->expect(end, "hb_alive", beating_);
  report->expect(end, "pipe_null", pipe_gone_);
  report->expect(end, "peer_up", peer_up_);
  report->expect(end, "unread", inbox_.size() - next_message_);
}

}  // namespace flare::replay
