// What holds for a PipeHandler whatever happens and in whatever order: random events, a clock of our own.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "pipe/pipe_handler.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

class Chaos {
 public:
  explicit Chaos(unsigned seed) : random_(seed) {
    options_.heartbeat_interval = pick(1, 3) * 1s;
    if (pick(0, 3) > 0) {
      options_.heartbeat_timeout = options_.heartbeat_interval + pick(1, 20) * 1s;
    } else {
      options_.heartbeat_timeout = std::nullopt;
    }
    if (pick(0, 4) > 0) {
      options_.resend_interval = pick(0, 3) * 1s;
    } else {
      options_.resend_interval = std::nullopt;
    }
    if (pick(0, 4) > 0) {
      options_.max_resends = pick(0, 4);
    } else {
      options_.max_resends = std::nullopt;
    }
    options_.ack_delay = pick(0, 2) * 10ms;
    limits_.max_remembered_ids = static_cast<size_t>(pick(0, 5));
    reconnects_ = pick(0, 1) == 1;
    handler_ = std::make_unique<PipeHandler>(options_, limits_);
  }

  void run() {
    for (int event = 0; event < 300 && !testing::Test::HasFatalFailure(); ++event) {
      act();
      check_actions();
    }
    handler_->stop("the test is over");
    check_actions();
    for (const auto &[id, sent] : sent_) ASSERT_EQ(sent, 1) << "outcomes of " << id;
  }

 private:
  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  std::string known(char prefix) { return prefix + std::to_string(pick(0, std::max<int64_t>(ids_, 1) - 1)); }

  void act() {
    switch (pick(0, 19)) {
      case 0: handler_->start(now_); break;
      case 1:
      case 2: send(); break;
      case 3:
      case 4: handler_->on_ack(known('s'), std::nullopt, now_); break;
      case 5: handler_->on_ack(known('s'), Refusal{"refused", pick(0, 3) == 0}, now_); break;
      case 6: handler_->cancel(known('s'), "cancelled"); break;
      case 7:
      case 8:
      case 9: receive(); break;
      case 10: handler_->on_peer_activity(now_); break;
      case 11:
        if (reconnects_) connect();
        break;
      case 12:
        if (pick(0, 9) == 0) handler_->forget_received();
        break;
      case 13:
        if (pick(0, 19) == 0) handler_->on_broken("broken");
        break;
      case 14:
        if (pick(0, 39) == 0) {
          handler_->stop("stopped");
          stopped_ = true;
        }
        break;
      case 15: pass(pick(0, 5'000) * 1ms); break;
      default: pass_until_deadline(); break;
    }
  }

  void send() {
    Message message;
    message.id = "s" + std::to_string(ids_++);
    if (pick(0, 1) == 1) {
      message.kind = MessageKind::kReply;
      message.request_id = known('r');
    }
    sent_[message.id] = 0;
    after_the_end_ = handler_->stopped();
    handler_->send(std::make_shared<const Message>(message), pick(1, 5'000) * 1ms, now_);
  }

  void receive() {
    Message message;
    message.id = known('r');
    const int64_t kind = pick(0, 99);
    message.topic = kind == 0 ? topic::kEnd : kind == 1 ? topic::kAbort : kind < 20 ? topic::kMetric : "train";
    if (kind % 3 == 0) {
      message.kind = MessageKind::kReply;
      message.request_id = known('s');
    }
    const bool was_over = handler_->stopped();
    const auto received = handler_->on_message(message, now_);
    if (was_over) {
      ASSERT_EQ(received, PipeHandler::Received::kIgnored);
    }
    if (received == PipeHandler::Received::kNew) {
      handler_->on_taken(message, pick(0, 3) > 0 ? std::nullopt : std::optional(Refusal{"no room"}), now_);
    }
  }

  void connect() {
    handler_->on_connected(now_);
    last_heartbeat_.reset();  // the one it makes is not spaced
  }

  void pass(Duration time) {
    now_ += time;
    tick();
  }

  void pass_until_deadline() {
    if (const auto deadline = handler_->deadline()) now_ = std::max(now_, *deadline);
    tick();
  }

  void tick() {
    handler_->on_time(now_);
    if (const auto deadline = handler_->deadline()) {
      ASSERT_GT(*deadline, now_);
    }
  }

  void check_actions() {
    for (const auto &action : handler_->take_actions()) {
      const auto *sent = std::get_if<PipeHandler::Sent>(&action);
      if (sent) {
        ASSERT_EQ(++sent_[sent->id], 1) << "outcomes of " << sent->id;
      }
      if (over_) {
        ASSERT_TRUE(sent && !sent->accepted && after_the_end_) << "an action once it was over";
      }
      if (const auto *status = std::get_if<PipeHandler::Status>(&action)) {
        ASSERT_FALSE(stopped_);
        ASSERT_FALSE(over_) << "a second status, " << status->topic;
        over_ = true;
      }
      if (const auto *transmit = std::get_if<PipeHandler::Transmit>(&action)) {
        ASSERT_EQ(sent_.at(transmit->message->id), 0) << "transmitted after its outcome";
        const int64_t attempts = ++transmitted_[transmit->message->id];
        if (!reconnects_ && !options_.resend_interval) {
          ASSERT_EQ(attempts, 1);
        }
        if (!reconnects_ && options_.max_resends) {
          ASSERT_LE(attempts, *options_.max_resends + 1);
        }
      }
      if (std::holds_alternative<PipeHandler::TransmitHeartbeat>(action)) {
        if (last_heartbeat_) {
          ASSERT_GT(now_ - *last_heartbeat_, options_.heartbeat_interval);
        }
        last_heartbeat_ = now_;
      }
    }
    if (stopped_) over_ = true;
  }

  std::mt19937 random_;
  PipeHandler::Options options_;
  Limits limits_;
  bool reconnects_ = false;
  std::unique_ptr<PipeHandler> handler_;
  TimePoint now_{};
  int64_t ids_ = 0;
  bool stopped_ = false;        // by us
  bool over_ = false;           // and what was left was taken
  bool after_the_end_ = false;  // the last send
  std::optional<TimePoint> last_heartbeat_;
  std::map<std::string, int> sent_;             // outcomes by id
  std::map<std::string, int64_t> transmitted_;  // attempts by id
};

TEST(PipeHandlerProperties, HoldInEveryOrderOfEvents) {
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos(seed).run();
    if (testing::Test::HasFatalFailure()) return;
  }
}

// W-15, W-16: an idle pair of handlers wakes for heartbeats only, and neither ever declares the other gone.
TEST(PipeHandlerProperties, AnIdlePairLivesOnHeartbeatsAlone) {
  const PipeHandler::Options options;
  PipeHandler left(options, {}), right(options, {});
  TimePoint now{};
  left.start(now);
  right.start(now);
  int wakes = 0;
  while (now < TimePoint{} + 1h) {
    now = *earlier(left.deadline(), right.deadline());
    ++wakes;
    left.on_time(now);
    right.on_time(now);
    for (auto [from, to] : {std::pair(&left, &right), std::pair(&right, &left)}) {
      for (const auto &action : from->take_actions()) {
        ASSERT_TRUE(std::holds_alternative<PipeHandler::TransmitHeartbeat>(action));
        to->on_peer_activity(now);
      }
    }
  }
  EXPECT_LE(wakes, 3600 / 5 + 1);
}

}  // namespace
}  // namespace flare
