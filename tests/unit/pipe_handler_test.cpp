#include "pipe/pipe_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/failure.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string text_of(const PipeHandler::Action &action) {
  struct Describe {
    std::string outcome(const std::string &name, bool accepted, const std::string &reason) const {
      return name + (accepted ? " yes" : " no") + (reason.empty() ? "" : ": " + reason);
    }
    std::string operator()(const PipeHandler::Transmit &a) const { return "transmit " + a.message->id; }
    std::string operator()(const PipeHandler::TransmitAck &a) const {
      return outcome("ack " + a.id, !a.refusal, a.refusal ? a.refusal->reason : "");
    }
    std::string operator()(const PipeHandler::TransmitHeartbeat &) const { return "heartbeat"; }
    std::string operator()(const PipeHandler::Sent &a) const { return outcome("sent " + a.id, a.accepted, a.reason); }
    std::string operator()(const PipeHandler::Status &a) const { return "status " + a.topic + ": " + a.reason; }
  };
  return std::visit(Describe{}, action);
}

Message request(const std::string &id, std::string_view topic = "train") {
  Message message;
  message.id = id;
  message.topic = topic;
  return message;
}

Message reply(const std::string &id, const std::string &question) {
  Message message = request(id);
  message.kind = MessageKind::kReply;
  message.request_id = question;
  return message;
}

MessagePtr shared(const Message &message) { return std::make_shared<const Message>(message); }

PipeHandler::Options quiet() {  // no heartbeats and no silence in the tests of other rules
  PipeHandler::Options options;
  options.heartbeat_interval = 1000h;
  options.heartbeat_timeout = std::nullopt;
  return options;
}

class Handler : public testing::Test {
 protected:
  void make(const PipeHandler::Options &options, const Limits &limits = {}) {
    handler = std::make_unique<PipeHandler>(options, limits);
  }
  void start() {
    handler->start(now);
    at(now - TimePoint{});  // the first heartbeat
  }
  std::vector<std::string> take() {
    std::vector<std::string> texts;
    for (const auto &action : handler->take_actions()) texts.push_back(text_of(action));
    return texts;
  }
  std::vector<std::string> at(Duration time) {
    now = TimePoint{} + time;
    handler->on_time(now);
    return take();
  }
  void send(const Message &message, Duration timeout = 10s) { handler->send(shared(message), timeout, now); }
  // The peer's message, taken by the driver when it is new.
  PipeHandler::Received receive(const Message &message, const std::string &refusal = "") {
    const auto received = handler->on_message(message, now);
    if (received == PipeHandler::Received::kNew) {
      handler->on_taken(message, refusal.empty() ? std::nullopt : std::optional(Refusal{refusal}), now);
    }
    return received;
  }

  TimePoint now{};
  std::unique_ptr<PipeHandler> handler = std::make_unique<PipeHandler>(quiet(), Limits{});
};

// PH-01
TEST_F(Handler, WantsAHeartbeatIntervalAndAGreaterTimeout) {
  PipeHandler::Options options;
  options.heartbeat_interval = 0s;
  EXPECT_THROW(make(options), Failure);
  options.heartbeat_interval = 5s;
  options.heartbeat_timeout = 5s;
  try {
    make(options);
    FAIL() << "a timeout equal to the interval was taken";
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    EXPECT_STREQ(failure.what(), "heartbeat_timeout is 5 s; it must be greater than heartbeat_interval, which is 5 s");
  }
  options.heartbeat_timeout = 5s + 1ns;
  EXPECT_NO_THROW(make(options));
  options.heartbeat_timeout = std::nullopt;
  EXPECT_NO_THROW(make(options));
}

// PH-02
TEST_F(Handler, StartsOnce) {
  make({});
  EXPECT_FALSE(handler->deadline()) << "nothing to do before the start";
  handler->start(now);
  EXPECT_THAT(at(1s), ElementsAre("heartbeat"));
  handler->start(now);
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_THAT(at(2s), IsEmpty()) << "a second start sends no heartbeat of its own";
  handler->stop("closed");
  handler->start(now);
  EXPECT_FALSE(handler->deadline());
}

// PH-04, PH-07
TEST_F(Handler, SilenceIsDeathAfterMoreThanTheTimeout) {
  make({});
  EXPECT_THAT(at(1000s), IsEmpty()) << "nobody was ever there";
  start();
  EXPECT_THAT(at(1030s), ElementsAre("heartbeat")) << "exactly the timeout is not more than it";
  receive(request("a", topic::kMetric));
  EXPECT_THAT(at(1060s), ElementsAre("ack a yes", "heartbeat"));
  handler->on_peer_activity(now);
  handler->on_peer_activity(now - 5s);
  EXPECT_THAT(at(1090s), ElementsAre("heartbeat"));
  EXPECT_EQ(handler->deadline(), now + 1ns);
  EXPECT_THAT(at(1090s + 1ns), ElementsAre("status _PEER_GONE_: nothing was heard from the peer for 30 s"));
  EXPECT_TRUE(handler->stopped());
}

