// Real programs against a peer that is none of ours: other wire versions, hostile frames, an agent that oversteps.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include <filesystem>
#include <zmq.hpp>

#include "base/checksum.h"
#include "pipe/zmq/frames.h"
#include "pipe/zmq/sealed.h"
#include "program.h"

namespace flare_test {
namespace {

using flare::MessageKind;
namespace wire = flare::wire;

const std::map<std::string, std::string> kEnvironment = {{"FLARE_AGENT_TOKEN", "secret"},
                                                         {"FLARE_AGENT_CLOSE_TIMEOUT", "2"},
                                                         {"FLARE_AGENT_CONNECT_TIMEOUT", "20"},
                                                         {"FLARE_AGENT_LOG_LEVEL", "off"}};

std::map<std::string, std::string> environment(const std::string &url) {
  auto all = kEnvironment;
  all["FLARE_AGENT_URL"] = url;
  return all;
}

// A bare socket that says what it is told.
class Stranger {
 public:
  explicit Stranger(zmq::socket_type type) : socket_(context_, type) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvtimeo, 20'000);
  }
  void connect(const std::string &url) { socket_.connect(url.substr(4)); }  // without "zmq+"
  std::string bind() {
    socket_.bind("tcp://127.0.0.1:*");
    return "zmq+" + socket_.get(zmq::sockopt::last_endpoint);
  }
  void say_raw(const std::vector<std::string> &frames) {
    for (size_t i = 0; i < frames.size(); ++i) {
      socket_.send(zmq::buffer(frames[i]), i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  void say(const wire::Envelope &envelope, const std::string &to = "") {
    const flare::Bytes bytes = wire::seal(envelope);
    const std::string frame(reinterpret_cast<const char *>(bytes.data), bytes.size);
    say_raw(to.empty() ? std::vector{frame} : std::vector{to, frame});
  }
  void say(const wire::Envelope &envelope, const flare::Bytes &payload, const std::string &to) {
    say_raw({to, std::string(wire::seal(envelope).text()), std::string(payload.text())});
  }
  // Reads nothing more than one message ahead.
  void be_slow() { socket_.set(zmq::sockopt::rcvhwm, 1); }
  size_t count_left() {
    socket_.set(zmq::sockopt::rcvtimeo, 1000);
    size_t count = 0;
    for (zmq::message_t frame; socket_.recv(frame);) count += frame.more() ? 0u : 1u;
    return count;
  }
  std::optional<wire::Envelope> next(std::string *from = nullptr) {
    zmq::message_t frame;
    if (!socket_.recv(frame)) return std::nullopt;
    if (from) {
      *from = frame.to_string();
      if (!socket_.recv(frame)) return std::nullopt;
    }
    const wire::Envelope envelope = wire::unseal(frame.data(), frame.size(), {});
    while (frame.more() && socket_.recv(frame)) {
    }
    return envelope;
  }
  // The next with such a body; fails the test when none comes.
  template <typename Body>
  Body hear(std::string *from = nullptr) {
    for (auto envelope = next(from); envelope; envelope = next(from)) {
      if (const auto *body = std::get_if<Body>(&envelope->body)) return *body;
    }
    ADD_FAILURE() << "the peer does not say what it should";
    return {};
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

wire::Hello hello(uint16_t version = wire::kWireVersion) {
  wire::Hello hello;
  hello.min_version = hello.max_version = version;
  hello.instance = "stranger";
  hello.agent_id = "agent";
  hello.token = "secret";
  return hello;
}

class StrangerTest : public testing::Test {
 protected:
  // An exchanger with one task that a trainer still gets done, whatever happened before.
  void SetUp() override {
    exchanger_ = std::make_unique<Program>("process_exchanger", std::vector<std::string>{"1", "1000"},
                                           environment("zmq+tcp://127.0.0.1:*"));
    url_ = exchanger_->wait_line("zmq+");
    ASSERT_NE(url_, "") << exchanger_->output();
    stranger_.connect(url_);
  }
  void job_gets_done() {
    Program trainer("process_trainer", {}, environment(url_));
    EXPECT_EQ(exchanger_->wait_exit(), 0) << exchanger_->output() << trainer.output();
    EXPECT_EQ(trainer.wait_exit(), 0) << trainer.output();
  }
  void greet() {
    stranger_.say({0, hello()});
    epoch_ = stranger_.hear<wire::Welcome>().epoch;
  }

  std::unique_ptr<Program> exchanger_;
  std::string url_;
  Stranger stranger_{zmq::socket_type::dealer};
  uint64_t epoch_ = 0;
};

TEST_F(StrangerTest, AnAgentOfAnotherWireVersionIsRefused) {
  stranger_.say({0, hello(7)});
  const auto reject = stranger_.hear<wire::Reject>();
  EXPECT_EQ(reject.refusal, wire::Refusal::kVersion);
  EXPECT_NE(reject.reason.find("versions 7 to 7"), std::string::npos) << reject.reason;
  job_gets_done();
}

TEST(StrangeExchanger, OfAnotherWireVersionIsNamed) {
  Stranger stranger(zmq::socket_type::router);
  Program trainer("process_trainer", {}, environment(stranger.bind()));
  std::string from;
  stranger.hear<wire::Hello>(&from);
  stranger.say({0, wire::Reject{wire::Refusal::kVersion, "this exchanger speaks 9"}}, from);
  const std::string line = trainer.wait_line("error connect");
  EXPECT_NE(line.find("refused by the peer"), std::string::npos) << trainer.output();
  EXPECT_NE(line.find("this exchanger speaks 9"), std::string::npos) << trainer.output();
  EXPECT_EQ(trainer.wait_exit(), 1);
}

TEST_F(StrangerTest, FramesThatAreNoneHarmNobody) {
  const std::string megabyte(1u << 20, 'x');
  stranger_.say_raw({""});
  stranger_.say_raw({"no frame"});
  stranger_.say_raw({megabyte});
  stranger_.say_raw({"a", "b", "c"});
  for (uint64_t epoch : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {  // without a session
    stranger_.say({epoch, flare::ChunkRequest{"task-0", 0, ~uint64_t{0}, 1}});
    stranger_.say({epoch, wire::Settled{"task-0", true, "", ""}});
    stranger_.say({epoch, wire::Bye{"go away"}});
  }
  EXPECT_EQ(stranger_.hear<wire::Reject>().refusal, wire::Refusal::kUnknownSession);
  job_gets_done();
}

TEST_F(StrangerTest, AnEnvelopeBeyondAGreetingIsNotReadBeforeTheGreeting) {
  auto greeting = hello();
  greeting.library.assign(500'000, 'x');
  stranger_.say({0, greeting});
  greeting.library = "short";
  greeting.agent_id = "somebody else";
  stranger_.say({0, greeting});
  const auto answer = stranger_.next();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(std::holds_alternative<wire::Reject>(answer->body)) << "the first greeting was read";
  job_gets_done();
}

TEST_F(StrangerTest, AnAgentCannotEndTheJob) {
  greet();
  for (const std::string_view topic : {flare::topic::kEnd, flare::topic::kAbort, flare::topic::kPeerGone}) {
    auto message = std::make_shared<flare::Message>();
    message->kind = MessageKind::kRequest;
    message->topic = topic;
    message->id = "mine-" + message->topic;
    stranger_.say({epoch_, wire::Data{message, {}}});
    const auto ack = stranger_.hear<wire::Ack>();
    EXPECT_EQ(ack.id, message->id);
    EXPECT_FALSE(ack.accepted);
    EXPECT_TRUE(ack.for_good);
  }
  stranger_.say({epoch_, wire::Bye{"my turn is over"}});
  job_gets_done();
}

TEST_F(StrangerTest, AResultThatNobodyAskedForIsRefusedForGood) {
  greet();
  auto message = std::make_shared<flare::Message>();
  message->kind = MessageKind::kReply;
  message->topic = "train";
  message->id = "mine";
  message->request_id = "no such task";
  stranger_.say({epoch_, wire::Data{message, {}}});
  const auto ack = stranger_.hear<wire::Ack>();
  EXPECT_FALSE(ack.accepted);
  EXPECT_TRUE(ack.for_good) << ack.reason;
  stranger_.say({epoch_, wire::Bye{"my turn is over"}});
  job_gets_done();
}

// Each frame asks for an answer, and nobody takes them: they must not gather in the exchanger.
TEST(Stranger, WhoAsksWithoutEndAndDoesNotReadIsNotAnsweredWithoutEnd) {
  constexpr size_t kFrames = 30'000;
  char folder[] = "/tmp/flare-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  Program exchanger("process_exchanger", {"1", "1000"}, environment(std::string("zmq+ipc://") + folder + "/x.sock"));
  const std::string url = exchanger.wait_line("zmq+");
  ASSERT_NE(url, "") << exchanger.output();
  Stranger stranger(zmq::socket_type::dealer);
  stranger.be_slow();
  stranger.connect(url);
  const flare::Bytes frame = wire::seal({1, wire::Heartbeat{}});
  for (size_t i = 0; i < kFrames; ++i) stranger.say_raw({std::string(frame.text())});
  ::usleep(500'000);
  const size_t answers = stranger.count_left();
  EXPECT_GT(answers, 1u);
  EXPECT_LT(answers, kFrames / 2);
  Program trainer("process_trainer", {}, environment(url));
  EXPECT_EQ(exchanger.wait_exit(), 0) << exchanger.output();
  EXPECT_EQ(trainer.wait_exit(), 0) << trainer.output();
  std::filesystem::remove_all(folder);
}

// An exchanger that asks for a result again and again, each time as if for the first.
TEST(StrangeExchanger, ATaskAskedForWithoutEndHasOneResultUnderWay) {
  Stranger stranger(zmq::socket_type::router);
  Program trainer("process_trainer", {}, environment(stranger.bind()));
  std::string control;
  stranger.hear<wire::Hello>(&control);
  wire::Welcome welcome;
  welcome.epoch = 1;
  welcome.instance = "strange";
  stranger.say({0, welcome}, control);
  std::string bulk, from;
  stranger.hear<wire::Hello>(&bulk);
  welcome.lane = wire::Lane::kBulk;
  stranger.say({0, welcome}, bulk);

  const flare::Bytes values = flare::copy_bytes(std::string(200'000, '\0').data(), 200'000);
  const auto ask = [&](int number) {
    auto task = std::make_shared<flare::Message>();
    task->topic = "train";
    task->id = "message-" + std::to_string(number);
    task->data.headers.set("__task_id__", "task");
    task->data.headers.set("__task_name__", "train");
    task->data.kind = "WEIGHTS";
    task->data.body.set("w", flare::Tensor{FLARE_FLOAT32, {50'000}, values});
    wire::Data data;
    data.payload.sizes = {values.size};
    data.payload.slots = {{0, 0, values.size}};
    data.message = task;
    stranger.say({1, data}, control);
  };
  const auto serve = [&] {
    const auto request = stranger.hear<flare::ChunkRequest>(&from);
    ASSERT_EQ(request.length, values.size);
    stranger.say({1, wire::Chunk{request.transaction, 0, 0, flare::checksum(values.data, values.size)}}, values, bulk);
  };
  ask(0);
  serve();
  ASSERT_EQ(stranger.hear<wire::Data>(&from).message->request_id, "message-0");
  std::string last;
  for (int i = 1; i <= 100; ++i) {  // more than an owner has transactions
    ask(i);
    serve();
    const wire::Data again = stranger.hear<wire::Data>(&from);
    ASSERT_EQ(again.message->request_id, "message-" + std::to_string(i));
    last = again.message->id;
  }
  stranger.say({1, wire::Settled{last, true, "", ""}}, control);
  EXPECT_EQ(trainer.wait_line("delivered"), "delivered task") << trainer.output();
}

}  // namespace
}  // namespace flare_test
