#include "trainer_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "log_tail.h"
#include "private_directory.h"

namespace flare_tool {
namespace {

using namespace std::chrono_literals;

class Trainer : public testing::Test {
 protected:
  std::unique_ptr<TrainerProcess> start(const std::string &command) const {
    return std::make_unique<TrainerProcess>(
        TrainerProcess::Start{command, {"data file", "2"}, {{"FLARE_AGENT_URL", "zmq+ipc:///x"}}, log()});
  }
  std::filesystem::path log() const { return folder_.path() / "log"; }
  std::string output() const {
    std::ostringstream text;
    text << std::ifstream(log()).rdbuf();
    return text.str();
  }

  PrivateDirectory folder_;
};

template <typename Condition>
bool comes_true(Condition condition) {
  for (const auto deadline = std::chrono::steady_clock::now() + 10s; !condition();) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

// Gone, or dead and only waiting for its parent to notice.
bool is_dead(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string id, name, state;
  return !(stat >> id >> name >> state) || state == "Z";
}

bool ends(TrainerProcess &trainer) {
  return comes_true([&] { return trainer.has_ended(); });
}

TEST_F(Trainer, GetsItsArgumentsAfterThoseOfTheCommand) {
  const auto trainer = start("printf '%s|'  'a  b' ");
  ASSERT_TRUE(ends(*trainer));
  EXPECT_TRUE(trainer->has_succeeded());
  EXPECT_EQ(output(), "a  b|data file|2|");
}

TEST_F(Trainer, FindsTheFederationInItsEnvironment) {
  ASSERT_TRUE(ends(*start("sh -c 'echo $FLARE_AGENT_URL; echo why >&2'")));
  EXPECT_EQ(output(), "zmq+ipc:///x\nwhy\n");
}

TEST_F(Trainer, SaysHowItEnded) {
  const auto failed = start("sh -c 'exit 3'");
  ASSERT_TRUE(ends(*failed));
  EXPECT_FALSE(failed->has_succeeded());
  EXPECT_EQ(failed->how_it_ended(), "exit status 3");
  const auto killed = start("sh -c 'kill -9 $$'");
  ASSERT_TRUE(ends(*killed));
  EXPECT_EQ(killed->how_it_ended(), "signal 9 (Killed)");
}

TEST_F(Trainer, ACommandThatDoesNotExistSaysSoInTheLog) {
  const auto trainer = start("/nowhere/trainer");
  ASSERT_TRUE(ends(*trainer));
  EXPECT_EQ(trainer->how_it_ended(), "exit status 127");
  EXPECT_THAT(log_tail(log(), 1), testing::HasSubstr("/nowhere/trainer"));
}

TEST_F(Trainer, SignalsReachTheWholeGroup) {
  const auto trainer = start("sh -c 'sleep 1000 & echo $!; wait'");
  ASSERT_TRUE(comes_true([&] { return !output().empty(); }));
  const pid_t grandchild = std::stoi(output());
  trainer->signal(SIGTERM);
  EXPECT_TRUE(ends(*trainer));
  EXPECT_TRUE(comes_true([&] { return is_dead(grandchild); }));
}

TEST_F(Trainer, WhatItLeavesBehindIsKilled) {
  const auto trainer = start("sh -c 'trap \"\" TERM; sleep 1000 & echo $!'");
  ASSERT_TRUE(ends(*trainer));
  const pid_t grandchild = std::stoi(output());
  EXPECT_TRUE(comes_true([&] { return is_dead(grandchild); }));
}

TEST_F(Trainer, EndsWithItsObject) {
  auto trainer = start("sh -c 'trap \"\" TERM; echo $$; sleep 1000'");
  ASSERT_TRUE(comes_true([&] { return !output().empty(); }));
  const pid_t pid = std::stoi(output());
  trainer.reset();
  EXPECT_TRUE(is_dead(pid));
}

TEST_F(Trainer, TheTailOfALogIsItsLastLines) {
  std::ofstream(log()) << "one\ntwo\nthree";
  EXPECT_EQ(log_tail(log(), 2), "\n    two\n    three");
  EXPECT_EQ(log_tail(folder_.path() / "none", 2), "");
}

}  // namespace
}  // namespace flare_tool
