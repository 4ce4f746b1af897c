#include "pipe/zmq/session.h"

#include <gtest/gtest.h>

namespace flare {
namespace {

using namespace std::chrono_literals;

SessionIdentity identity(const std::string &instance) {
  return {instance, "agent", "site-1", "job", "secret", "0.1.0"};
}

template <typename T>
std::vector<T> actions_of(std::vector<Session::Action> actions) {
  std::vector<T> found;
  for (const auto &action : actions) {
    if (const T *match = std::get_if<T>(&action)) found.push_back(*match);
  }
  return found;
}

template <typename T>
const T &body_of(const Session::Send &send) {
  return std::get<T>(send.envelope.body);
}

class AgentSide : public testing::Test {
 protected:
  void connect(const std::string &exchanger, uint64_t epoch) {
    wire::Welcome welcome;
    welcome.epoch = epoch;
    welcome.instance = exchanger;
    session.on_frame(kControl, {0, welcome}, now);
  }
  void reject(wire::Refusal refusal, const Connection &from = kControl) {
    session.on_frame(from, {0, wire::Reject{refusal, "because"}}, now);
  }
  // What it does when nothing happens for so long.
  std::vector<Session::Action> wait(Duration duration) {
    session.take_actions();
    const TimePoint end = now + duration;
    while (session.deadline() && *session.deadline() <= end) {
      now = *session.deadline();
      session.on_time(now);
    }
    now = end;
    return session.take_actions();
  }
  TimePoint now{};
  AgentSession session{identity("a"), 10s, "zmq+ipc:///x", TimePoint{}};
};

TEST_F(AgentSide, GreetsWhenThereIsAConnectionAndAgainUntilWelcomed) {
  EXPECT_TRUE(session.take_actions().empty());
  session.on_connection(kControl, true, now);
  auto sends = actions_of<Session::Send>(session.take_actions());
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(body_of<wire::Hello>(sends[0]).token, "secret");
  now += 2s;
  session.on_time(now);
  EXPECT_EQ(actions_of<Session::Send>(session.take_actions()).size(), 1u);
  connect("x", 5);
  const auto ups = actions_of<Session::Up>(session.take_actions());
  ASSERT_EQ(ups.size(), 1u);
  EXPECT_FALSE(ups[0].new_peer);
  EXPECT_EQ(session.epoch(), 5u);
  now += 100s;
  session.on_time(now);
  EXPECT_TRUE(session.take_actions().empty()) << "connect_timeout is for the first welcome only";
}

// The link sees a connection that was lost and is back at once as one that never was away.
TEST_F(AgentSide, GreetsAgainWhereAFrameCouldNotBeSent) {
  session.on_connection(kControl, true, now);
  session.on_connection(kBulk, true, now);
  connect("x", 5);
  wire::Welcome bulk;
  bulk.lane = wire::Lane::kBulk;
  bulk.epoch = 5;
  session.on_frame(kBulk, {0, bulk}, now);
  session.take_actions();
  for (const Connection &connection : {kBulk, kControl}) {
    now += 10s;
    session.on_unreachable(connection, now);
    EXPECT_TRUE(actions_of<Session::Send>(session.take_actions()).empty());
    ASSERT_EQ(session.deadline(), now + 1s) << connection;
    now += 1s;
    session.on_time(now);
    const auto sends = actions_of<Session::Send>(session.take_actions());
    ASSERT_EQ(sends.size(), 1u);
    EXPECT_EQ(sends[0].to, connection);
  }
}

TEST_F(AgentSide, GivesUpAfterTheConnectTimeout) {
  EXPECT_EQ(session.deadline(), now + 10s);
  session.on_time(now + 10s);
  const auto overs = actions_of<Session::Over>(session.take_actions());
  ASSERT_EQ(overs.size(), 1u);
  EXPECT_EQ(overs[0].status, FLARE_UNREACHABLE);
  EXPECT_NE(overs[0].reason.find("zmq+ipc:///x"), std::string::npos);
  EXPECT_FALSE(session.deadline());
}

TEST_F(AgentSide, IsRefusedWhenItWasTurnedAwayForGood) {
  session.on_turned_away("its key is not admitted", true);
  const auto overs = actions_of<Session::Over>(session.take_actions());
  ASSERT_EQ(overs.size(), 1u);
  EXPECT_EQ(overs[0].status, FLARE_REFUSED);
  EXPECT_NE(overs[0].reason.find("refused agent 'agent': its key is not admitted"), std::string::npos);
}

TEST_F(AgentSide, TellsAtTheEndWhatStoodInTheWay) {
  session.on_turned_away("cut off", false);
  EXPECT_TRUE(session.take_actions().empty());
  const auto overs = actions_of<Session::Over>(wait(10s));
  ASSERT_EQ(overs.size(), 1u);
  EXPECT_EQ(overs[0].status, FLARE_UNREACHABLE);
  EXPECT_NE(overs[0].reason.find("connect_timeout = 10 s: cut off"), std::string::npos) << overs[0].reason;
}

TEST_F(AgentSide, ForgetsWhatStoodInTheWayOnceThereIsAConnection) {
  session.on_turned_away("cut off", false);
  session.on_connection(kControl, true, now);
  session.on_connection(kControl, false, now);
  const auto overs = actions_of<Session::Over>(wait(10s));
  ASSERT_EQ(overs.size(), 1u);
  EXPECT_EQ(overs[0].reason.find("cut off"), std::string::npos) << overs[0].reason;
}

TEST_F(AgentSide, FramesOfAnotherEpochAreRefused) {
  session.on_connection(kControl, true, now);
  connect("x", 5);
  EXPECT_TRUE(session.on_frame(kControl, {5, wire::Heartbeat{}}, now));
  EXPECT_FALSE(session.on_frame(kControl, {4, wire::Heartbeat{}}, now));
  EXPECT_EQ(session.refused(), 1);
}

TEST_F(AgentSide, ALostConnectionIsDownAndUpAgain) {
  session.on_connection(kControl, true, now);
  connect("x", 5);
  session.take_actions();
  session.on_connection(kControl, false, now);
  EXPECT_EQ(actions_of<Session::Down>(session.take_actions()).size(), 1u);
  EXPECT_TRUE(session.control().empty());
  session.on_connection(kControl, true, now);
  connect("x", 6);
  const auto ups = actions_of<Session::Up>(session.take_actions());
  ASSERT_EQ(ups.size(), 1u);
  EXPECT_FALSE(ups[0].new_peer);
}

TEST_F(AgentSide, AnExchangerThatForgotUsIsGreetedAgain) {
  session.on_connection(kControl, true, now);
  connect("x", 5);
  session.take_actions();
  reject(wire::Refusal::kUnknownSession);
  auto actions = session.take_actions();
  EXPECT_EQ(actions_of<Session::Down>(actions).size(), 1u);
  EXPECT_EQ(actions_of<Session::Send>(actions).size(), 1u);
  connect("y", 1);
  const auto ups = actions_of<Session::Up>(session.take_actions());
  ASSERT_EQ(ups.size(), 1u);
  EXPECT_TRUE(ups[0].new_peer);
}

TEST_F(AgentSide, ARefusedGreetingOfTheBulkConnectionIsNotRepeatedAtOnce) {
  session.on_connection(kControl, true, now);
  session.on_connection(kBulk, true, now);
  connect("x", 5);
  session.take_actions();
  for (int i = 0; i < 3; ++i) reject(wire::Refusal::kUnknownSession, kBulk);  // repeated on its way
  EXPECT_TRUE(session.take_actions().empty());
  ASSERT_EQ(session.deadline(), now + 1s);
  now += 1s;
  session.on_time(now);
  EXPECT_EQ(actions_of<Session::Send>(session.take_actions()).size(), 1u);
  wire::Welcome bulk;
  bulk.lane = wire::Lane::kBulk;
  bulk.epoch = 5;
  session.on_frame(kBulk, {0, bulk}, now);
  session.take_actions();
  for (int i = 0; i < 3; ++i) reject(wire::Refusal::kUnknownSession, kBulk);  // of frames of before
  EXPECT_EQ(actions_of<Session::Send>(session.take_actions()).size(), 1u) << "but one that was lost is greeted at once";
}

TEST_F(AgentSide, AConnectionOnWhichNoGreetingIsAnsweredIsMadeAnewAndHasLonger) {
  session.on_connection(kControl, true, now);
  connect("x", 5);
  reject(wire::Refusal::kUnknownSession);
  for (Duration patience = 10s; patience < 100s; patience *= 2) {
    EXPECT_TRUE(actions_of<Session::Renew>(wait(patience - 1s)).empty());
    const auto renewed = actions_of<Session::Renew>(wait(1s));
    ASSERT_EQ(renewed.size(), 1u);
    EXPECT_EQ(renewed[0].connection, kControl);
    EXPECT_TRUE(wait(1000s).empty()) << "the link says when it is there";
    session.on_connection(kControl, true, now);
  }
  connect("x", 6);
  EXPECT_TRUE(wait(1000s).empty());
}

// ---- A bulk connection that is up and carries nothing

class WithTransfers : public AgentSide {
 protected:
  WithTransfers() {
    session.on_connection(kControl, true, now);
    session.on_connection(kBulk, true, now);
    connect("x", 5);
    welcome_bulk();
    session.want_bulk(true, now);
    session.take_actions();
  }
  void welcome_bulk() {
    wire::Welcome bulk;
    bulk.lane = wire::Lane::kBulk;
    bulk.epoch = 5;
    session.on_frame(kBulk, {0, bulk}, now);
  }
};

TEST_F(WithTransfers, IsAskedWithAGreetingAndThenMadeAnew) {
  EXPECT_TRUE(wait(9s).empty());
  const auto asked = actions_of<Session::Send>(wait(1s));
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].to, kBulk);
  EXPECT_EQ(body_of<wire::Hello>(asked[0]).lane, wire::Lane::kBulk);
  EXPECT_EQ(session.bulk(), kBulk) << "it may be slow only";
  EXPECT_EQ(actions_of<Session::Renew>(wait(10s)).size(), 1u);
  EXPECT_TRUE(session.bulk().empty());
  EXPECT_TRUE(wait(1000s).empty()) << "the link says when it is there";
  session.on_connection(kBulk, true, now);
  EXPECT_EQ(actions_of<Session::Send>(session.take_actions()).size(), 1u);
}

