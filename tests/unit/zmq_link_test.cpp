// The link over real sockets, as far as no pipe is needed to see what it does.
#include "pipe/zmq/zmq_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <mutex>
#include <vector>

namespace flare {
namespace {

using namespace std::chrono_literals;

// Writes down who sent a frame, and which connections came up.
class Listener : public LinkListener {
 public:
  void on_frame(const Connection &from, wire::Envelope, Bytes) override { note(&frames_, from); }
  size_t max_envelope_bytes(const Connection &) const override { return 1 << 20; }
  void on_bad_frame(const Connection &, const std::string &reason) override { ADD_FAILURE() << reason; }
  void on_connection(const Connection &connection, bool up) override {
    if (up) note(&ups_, connection);
  }

  void on_turned_away(const std::string &reason, bool) override { ADD_FAILURE() << reason; }

  std::vector<Connection> wait_frames(size_t count) { return wait(&frames_, count); }
  std::vector<Connection> wait_ups(size_t count) { return wait(&ups_, count); }

 private:
  void note(std::vector<Connection> *list, const Connection &connection) {
    std::lock_guard lock(mutex_);
    list->push_back(connection);
    changed_.notify_all();
  }
  std::vector<Connection> wait(std::vector<Connection> *list, size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [&] { return list->size() >= count; });
    return *list;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Connection> frames_, ups_;
};

// Both links, in loops of their own.
class ZmqLink : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(folder_), nullptr);
    settings_.limits.max_unsent = kMaxUnsent;
    const Address address = parse_address("zmq+ipc://" + std::string(folder_) + "/x.sock", false);
    exchanger_loop_.run_and_wait([&] {
      exchanger_ = make_zmq_exchanger_link(address, settings_, &exchanger_loop_);
      exchanger_->open(&exchanger_side_);
    });
    agent_loop_.run_and_wait([&] {
      agent_ = make_zmq_agent_link(address, settings_, &agent_loop_);
      agent_->open(&agent_side_);
    });
    ASSERT_EQ(agent_side_.wait_ups(2).size(), 2u);
  }
  void TearDown() override {
    agent_loop_.run_and_wait([&] { agent_.reset(); });
    exchanger_loop_.run_and_wait([&] { exchanger_.reset(); });
    std::filesystem::remove_all(folder_);
  }
  void send_to_exchanger() {
    agent_loop_.run_and_wait([&] { EXPECT_TRUE(agent_->send(kBulk, {0, wire::Heartbeat{}}, {}, false)); });
  }

  static constexpr int kMaxUnsent = 8;
  char folder_[32] = "/tmp/flare-unit-XXXXXX";
  Settings settings_;
  Listener agent_side_, exchanger_side_;
  Loop agent_loop_{"agent", [](std::exception_ptr) { std::abort(); }};
  Loop exchanger_loop_{"exchanger", [](std::exception_ptr) { std::abort(); }};
  std::unique_ptr<Link> agent_, exchanger_;
};

TEST_F(ZmqLink, ARenewedConnectionIsAnother) {
  send_to_exchanger();
  ASSERT_EQ(exchanger_side_.wait_frames(1).size(), 1u);
  agent_loop_.run_and_wait([&] { agent_->renew(kBulk); });
  const auto ups = agent_side_.wait_ups(3);
  ASSERT_EQ(ups.size(), 3u);
  EXPECT_EQ(ups.back(), kBulk);
  send_to_exchanger();
  const auto frames = exchanger_side_.wait_frames(2);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_NE(frames[0], frames[1]);
}

// What its peer does not read fills its own socket and ours, as many messages each, and the buffer of the system
// between.
TEST_F(ZmqLink, WhatIsNotReadDoesNotFillTheMemory) {
  send_to_exchanger();
  ASSERT_EQ(exchanger_side_.wait_frames(1).size(), 1u);
  const Connection agent = exchanger_side_.wait_frames(1).front();
  std::promise<void> enough;
  agent_loop_.post([said = enough.get_future().share()] { said.wait(); });  // it reads nothing
  Block block(1 << 20);
  std::memset(block.data(), 1, block.size());
  const Bytes payload = block.share();
  int taken = 0;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  bool refused = false;
  while (!refused && taken < 10 * kMaxUnsent && std::chrono::steady_clock::now() < deadline) {
    exchanger_loop_.run_and_wait([&] { refused = !exchanger_->send(agent, {0, wire::Heartbeat{}}, payload, false); });
    taken += refused ? 0 : 1;
  }
  enough.set_value();
  EXPECT_TRUE(refused) << taken << " were taken";
  EXPECT_GE(taken, kMaxUnsent);
}

}  // namespace
}  // namespace flare
