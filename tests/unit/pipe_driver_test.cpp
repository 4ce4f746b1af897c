// What every pipe says of its messages, whatever its wire.
#include "pipe/pipe_driver.h"

#include <gmock/gmock.h>

#include <functional>

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// Says in lines what it is told.
class Lines : public PipeListener {
 public:
  void on_up(const PeerInfo &, bool) override {}
  void on_down(bool) override {}
  std::optional<Refusal> on_offered(const Message &, size_t) override { return std::nullopt; }
  void on_message(const MessagePtr &) override {}
  void on_message_lost(const MessagePtr &, flare_status, const std::string &) override {}
  void on_transaction(const std::string &id) override { lines.push_back("refers " + id); }
  void on_progress(const TransferEvent &) override {}
  void on_accepted(const std::string &id, bool accepted, const std::string &reason) override {
    lines.push_back((accepted ? "accepted " : "not accepted ") + id + " " + reason);
  }
  void on_settled(const std::string &id, flare_status status, const std::string &reason) override {
    lines.push_back("settled " + id + " " + flare_status_text(status) + " " + reason);
  }
  void on_words_left(bool) override {}
  void on_over(flare_status status, const std::string &) override {
    lines.push_back(std::string("over ") + flare_status_text(status));
  }

  std::vector<std::string> lines;
};

// Its wire keeps what it is given.
class TestedDriver : public PipeDriver {
 public:
  TestedDriver(Loop *loop, PipeListener *listener)
      : PipeDriver(handler_options(Settings()), Settings(), loop, Log("off", ""), listener) {}
  ~TestedDriver() override { PipeDriver::close("closed"); }

  using PipeDriver::conclude;
  using PipeDriver::finish;
  using PipeDriver::forget_sends;
  using PipeDriver::referring;
  using PipeDriver::send_own;
  void acknowledge(const std::string &id, const std::optional<Refusal> &refusal = std::nullopt) {
    handler_.on_ack(id, refusal, Clock::now());
    pump();
  }

  bool by_reference = false, knows_better = false;
  std::vector<std::string> kept, sent, withdrawn;

 private:
  LaidOut lay_out(const MessagePtr &message, const SendOptions &options) override {
    if (message->topic == "too large") throw std::bad_alloc();
    kept.push_back(message->id);
    return {by_reference, options.timeout};
  }
  void release(const std::string &id, const std::string &) override { std::erase(kept, id); }
  void transmit(const MessagePtr &message) override { sent.push_back(message->id); }
  void transmit_ack(const PipeHandler::TransmitAck &) override {}
  void transmit_heartbeat() override {}
  bool on_decided(const MessagePtr &, bool accepted, const std::string &) override { return accepted || knows_better; }
  void withdraw(const std::string &id, flare_status, const std::string &) override { withdrawn.push_back(id); }
  void end(flare_status, const std::string &) override {}
  void shut(const std::string &) override {}
  bool pump_transfers() override { return false; }
  std::optional<TimePoint> deadline() const override { return std::nullopt; }
};

class PipeDriverTest : public testing::Test {
 protected:
  ~PipeDriverTest() override {
    in_loop([&] { driver_.reset(); });
  }
  void in_loop(const std::function<void()> &work) { loop_.run_and_wait(work); }
  static MessagePtr message(const std::string &id, const std::string &topic = "train") {
    Message message;
    message.id = id;
    message.topic = topic;
    return std::make_shared<Message>(message);
  }
  // What the listener hears of it.
  std::vector<std::string> heard(const std::function<void(TestedDriver &)> &work) {
    in_loop([&] {
      if (!driver_) driver_ = std::make_unique<TestedDriver>(&loop_, &listener_);
      work(*driver_);
    });
    return std::exchange(listener_.lines, {});
  }

  Lines listener_;
  Loop loop_{"driver", [](std::exception_ptr) { ADD_FAILURE() << "an exception in the loop"; }};
  std::unique_ptr<TestedDriver> driver_;
};

TEST_F(PipeDriverTest, WhatRefersToNothingIsSettledWhenItIsAccepted) {
  EXPECT_THAT(heard([&](TestedDriver &driver) { driver.send(message("a"), {}); }), IsEmpty());
  EXPECT_THAT(driver_->sent, ElementsAre("a"));
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.acknowledge("a"); }),
              ElementsAre("accepted a ", "settled a ok "));
  EXPECT_THAT(driver_->kept, IsEmpty());
}