TEST_F(WithTransfers, AnAnswerIsEnough) {
  for (int i = 0; i < 5; ++i) {
    const auto actions = wait(10s);
    EXPECT_EQ(actions_of<Session::Send>(actions).size(), 1u);
    welcome_bulk();
    EXPECT_TRUE(session.take_actions().empty()) << "it is no other connection";
  }
}

TEST_F(WithTransfers, SoAreChunksAndProgressButNotWhatOnlyOneSideSays) {
  for (const wire::Body &body : {wire::Body(wire::Chunk()), wire::Body(wire::Progress())}) {
    now += 9s;
    EXPECT_TRUE(session.on_frame(kBulk, {5, body}, now));
    EXPECT_EQ(session.deadline(), now + 18s) << "twice the pause that there was";
  }
  const auto deadline = session.deadline();
  now += 9s;
  EXPECT_TRUE(session.on_frame(kBulk, {5, ChunkRequest()}, now));
  EXPECT_TRUE(session.on_frame(kControl, {5, wire::Heartbeat{}}, now));
  EXPECT_EQ(session.deadline(), deadline);
}

TEST_F(WithTransfers, EachTimeItIsMadeAnewItHasLonger) {
  for (Duration patience = 10s; patience < 100s; patience *= 2) {
    EXPECT_TRUE(actions_of<Session::Renew>(wait(2 * patience - 1s)).empty());
    EXPECT_EQ(actions_of<Session::Renew>(wait(1s)).size(), 1u);
    session.on_connection(kBulk, true, now);
    welcome_bulk();
  }
}

