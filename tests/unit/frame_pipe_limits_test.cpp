// What a peer of a FramePipe can make it keep: at each limit, and one beyond.
#include <gtest/gtest.h>

#include <future>

#include "base/checksum.h"
#include "frame_pipe_ends.h"

namespace flare {
namespace {

class PipeLimits : public testing::Test {
 protected:
  void SetUp() override {
    settings_.limits.max_transactions = 3;
    settings_.limits.max_words_left = 2;
    settings_.limits.max_envelope_bytes = 2000;
    settings_.limits.max_greeting_bytes = 1000;
    loop_.run_and_wait([this] {
      pipe_ = std::make_unique<FramePipe>(FramePipe::Role::kAgent, settings_, std::make_unique<FakeLink>(wire_), &loop_,
                                          Log("off", "none"), &listener_);
      wire_->listener->on_connection(kControl, true);
      wire_->listener->on_connection(kBulk, true);
    });
  }
  void TearDown() override {
    loop_.run_and_wait([this] { pipe_.reset(); });
  }

  void welcome() {
    wire::Welcome welcome;
    welcome.epoch = 1;
    welcome.instance = "exchanger";
    say(welcome);
    welcome.lane = wire::Lane::kBulk;
    say(welcome);
  }
  void say(wire::Body body, const Bytes &payload = {}) {
    std::promise<void> answered;  // acknowledgements are put off, and this behind them
    loop_.run_and_wait([&] {
      wire_->listener->on_frame(kControl, {1, body}, payload);
      loop_.put_off([&] { answered.set_value(); });
    });
    answered.get_future().wait();
  }
  // A task of one tensor that has to be fetched.
  void offer(const std::string &id) {
    auto message = std::make_shared<Message>();
    message->topic = "train";
    message->id = id;
    wire::Data data;
    data.message = message;
    data.payload.sizes = {100};
    data.payload.slots = {{0, 0, 100}};
    message->data.body.set("w", Tensor{FLARE_UINT8, {100}, {}});
    say(data);
  }
  // Whether the message was refused, and why; nullopt: no word of it.
  std::optional<wire::Ack> answer_to(const std::string &id) {
    std::optional<wire::Ack> answer;
    for (const auto &sent : wire_->sent) {
      const auto *ack = std::get_if<wire::Ack>(&sent.envelope.body);
      if (ack && ack->id == id) answer = *ack;
    }
    return answer;
  }

  Settings settings_;
  std::shared_ptr<FakeLink::Wire> wire_ = std::make_shared<FakeLink::Wire>();
  FakeListener listener_;
  Loop loop_{"test", [](std::exception_ptr) { ADD_FAILURE(); }};
  std::unique_ptr<FramePipe> pipe_;
};

TEST_F(PipeLimits, TransfersAtOnce) {
  welcome();
  for (const char *id : {"1", "2", "3"}) offer(id);
  EXPECT_FALSE(answer_to("3"));
  offer("4");
  ASSERT_TRUE(answer_to("4"));
  EXPECT_FALSE(answer_to("4")->accepted);
  EXPECT_FALSE(answer_to("4")->for_good) << "it may come again";
  EXPECT_NE(answer_to("4")->reason.find("too many transfers"), std::string::npos);
  say(wire::ChunkRefused{"1", FLARE_ABORTED, "never mind"});
  offer("4");
  EXPECT_EQ(listener_.under_ways, (std::vector<size_t>{0, 1, 2, 3, 2}));
  const Bytes bytes = copy_bytes(std::string(100, 'x').data(), 100);
  say(wire::Chunk{"4", 0, 0, checksum(bytes.data, bytes.size)}, bytes);
  ASSERT_EQ(listener_.messages.size(), 1u);
  EXPECT_EQ(listener_.messages[0]->id, "4");
}

TEST_F(PipeLimits, EndsOfTransfersThatNobodyAcknowledges) {
  welcome();
  for (const char *id : {"1", "2"}) {
    offer(id);
    say(wire::ChunkRefused{id, FLARE_ABORTED, "never mind"});
  }
  EXPECT_EQ(listener_.lost.size(), 2u);
  offer("3");
  ASSERT_TRUE(answer_to("3"));
  EXPECT_FALSE(answer_to("3")->accepted);
  EXPECT_NE(answer_to("3")->reason.find("not acknowledged"), std::string::npos);
  say(wire::Ack{"1", true, "", false});
  offer("3");
  say(wire::ChunkRefused{"3", FLARE_ABORTED, "never mind"});
  EXPECT_EQ(listener_.lost.size(), 3u);
}

TEST_F(PipeLimits, EnvelopesOfWhoIsNotAdmittedAreSmall) {
  EXPECT_EQ(wire_->listener->max_envelope_bytes(kControl), 1000u);
  welcome();
  EXPECT_EQ(wire_->listener->max_envelope_bytes(kControl), 2000u);
  EXPECT_EQ(wire_->listener->max_envelope_bytes(kBulk), 2000u);
  EXPECT_EQ(wire_->listener->max_envelope_bytes("another"), 1000u);
}

}  // namespace
}  // namespace flare
