// An agent whose exchanger dies without a word and is followed by another.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/agent.h"
#include "frame_pipe_ends.h"
#include "pipe/memory/memory_link.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kLongWait = 10'000;

// An exchanger's pipe alone: it goes without saying that the job is over.
class Peer {
 public:
  explicit Peer(const Settings &settings) : loop_("peer", [](std::exception_ptr) { std::abort(); }) {
    loop_.run_and_wait([&] {
      const Address address = parse_address(settings.url, true);
      pipe_ = std::make_unique<FramePipe>(FramePipe::Role::kExchanger, settings,
                                          make_memory_exchanger_link(address, &loop_), &loop_, Log("off", "none"),
                                          &listener_);
    });
  }
  ~Peer() {
    loop_.run_and_wait([this] { pipe_.reset(); });
    loop_.stop();
  }

  void send(const MessagePtr &message) {
    loop_.run_and_wait([&] { pipe_->send(message, {}); });
  }

 private:
  FakeListener listener_;
  Loop loop_;
  std::unique_ptr<FramePipe> pipe_;
};

MessagePtr task(const std::string &id) {
  auto task = std::make_shared<Message>();
  task->topic = "other";
  task->id = id;
  task->data.headers.set(header::kTaskId, "task");
  task->data.headers.set(header::kReceiverIds, List{"site-1", "server"});
  return task;
}

Shareable tensor(size_t bytes) {
  Shareable content;
  content.kind = kind::kWeights;
  content.body.set("w", Tensor{FLARE_UINT8, {static_cast<int64_t>(bytes)}, Block(bytes).share()});
  return content;
}

class PeerReplaced : public testing::Test {
 protected:
  PeerReplaced() {
    resolved_.settings.url = "memory://peer-replaced-" + std::to_string(::getpid());
    resolved_.settings.log_level = "off";
    resolved_.settings.close_timeout = 100ms;
    resolved_.sources["url"] = "the test";
    peer_ = std::make_unique<Peer>(resolved_.settings);
    agent_ = Agent::open(resolved_);
  }
  void replace() {
    peer_.reset();
    peer_ = std::make_unique<Peer>(resolved_.settings);
  }

  Resolved resolved_;
  std::unique_ptr<Peer> peer_;
  std::shared_ptr<Agent> agent_;
};

// The new one takes the place of the old within the last grace of the stop, and nobody will send the result again.
TEST_F(PeerReplaced, AStoppedAgentWaitsForNoOther) {
  ASSERT_EQ(agent_->wait_connected(kLongWait).status, FLARE_OK);
  peer_->send(task("m"));
  std::shared_ptr<Task> task;
  ASSERT_EQ(agent_->next_task(kLongWait, &task).status, FLARE_OK);
  std::shared_ptr<Upload> upload;
  ASSERT_EQ(agent_->submit(*task, tensor(100'000), false, &upload).status, FLARE_OK);
  ASSERT_EQ(agent_->wait(*upload, FLARE_ACCEPTED, kLongWait).status, FLARE_OK);
  agent_->stop();
  replace();
  EXPECT_EQ(agent_->wait(*upload, FLARE_DELIVERED, kLongWait).status, FLARE_STOPPED);
  task.reset();
  agent_->close();
}

}  // namespace
}  // namespace flare