TEST_F(WithTransfers, AGreetingThatIsNeverAnsweredEndsSoToo) {
  session.on_connection(kBulk, false, now);
  session.on_connection(kBulk, true, now);
  EXPECT_EQ(actions_of<Session::Renew>(wait(20s)).size(), 1u);
}

TEST_F(WithTransfers, WithoutAnyItIsLeftAlone) {
  session.want_bulk(false, now);
  EXPECT_TRUE(wait(1000s).empty());
}

TEST_F(AgentSide, RefusalsAreFinalAndSayWhy) {
  session.on_connection(kControl, true, now);
  reject(wire::Refusal::kVersion);
  const auto overs = actions_of<Session::Over>(session.take_actions());
  ASSERT_EQ(overs.size(), 1u);
  EXPECT_EQ(overs[0].status, FLARE_REFUSED);
  EXPECT_NE(overs[0].reason.find("because"), std::string::npos);
  session.on_connection(kControl, true, now);
  EXPECT_TRUE(session.take_actions().empty());
}

TEST_F(AgentSide, AJobThatIsOverIsTheEnd) {
  session.on_connection(kControl, true, now);
  reject(wire::Refusal::kOver);
  EXPECT_EQ(actions_of<Session::Over>(session.take_actions()).at(0).status, FLARE_ENDED);
}

