#include "cellnet/sfm_session.h"

#include <gmock/gmock.h>

#include "base/failure.h"
#include "cellnet_samples.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

KeptFrame control_frame(uint8_t type, std::string payload = "\xc0") {
  KeptFrame frame;
  frame.prefix.type = type;
  frame.prefix.length = static_cast<uint32_t>(kPrefixBytes + payload.size());
  frame.payload = std::move(payload);
  return frame;
}

KeptFrame ready_frame(const std::string &name) {
  Map greeting;
  greeting.set("endpoint_name", name);
  return control_frame(frame_type::kReady, encode_map(greeting));
}

KeptFrame data_frame(const Map &headers) {
  KeptFrame frame = control_frame(frame_type::kData, "payload");
  frame.headers = encode_map(headers);
  return frame;
}

struct TestedSession {
  explicit TestedSession(const std::string &expected_peer = "")
      : machine(session_options(expected_peer), CellLimits()) {
    machine.on_connected(kStart);
    hello = take();
  }

  // What goes out, as frames.
  std::vector<KeptFrame> take() {
    std::string bytes;
    while (const auto frame = machine.take_frame(1234.5)) bytes += bytes_of(*frame);
    return parse_all(bytes);
  }
  SfmSession::Received receive(const KeptFrame &frame, TimePoint now = kStart) {
    return machine.on_frame(frame.frame(), now);
  }
  std::string complaint(const KeptFrame &frame) {
    const auto received = receive(frame);
    const auto *complaint = std::get_if<SfmSession::Complaint>(&received);
    return complaint ? complaint->text : "";
  }
  std::pair<flare_status, std::string> failure(const KeptFrame &frame) {
    try {
      receive(frame);
    } catch (const Failure &failure) {
      return {failure.status(), failure.what()};
    }
    return {FLARE_OK, ""};
  }

  SfmSession machine;
  std::vector<KeptFrame> hello;
};

TEST(CellnetSession, GreetsAndIsReadyWhenTheOtherAnswers) {
  TestedSession session;
  ASSERT_EQ(session.hello.size(), 1u);
  EXPECT_EQ(session.hello[0].prefix.type, frame_type::kHello);
  const Map greeting = decode_map(session.hello[0].payload, CellLimits());
  EXPECT_EQ(text_of(greeting, "endpoint_name"), kUs);
  EXPECT_EQ(text_of(greeting, "fqcn"), kUs);
  EXPECT_EQ(greeting.find("timestamp")->number(), 1234.5);
  EXPECT_FALSE(session.machine.ready());
  const auto received = session.receive(ready_frame(kServer));
  ASSERT_TRUE(std::holds_alternative<SfmSession::Ready>(received));
  EXPECT_EQ(session.machine.peer(), kServer);
}

TEST(CellnetSession, GreetsAgainOnAnotherConnection) {
  TestedSession session;
  session.receive(ready_frame(kServer));
  session.machine.encode({Map(), {}});
  session.machine.on_disconnected();
  EXPECT_FALSE(session.machine.ready());
  EXPECT_TRUE(session.take().empty());
  session.machine.on_connected(kStart);
  const auto again = session.take();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].prefix, session.hello[0].prefix);
}

TEST(CellnetSession, RefusesAnotherCellThanTheOneItShouldReach) {
  EXPECT_EQ(TestedSession(kServer).failure(ready_frame(kServer)).first, FLARE_OK);
  const auto [status, text] = TestedSession(kServer).failure(ready_frame("site-2"));
  EXPECT_EQ(status, FLARE_REFUSED);
  EXPECT_THAT(text, HasSubstr("'site-2' and should be 'server'"));
  EXPECT_EQ(TestedSession().failure(ready_frame(kUs)).first, FLARE_REFUSED);
}

