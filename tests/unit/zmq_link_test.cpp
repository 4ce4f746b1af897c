// The link over real sockets, as far as no pipe is needed to see what it does.
#include "pipe/zmq/zmq_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
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

TEST(ZmqLink, ARenewedConnectionIsAnother) {
  char folder[] = "/tmp/flare-unit-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  Settings settings;
  const Address address = parse_address("zmq+ipc://" + std::string(folder) + "/x.sock", false);
  Listener agent_side, exchanger_side;
  Loop loop("links", [](std::exception_ptr) { std::abort(); });
  std::unique_ptr<Link> agent, exchanger;
  const auto in_loop = [&](const Loop::Work &work) { loop.run_and_wait(work); };
  in_loop([&] {
    exchanger = make_zmq_exchanger_link(address, settings, &loop);
    exchanger->open(&exchanger_side);
    agent = make_zmq_agent_link(address, settings, &loop);
    agent->open(&agent_side);
  });
  ASSERT_EQ(agent_side.wait_ups(2).size(), 2u);
  const auto send = [&] { EXPECT_TRUE(agent->send(kBulk, {0, wire::Heartbeat{}}, {}, false)); };
  in_loop(send);
  ASSERT_EQ(exchanger_side.wait_frames(1).size(), 1u);
  in_loop([&] { agent->renew(kBulk); });
  const auto ups = agent_side.wait_ups(3);
  ASSERT_EQ(ups.size(), 3u);
  EXPECT_EQ(ups.back(), kBulk);
  in_loop(send);
  const auto frames = exchanger_side.wait_frames(2);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_NE(frames[0], frames[1]);
  in_loop([&] {
    agent.reset();
    exchanger.reset();
  });
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace flare