// PH-07
TEST_F(Handler, SilenceIsNeverDeathWithoutATimeout) {
  PipeHandler::Options options;
  options.heartbeat_timeout = std::nullopt;
  make(options);
  start();
  EXPECT_THAT(at(24h * 365), ElementsAre("heartbeat"));
}

// W-03
TEST_F(Handler, WhatWeSendProvesNothingAboutThePeer) {
  make({});
  start();
  for (int second = 1; second <= 30; ++second) {
    at(std::chrono::seconds(second));
    send(request("m" + std::to_string(second)), 1000s);
    handler->on_ack("m" + std::to_string(second), Refusal{"full"}, now);
  }
  take();
  EXPECT_THAT(at(30s + 1ns), Contains(HasSubstr("_PEER_GONE_")));
}

// PH-05, PH-06
TEST_F(Handler, EndAndAbortAreTakenAndReported) {
  start();
  Message message = request("e", topic::kEnd);
  EXPECT_EQ(handler->on_message(message, now), PipeHandler::Received::kIgnored);
  EXPECT_THAT(take(), ElementsAre("ack e yes", "status _END_: the peer ended the job"));
  EXPECT_FALSE(handler->deadline());

  make(quiet());
  start();
  message = request("b", topic::kAbort);
  message.data.headers.set(header::kReason, "the disk is full");
  EXPECT_EQ(handler->on_message(message, now), PipeHandler::Received::kIgnored);
  EXPECT_THAT(take(), ElementsAre("ack b yes", "status _ABORT_: the disk is full"));
}

// PH-06, PH-11
TEST_F(Handler, WhatIsUnderWayFailsBeforeTheEndIsReported) {
  start();
  send(request("a"));
  send(request("b"));
  handler->on_ack("a", Refusal{"full"}, now);
  take();
  handler->on_message(request("e", topic::kEnd), now);
  const std::string reason = "the peer ended the job";
  EXPECT_THAT(take(),
              ElementsAre("ack e yes", "sent a no: " + reason, "sent b no: " + reason, "status _END_: " + reason));
  handler->on_message(request("f", topic::kAbort), now);
  handler->on_broken("broken");
  handler->on_ack("a", std::nullopt, now);
  EXPECT_THAT(take(), IsEmpty());
  send(request("c"));
  EXPECT_THAT(take(), ElementsAre("sent c no: " + reason));
}

// PH-08, PH-13
TEST_F(Handler, ABrokenPipeIsAPeerThatIsGone) {
  start();
  send(request("a"));
  take();
  handler->on_broken("send failed");
  EXPECT_THAT(take(), ElementsAre("sent a no: send failed", "status _PEER_GONE_: send failed"));
  handler->on_broken("again");
  EXPECT_THAT(take(), IsEmpty()) << "W-32: not once per heartbeat";
}

// PH-09
TEST_F(Handler, HeartbeatsBeginAtOnceAndFollowAfterMoreThanTheInterval) {
  PipeHandler::Options options;
  options.heartbeat_timeout = std::nullopt;
  make(options);
  handler->start(now);
  EXPECT_EQ(handler->deadline(), now);
  EXPECT_THAT(at(0s), ElementsAre("heartbeat"));
  EXPECT_THAT(at(5s), IsEmpty());
  EXPECT_THAT(at(5s + 1ns), ElementsAre("heartbeat"));
  EXPECT_THAT(at(1h), ElementsAre("heartbeat")) << "those that were missed are not made up for";
  EXPECT_EQ(handler->deadline(), now + 5s + 1ns);
}

// PH-11
TEST_F(Handler, ASendNeedsATimeout) {
  EXPECT_THROW(send(request("a"), 0s), Failure);
  EXPECT_THROW(send(request("a"), -1s), Failure);
  EXPECT_THAT(take(), IsEmpty());
}