TEST(CellnetSession, RefusesGreetingsThatAreNone) {
  EXPECT_EQ(TestedSession().failure(ready_frame("")).first, FLARE_PROTOCOL);
  EXPECT_EQ(TestedSession().failure(ready_frame(std::string(CellLimits().max_name + 1, 'n'))).first, FLARE_PROTOCOL);
  EXPECT_EQ(TestedSession().failure(ready_frame(std::string(CellLimits().max_name, 'n'))).first, FLARE_OK);
  EXPECT_EQ(TestedSession().failure(control_frame(frame_type::kReady)).first, FLARE_PROTOCOL);
  EXPECT_EQ(TestedSession().failure(control_frame(frame_type::kReady, "garbage")).first, FLARE_PROTOCOL);
  EXPECT_EQ(TestedSession().failure(control_frame(frame_type::kHello, ready_frame(kServer).payload)).first,
            FLARE_PROTOCOL);
  EXPECT_EQ(TestedSession().failure(data_frame(Map())).first, FLARE_PROTOCOL);
  const auto other_program = parse_all("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_THAT(TestedSession().failure(other_program.at(0)).second, HasSubstr("does not answer as a cell"));
}

TEST(CellnetSession, GoesOnAfterFramesThatAreOfNoUse) {
  TestedSession session;
  session.receive(ready_frame(kServer));
  EXPECT_THAT(session.complaint(control_frame(99)), HasSubstr("type 99"));
  EXPECT_THAT(session.complaint(control_frame(frame_type::kReady)), HasSubstr("second READY"));
  KeptFrame bad = data_frame(Map());
  bad.headers = "\x81\x01\x02";
  EXPECT_THAT(session.complaint(bad), HasSubstr("key that is not text"));
  KeptFrame skipped = data_frame(Map());
  skipped.skipped = true;
  EXPECT_THAT(session.complaint(skipped), HasSubstr("was skipped"));
  Map headers;
  headers.set("key", "value");
  const KeptFrame frame = data_frame(headers);  // what is received refers to it
  const auto received = session.receive(frame);
  const auto *message = std::get_if<CellMessage>(&received);
  ASSERT_TRUE(message);
  EXPECT_EQ(text_of(message->headers, "key"), "value");
  EXPECT_EQ(message->payload.text(), "payload");
}

TEST(CellnetSession, AnswersPingsButNoFloodOfThem) {
  TestedSession session;
  session.receive(ready_frame(kServer));
  session.receive(control_frame(frame_type::kPing));
  const auto pongs = session.take();
  ASSERT_EQ(pongs.size(), 1u);
  EXPECT_EQ(pongs[0].prefix.type, frame_type::kPong);
  EXPECT_EQ(pongs[0].payload, "\xc0");
  for (int i = 0; i < 1000; ++i) session.receive(control_frame(frame_type::kPing));
  EXPECT_EQ(session.take().size(), CellLimits().max_pongs);
}

TEST(CellnetSession, PingsASilentConnectionAndGivesADeadOneUp) {
  TestedSession session;
  session.receive(ready_frame(kServer));
  EXPECT_EQ(session.machine.deadline(), kStart + 60s);
  EXPECT_FALSE(session.machine.on_time(kStart + 59s));
  EXPECT_TRUE(session.take().empty());
  EXPECT_FALSE(session.machine.on_time(kStart + 60s));
  const auto pings = session.take();
  ASSERT_EQ(pings.size(), 1u);
  EXPECT_EQ(pings[0].prefix.type, frame_type::kPing);
  EXPECT_EQ(session.machine.deadline(), kStart + 120s);
  EXPECT_FALSE(session.machine.on_time(kStart + 120s));
  EXPECT_EQ(session.take().size(), 1u);
  EXPECT_THAT(session.machine.on_time(kStart + 180s).value(), HasSubstr("nothing came"));
  session.receive(control_frame(frame_type::kPong), kStart + 181s);
  EXPECT_FALSE(session.machine.on_time(kStart + 182s));
  EXPECT_EQ(session.machine.deadline(), kStart + 241s);
}

TEST(CellnetSession, DoesNotWaitForeverForReady) {
  TestedSession session;
  EXPECT_EQ(session.machine.deadline(), kStart + 10s);
  EXPECT_FALSE(session.machine.on_time(kStart + 9s));
  EXPECT_THAT(session.machine.on_time(kStart + 10s).value(), HasSubstr("nobody answered"));
}

TEST(CellnetSession, RefusesToSendHeadersThatNoFrameCanHave) {
  TestedSession session;
  Map headers;
  headers.set("k", std::string(70000, 'x'));
  EXPECT_THROW(session.machine.encode({headers, {}}), Failure);
}

}  // namespace
}  // namespace flare