TEST_F(AgentSide, AVersionThatWasNotOfferedIsRefused) {
  session.on_connection(kControl, true, now);
  wire::Welcome welcome;
  welcome.version = wire::kWireVersion + 1;
  session.on_frame(kControl, {0, welcome}, now);
  EXPECT_EQ(actions_of<Session::Over>(session.take_actions()).at(0).status, FLARE_PROTOCOL);
}

TEST_F(AgentSide, TheBulkConnectionBelongsToTheEpoch) {
  session.on_connection(kBulk, true, now);
  session.on_connection(kControl, true, now);
  session.take_actions();
  connect("x", 5);
  const auto sends = actions_of<Session::Send>(session.take_actions());
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(sends[0].to, kBulk);
  EXPECT_EQ(body_of<wire::Hello>(sends[0]).epoch, 5u);
  EXPECT_TRUE(session.bulk().empty());
  wire::Welcome welcome;
  welcome.lane = wire::Lane::kBulk;
  welcome.epoch = 4;
  session.on_frame(kBulk, {0, welcome}, now);
  EXPECT_TRUE(session.bulk().empty()) << "of an old epoch";
  welcome.epoch = 5;
  session.on_frame(kBulk, {0, welcome}, now);
  EXPECT_EQ(session.bulk(), kBulk);
  EXPECT_EQ(actions_of<Session::BulkUp>(session.take_actions()).size(), 1u);
}

class ExchangerSide : public testing::Test {
 protected:
  static wire::Hello hello(const std::string &instance) {
    wire::Hello hello;
    hello.instance = instance;
    hello.agent_id = "agent";
    hello.token = "secret";
    return hello;
  }
  // The refusal of this greeting, or nullopt when it was welcomed.
  std::optional<wire::Refusal> greet(const Connection &from, const wire::Hello &hello) {
    session.on_frame(from, {0, hello}, {});
    actions = session.take_actions();
    const auto sends = actions_of<Session::Send>(actions);
    if (sends.size() != 1 || sends[0].to != from) ADD_FAILURE() << "one answer to the one who greeted";
    if (std::holds_alternative<wire::Welcome>(sends[0].envelope.body)) return std::nullopt;
    return body_of<wire::Reject>(sends[0]).refusal;
  }
  bool first_is_there = true;
  std::vector<Session::Action> actions;
  ExchangerSession session{identity("x"), [this](const Connection &) { return first_is_there; }};
};

TEST_F(ExchangerSide, AdmitsOneAgent) {
  EXPECT_EQ(greet("1", hello("a")), std::nullopt);
  EXPECT_EQ(actions_of<Session::Up>(actions).size(), 1u);
  EXPECT_EQ(greet("2", hello("b")), wire::Refusal::kNameTaken);
  first_is_there = false;
  EXPECT_EQ(greet("2", hello("b")), std::nullopt);
  EXPECT_EQ(actions_of<Session::Down>(actions).size(), 1u);
  EXPECT_TRUE(actions_of<Session::Up>(actions).at(0).new_peer);
}