// PH-12
TEST_F(Handler, SendsAgainAfterSilenceAndRefusals) {
  PipeHandler::Options options = quiet();
  options.max_resends = 2;
  make(options);
  start();
  const MessagePtr message = shared(request("a"));
  handler->send(message, 10s, now);
  const auto actions = handler->take_actions();
  EXPECT_EQ(std::get<PipeHandler::Transmit>(actions.at(0)).message, message) << "not a copy: it keeps its id";
  EXPECT_THAT(at(10s - 1ns), IsEmpty());
  EXPECT_THAT(at(10s), IsEmpty()) << "failed, to be sent again after more than resend_interval";
  EXPECT_EQ(handler->deadline(), TimePoint{} + 12s + 1ns);
  EXPECT_THAT(at(12s), IsEmpty());
  EXPECT_THAT(at(13s), ElementsAre("transmit a"));
  handler->on_ack("a", Refusal{"full"}, now);
  handler->on_ack("a", Refusal{"full"}, now);  // a repeated refusal of one attempt
  EXPECT_THAT(at(15s), IsEmpty());
  EXPECT_THAT(at(16s), ElementsAre("transmit a"));
  EXPECT_THAT(at(25s), IsEmpty());
  EXPECT_THAT(at(26s), ElementsAre("sent a no: the peer did not acknowledge it within 10 s"));
  EXPECT_THAT(at(100s), IsEmpty());
}

// PH-12
TEST_F(Handler, TheReasonOfARefusalIsReported) {
  PipeHandler::Options options = quiet();
  options.max_resends = 0;
  make(options);
  send(request("a"));
  take();
  handler->on_ack("a", Refusal{"full"}, now);
  EXPECT_THAT(take(), ElementsAre("sent a no: full"));
}

// PH-12
TEST_F(Handler, OneAttemptWithoutAResendInterval) {
  PipeHandler::Options options = quiet();
  options.resend_interval = std::nullopt;
  options.max_resends = std::nullopt;
  make(options);
  send(request("a"));
  EXPECT_THAT(at(10s), ElementsAre("transmit a", HasSubstr("sent a no")));
}

// PH-12
TEST_F(Handler, NoLimitMeansNoLimit) {
  PipeHandler::Options options = quiet();
  options.max_resends = std::nullopt;
  make(options);
  send(request("a"));
  for (int attempt = 0; attempt < 1000; ++attempt) {
    EXPECT_THAT(take(), ElementsAre("transmit a"));
    handler->on_ack("a", Refusal{"full"}, now);
    now = *handler->deadline();
    handler->on_time(now);
  }
}