TEST_F(PipeDriverTest, WhatOthersFetchIsSettledWhenBothAreKnown) {
  heard([](TestedDriver &driver) { driver.by_reference = true; });
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.send(message("a"), {}); }), ElementsAre("refers a"));
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.acknowledge("a"); }), ElementsAre("accepted a "));
  EXPECT_THAT(heard([](TestedDriver &driver) { EXPECT_TRUE(driver.conclude("a", FLARE_OK, "")); }),
              ElementsAre("settled a ok "));
  heard([](TestedDriver &driver) { driver.send(message("b"), {}); });
  EXPECT_THAT(heard([](TestedDriver &driver) { EXPECT_FALSE(driver.conclude("b", FLARE_STALLED, "slow")); }),
              IsEmpty());
  EXPECT_THAT(driver_->referring(), ElementsAre("b"));
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.acknowledge("b"); }),
              ElementsAre("accepted b ", "settled b the transfer stalled slow"));
}

TEST_F(PipeDriverTest, WhatCannotBeSentIsRefused) {
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.send(message("a", "too large"), {}); }),
              ElementsAre("not accepted a not enough memory to send it",
                          "settled a out of memory not enough memory to send it"));
}

TEST_F(PipeDriverTest, WhatIsCancelledIsSettledOnceForThatReason) {
  heard([](TestedDriver &driver) { driver.send(message("a"), {}); });
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.cancel("a", FLARE_STOPPED, "enough"); }),
              ElementsAre("not accepted a enough", "settled a stopped enough"));
  EXPECT_THAT(driver_->withdrawn, ElementsAre("a"));
  heard([](TestedDriver &driver) {
    driver.by_reference = true;
    driver.send(message("b"), {});
    driver.acknowledge("b");
  });
  EXPECT_THAT(heard([](TestedDriver &driver) {
                driver.cancel("b", FLARE_STOPPED, "enough");
                driver.cancel("b", FLARE_STOPPED, "again");
              }),
              ElementsAre("settled b stopped enough"));
}

TEST_F(PipeDriverTest, TheWireMayKnowThatItWasTaken) {
  heard([](TestedDriver &driver) { driver.send(message("a"), {}); });
  EXPECT_THAT(heard([](TestedDriver &driver) {
                driver.knows_better = true;
                driver.acknowledge("a", Refusal{"no", true});
              }),
              ElementsAre("accepted a ", "settled a ok "));
}

TEST_F(PipeDriverTest, AllIsSettledBeforeTheEndIsSaidAndNothingIsSentAfterIt) {
  heard([](TestedDriver &driver) {
    driver.send(message("a"), {});
    driver.by_reference = true;
    driver.send(message("b"), {});
    driver.acknowledge("b");  // and the wire never says what became of the rest
  });
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.finish(FLARE_ABORTED, "why"); }),
              ElementsAre("not accepted a why", "settled a aborted why", "settled b aborted why", "over aborted"));
  EXPECT_THAT(heard([](TestedDriver &driver) {
                driver.send(message("c"), {});
                driver.finish(FLARE_ENDED, "again");
              }),
              ElementsAre("not accepted c why", "settled c aborted why"));
}

TEST_F(PipeDriverTest, WhatWasAcceptedMaySettleAfterAnEndInOrder) {
  heard([](TestedDriver &driver) {
    driver.by_reference = true;
    driver.send(message("a"), {});
    driver.acknowledge("a");
  });
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.finish(FLARE_ENDED, ""); }), ElementsAre("over the job ended"));
  EXPECT_THAT(heard([](TestedDriver &driver) { driver.conclude("a", FLARE_OK, ""); }), ElementsAre("settled a ok "));
}

TEST_F(PipeDriverTest, NobodyHearsOfItsOwnMessagesOrThoseOfAnotherPeer) {
  EXPECT_THAT(heard([](TestedDriver &driver) {
                driver.send_own(message("own"), 1s);
                driver.acknowledge("own");
                driver.send(message("old"), {});
                driver.forget_sends("the peer was replaced");
                driver.acknowledge("old");
              }),
              IsEmpty());
}

}  // namespace
}  // namespace flare