TEST_F(ExchangerSide, ARepeatedGreetingIsWelcomedWithTheSameEpoch) {
  greet("1", hello("a"));
  const uint64_t epoch = session.epoch();
  EXPECT_EQ(greet("1", hello("a")), std::nullopt);
  EXPECT_EQ(session.epoch(), epoch);
  EXPECT_TRUE(actions_of<Session::Up>(actions).empty());
}

TEST_F(ExchangerSide, AReconnectIsANewEpochOfTheSamePeer) {
  greet("1", hello("a"));
  const uint64_t epoch = session.epoch();
  EXPECT_EQ(greet("2", hello("a")), std::nullopt);
  EXPECT_GT(session.epoch(), epoch);
  EXPECT_FALSE(actions_of<Session::Up>(actions).at(0).new_peer);
  EXPECT_FALSE(session.on_frame("1", {epoch, wire::Heartbeat{}}, {})) << "the old connection is nobody's";
}

TEST_F(ExchangerSide, RefusesStrangers) {
  auto other = hello("a");
  other.token = "guess";
  EXPECT_EQ(greet("1", other), wire::Refusal::kToken);
  other = hello("a");
  other.agent_id = "someone";
  EXPECT_EQ(greet("1", other), wire::Refusal::kAgentId);
  other = hello("");
  EXPECT_EQ(greet("1", other), wire::Refusal::kAgentId);
  other = hello("a");
  other.min_version = other.max_version = wire::kWireVersion + 1;
  EXPECT_EQ(greet("1", other), wire::Refusal::kVersion);
  EXPECT_EQ(session.refused(), 4);
  other.min_version = 0;
  EXPECT_EQ(greet("1", other), std::nullopt) << "ranges that overlap";
}

TEST_F(ExchangerSide, FramesWithoutASessionAreRefusedByName) {
  EXPECT_FALSE(session.on_frame("1", {1, wire::Heartbeat{}}, {}));
  const auto sends = actions_of<Session::Send>(session.take_actions());
  EXPECT_EQ(body_of<wire::Reject>(sends.at(0)).refusal, wire::Refusal::kUnknownSession);
  greet("1", hello("a"));
  EXPECT_TRUE(session.on_frame("1", {session.epoch(), wire::Heartbeat{}}, {}));
  EXPECT_FALSE(session.on_frame("1", {session.epoch() + 1, wire::Heartbeat{}}, {}));
  EXPECT_FALSE(session.on_frame("2", {session.epoch(), wire::Heartbeat{}}, {}));
}

TEST_F(ExchangerSide, TheBulkConnectionNeedsTheSession) {
  auto bulk = hello("a");
  bulk.lane = wire::Lane::kBulk;
  EXPECT_EQ(greet("9", bulk), wire::Refusal::kUnknownSession);
  greet("1", hello("a"));
  bulk.epoch = session.epoch() + 1;
  EXPECT_EQ(greet("9", bulk), wire::Refusal::kUnknownSession);
  bulk.epoch = session.epoch();
  EXPECT_EQ(greet("9", bulk), std::nullopt);
  EXPECT_EQ(session.bulk(), "9");
}

TEST_F(ExchangerSide, AfterTheEndOnlyTheOneThatWasThereComesBack) {
  greet("1", hello("a"));
  session.close_doors("done");
  EXPECT_EQ(greet("2", hello("a")), std::nullopt);
  first_is_there = false;
  EXPECT_EQ(greet("3", hello("b")), wire::Refusal::kOver);
}

TEST_F(ExchangerSide, AnAgentThatSaysByeLeavesItsPlace) {
  greet("1", hello("a"));
  EXPECT_TRUE(session.on_frame("1", {session.epoch(), wire::Bye{}}, {}));
  EXPECT_EQ(actions_of<Session::Down>(session.take_actions()).size(), 1u);
  EXPECT_EQ(greet("2", hello("b")), std::nullopt);
}

}  // namespace
}  // namespace flare