// PH-12
TEST_F(Handler, ALateAckIsAnAck) {
  send(request("a"));
  at(10s);
  handler->on_ack("a", std::nullopt, now);
  EXPECT_THAT(take(), ElementsAre("sent a yes"));
  handler->on_ack("a", std::nullopt, now);
  handler->on_ack("unknown", std::nullopt, now);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(Handler, WhatIsRefusedForGoodIsNotSentAgain) {
  send(request("a"));
  take();
  handler->on_ack("a", Refusal{"nobody asked for it", true}, now);
  const auto actions = handler->take_actions();
  ASSERT_THAT(actions, testing::SizeIs(1));
  EXPECT_EQ(text_of(actions[0]), "sent a no: nobody asked for it");
  EXPECT_TRUE(std::get<PipeHandler::Sent>(actions[0]).for_good);
  EXPECT_FALSE(handler->deadline());
}

TEST_F(Handler, ARefusalSaysWhetherItIsForGood) {
  EXPECT_EQ(handler->on_message(request("m"), now), PipeHandler::Received::kNew);
  handler->on_taken(request("m"), Refusal{"no", true}, now);
  const auto actions = handler->take_actions();
  EXPECT_TRUE(std::get<PipeHandler::TransmitAck>(actions.at(0)).refusal->for_good);
}

TEST_F(Handler, APeerIsHeardOutAfterThisProcessWasHeldUp) {
  PipeHandler::Options options;
  options.heartbeat_interval = 5s;
  options.heartbeat_timeout = 30s;
  make(options);
  start();
  now = TimePoint{} + 100s;  // frozen since the start
  handler->on_held_up(now);
  EXPECT_THAT(at(100s), Not(Contains(HasSubstr("_PEER_GONE_"))));
  EXPECT_THAT(at(106s), Contains(HasSubstr("_PEER_GONE_"))) << "one interval is all that it gets";
}

TEST_F(Handler, WhoeverIsHeldUpWaitsAsLongAsThePeerTakesToBeHeard) {
  PipeHandler::Options options;
  options.heartbeat_interval = 1s;
  options.peer_interval = 5s;
  options.heartbeat_timeout = 30s;
  make(options);
  start();
  now = TimePoint{} + 100s;
  handler->check_held_up(now - 100ms, now);
  EXPECT_THAT(at(100s), Contains(HasSubstr("_PEER_GONE_"))) << "a busy processor is no excuse";
  make(options);
  now = TimePoint{};
  start();
  now = TimePoint{} + 100s;
  handler->check_held_up(TimePoint{} + 1s, now);
  EXPECT_THAT(at(104s), Not(Contains(HasSubstr("_PEER_GONE_"))));
  EXPECT_THAT(at(106s), Contains(HasSubstr("_PEER_GONE_")));
}

// TX-01
TEST_F(Handler, SilenceCountsFromTheFirstSignOfAPeerThatMayNotBeThere) {
  PipeHandler::Options options;
  options.heartbeat_timeout = 30s;
  make(options);
  handler->start(now, false);
  EXPECT_THAT(at(0s), ElementsAre("heartbeat"));
  EXPECT_THAT(at(500s), ElementsAre("heartbeat"));
  handler->on_held_up(now);
  EXPECT_THAT(at(600s), ElementsAre("heartbeat"));
  handler->on_peer_activity(now);
  EXPECT_THAT(at(630s), ElementsAre("heartbeat"));
  EXPECT_THAT(at(631s), Contains(HasSubstr("_PEER_GONE_")));
}

TEST_F(Handler, HeartbeatsThatAreAskedForHaveAGap) {
  PipeHandler::Options options;
  options.heartbeat_interval = 5s;
  make(options);
  start();
  handler->beat_soon(now);
  EXPECT_THAT(at(100ms), IsEmpty());
  handler->beat_soon(now);
  EXPECT_THAT(at(200ms), ElementsAre("heartbeat"));
  EXPECT_THAT(at(5200ms), IsEmpty()) << "it takes the place of the next";
  EXPECT_THAT(at(5201ms), ElementsAre("heartbeat"));
}

TEST_F(Handler, TheTransportMindsTheTimeOfWhatItWasHanded) {
  PipeHandler::Options options = quiet();
  options.max_resends = 0;
  make(options);
  send(request("a"), 10s);
  take();
  handler->on_handed_over("a");
  EXPECT_FALSE(handler->deadline());
  EXPECT_THAT(at(1000s), IsEmpty());
  handler->on_ack("a", Refusal{"no answer"}, now);
  EXPECT_THAT(take(), ElementsAre("sent a no: no answer"));
}

TEST_F(Handler, WhatWasNotSentIsNoAttempt) {
  PipeHandler::Options options = quiet();
  options.max_resends = 0;
  options.resend_interval = 2s;
  make(options);
  send(request("a"), 10s);
  take();
  for (int i = 0; i < 5; ++i) {
    handler->on_handed_over("a");
    handler->on_not_sent("a", "no connection", now);
    EXPECT_THAT(at(now - TimePoint{} + 1s), IsEmpty());
    EXPECT_THAT(at(now - TimePoint{} + 1001ms), ElementsAre("transmit a"));
  }
  EXPECT_THAT(at(now - TimePoint{} + 10s), ElementsAre("sent a no: the peer did not acknowledge it within 10 s"))
      << "nobody has taken it for so long";
}

TEST_F(Handler, ACancelledMessageIsReportedOnce) {
  send(request("a"));
  take();
  handler->cancel("a", "nobody wants it");
  handler->cancel("a", "nobody wants it");
  handler->cancel("unknown", "nobody wants it");
  EXPECT_THAT(take(), ElementsAre("sent a no: nobody wants it"));
  EXPECT_FALSE(handler->deadline());
}

TEST_F(Handler, AConnectionThatIsBackCostsNoAttempt) {
  PipeHandler::Options options = quiet();
  options.max_resends = 0;
  make(options);
  start();
  send(request("a"));
  take();
  for (int second = 9; second < 900; second += 9) {
    now = TimePoint{} + std::chrono::seconds(second);
    handler->on_connected(now);
    EXPECT_THAT(take(), ElementsAre("transmit a", "heartbeat"));
    EXPECT_EQ(handler->deadline(), now + 10s) << "a whole timeout";
  }
  handler->on_ack("a", std::nullopt, now);
  EXPECT_THAT(take(), ElementsAre("sent a yes"));
}

TEST_F(Handler, AConnectionThatIsBackEndsTheWaitToSendAgain) {
  start();
  send(request("a"));
  send(request("b"));
  handler->on_ack("a", Refusal{"full"}, now);
  take();
  handler->on_connected(now);
  EXPECT_THAT(take(), ElementsAre("transmit a", "transmit b", "heartbeat"));
  EXPECT_THAT(at(9s), IsEmpty());
}

TEST_F(Handler, BeforeTheStartAConnectionHasNoHeartbeat) {
  handler->on_connected(now);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(Handler, AnAnswerAcknowledgesItsQuestion) {
  receive(request("q"));
  send(reply("r", "q"));
  EXPECT_THAT(take(), ElementsAre("transmit r"));
  handler->on_ack("r", std::nullopt, now);
  EXPECT_THAT(at(1s), ElementsAre("sent r yes"));

  send(request("question"));
  take();
  receive(reply("answer", "question"));
  EXPECT_THAT(take(), ElementsAre("sent question yes", "ack answer yes"));
}

TEST_F(Handler, ALoneAckFollowsWhenThereIsNoAnswer) {
  receive(request("q"));
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(handler->deadline(), now + 20ms);
  EXPECT_THAT(at(20ms), ElementsAre("ack q yes"));
  EXPECT_FALSE(handler->deadline());
}

TEST_F(Handler, WhatHasNoAnswerIsAcknowledgedAtOnce) {
  receive(request("m", topic::kMetric));
  receive(request("t", topic::kAbortTask));
  receive(reply("r", "q"));
  EXPECT_THAT(take(), ElementsAre("ack m yes", "ack t yes", "ack r yes"));
}

// W-22
TEST_F(Handler, RepeatsAreAcknowledgedAgainAndDropped) {
  EXPECT_EQ(receive(request("q")), PipeHandler::Received::kNew);
  EXPECT_EQ(receive(request("q")), PipeHandler::Received::kRepeated);
  EXPECT_THAT(take(), ElementsAre("ack q yes"));
  EXPECT_THAT(at(1s), IsEmpty()) << "the repeat was the answer to the one that was due";
  EXPECT_EQ(receive(request("q")), PipeHandler::Received::kRepeated);
  EXPECT_THAT(take(), ElementsAre("ack q yes"));
  handler->forget_received();
  EXPECT_EQ(receive(request("q")), PipeHandler::Received::kNew);
}

// W-22
TEST_F(Handler, WhatWasRefusedMayComeAgain) {
  EXPECT_EQ(receive(request("q"), "full"), PipeHandler::Received::kNew);
  EXPECT_THAT(take(), ElementsAre("ack q no: full"));
  EXPECT_EQ(receive(request("q")), PipeHandler::Received::kNew);
}

// W-22, W-26
TEST_F(Handler, RemembersTheLastIdsOnly) {
  Limits limits;
  limits.max_remembered_ids = 3;
  make(quiet(), limits);
  for (const char *id : {"a", "b", "c", "d"}) receive(request(id));
  for (const char *id : {"b", "c", "d"}) EXPECT_EQ(receive(request(id)), PipeHandler::Received::kRepeated) << id;
  EXPECT_EQ(receive(request("a")), PipeHandler::Received::kNew);
  EXPECT_EQ(receive(request("b")), PipeHandler::Received::kNew);
  handler->forget_received();
  for (const char *id : {"a", "b", "c"}) EXPECT_EQ(receive(request(id)), PipeHandler::Received::kNew) << id;
  for (const char *id : {"a", "b", "c"}) EXPECT_EQ(receive(request(id)), PipeHandler::Received::kRepeated) << id;
}

TEST_F(Handler, AnotherPeerIsOwedNoAcks) {
  receive(request("q"));
  handler->forget_received();
  EXPECT_THAT(at(1s), IsEmpty());
}

// PH-14, W-11
TEST_F(Handler, NothingFollowsAStop) {
  make({});
  start();
  receive(request("q"));
  send(request("a"));
  send(request("b"));
  handler->on_ack("a", std::nullopt, now);
  handler->stop("closed");
  EXPECT_THAT(take(), ElementsAre("sent a yes", "sent b no: closed"));
  EXPECT_TRUE(handler->stopped());
  EXPECT_FALSE(handler->deadline());

  handler->stop("again");
  handler->on_connected(now);
  handler->on_broken("send failed");
  handler->on_ack("b", std::nullopt, now);
  EXPECT_EQ(handler->on_message(request("e", topic::kEnd), now), PipeHandler::Received::kIgnored);
  EXPECT_EQ(handler->on_message(request("m"), now), PipeHandler::Received::kIgnored);
  handler->on_taken(request("m"), std::nullopt, now);
  EXPECT_THAT(at(1h), IsEmpty());
  send(request("c"));
  EXPECT_THAT(take(), ElementsAre("sent c no: closed")) << "every send has an outcome";
}

// W-11
TEST_F(Handler, AStopTakesBackAStatusThatNobodySaw) {
  start();
  send(request("a"));
  handler->on_broken("send failed");
  handler->stop("closed");
  EXPECT_THAT(take(), ElementsAre("sent a no: send failed"));
}

}  // namespace
}  // namespace flare
