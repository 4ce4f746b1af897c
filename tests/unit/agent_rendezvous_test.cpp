// Both ends in one process, which meet in a folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "agent/agent.h"
#include "base/failure.h"
#include "exchanger/exchanger.h"

namespace flare {
namespace {

using testing::HasSubstr;

class Meeting : public testing::Test {
 protected:
  Meeting() {
    std::string folder = testing::TempDir() + "meeting-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
  }
  ~Meeting() override {
    agent_.reset();
    std::filesystem::remove_all(folder_);
  }

  Options options() const {
    Options options;
    options.set("rendezvous_dir", folder_);
    options.set("heartbeat_interval", "0.1");
    options.set("close_timeout", "1");
    options.set("log_level", "off");
    return options;
  }
  std::shared_ptr<Exchanger> exchanger(const std::string &job, const std::string &transfer_type = "FULL") const {
    Options mine = options();
    mine.set("job_id", job);
    mine.set("params_transfer_type", transfer_type);
    return Exchanger::open(resolve(mine));
  }
  void open_agent(const std::string &connect_timeout) {
    Options mine = options();
    mine.set("connect_timeout", connect_timeout);
    agent_ = Agent::open(resolve(mine));
  }
  std::string info(const std::string &name) const {
    const char *text = agent_->info(name);
    return text ? text : "";
  }

  std::string folder_;
  std::shared_ptr<Agent> agent_;
};

TEST_F(Meeting, AnAgentSaysWhereItFoundItsExchanger) {
  const auto peer = exchanger("job-1");
  open_agent("20");
  ASSERT_EQ(agent_->wait_connected(20'000).status, FLARE_OK);
  EXPECT_EQ(info("job_id"), "job-1");
  EXPECT_EQ(info("url"), peer->url());
  EXPECT_EQ(info("url_source"), "rendezvous entry " + folder_ + "/agent/job-1.json");
}

TEST_F(Meeting, AnAgentWaitsForItsExchanger) {
  open_agent("20");
  EXPECT_EQ(agent_->wait_connected(10).status, FLARE_TIMEOUT);
  EXPECT_EQ(agent_->state(), FLARE_STATE_CONNECTING);
  EXPECT_EQ(info("url"), "");
  EXPECT_EQ(info("url_source"), "");
  const auto peer = exchanger("job-1");
  EXPECT_EQ(agent_->wait_connected(20'000).status, FLARE_OK);
}

TEST_F(Meeting, AJobThatIsOverIsNotMetAgain) {
  const auto ended = exchanger("job-1"), aborted = exchanger("job-2"), stopped = exchanger("job-3");
  ended->end("done");
  aborted->abort("nobody wants it");
  stopped->stop();
  open_agent("0.3");
  const Outcome outcome = agent_->wait_connected(20'000);
  EXPECT_EQ(outcome.status, FLARE_UNREACHABLE);
  EXPECT_THAT(outcome.reason, HasSubstr("no job for agent 'agent' came to the rendezvous " + folder_));
}

TEST_F(Meeting, AStopEndsTheSearch) {
  open_agent("none");
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    agent_->ask_to_stop();
  });
  EXPECT_EQ(agent_->wait_connected(-1).status, FLARE_STOPPED);
  stopper.join();
  const auto begin = std::chrono::steady_clock::now();
  agent_->close();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

TEST_F(Meeting, AnEntryThatIsOfNoUseIsPassedOver) {
  Settings settings = resolve(options()).settings;
  settings.job_id = "job-1";
  RendezvousEntry strange = RendezvousEntry::claim(&settings);
  Resolved resolved;
  strange.publish(resolved, {{"url", "zmq+tcp://198.51.100.1:5555"}});  // would need allow_insecure
  const auto peer = exchanger("job-2");
  open_agent("20");
  ASSERT_EQ(agent_->wait_connected(20'000).status, FLARE_OK);
  EXPECT_EQ(info("job_id"), "job-2");
}

TEST_F(Meeting, AFolderThatCannotBeUsedFailsTheOpen) {
  ::chmod(folder_.c_str(), 0777);
  EXPECT_THROW(open_agent("20"), Failure);
}

}  // namespace
}  // namespace flare
