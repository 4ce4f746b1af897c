// Real processes over real sockets: what happens when one of them dies, freezes, comes back or does not belong.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "process_test.h"
#include "program.h"

namespace flare_test {
namespace {

using std::chrono::milliseconds;

class Session : public ProcessTest {
 protected:
  void SetUp() override {
    ProcessTest::SetUp();
    environment_["FLARE_AGENT_URL"] = listen_url();
    environment_["FLARE_AGENT_CLOSE_TIMEOUT"] = "2";
  }

  // Starts an exchanger; trainers started later find it, and a second one takes the place of the first.
  std::unique_ptr<Program> exchanger(const std::vector<std::string> &arguments, const Environment &more = {}) {
    auto program = std::make_unique<Program>("process_exchanger", arguments, with(more));
    environment_["FLARE_AGENT_URL"] = program->wait_line("zmq+");
    EXPECT_NE(environment_["FLARE_AGENT_URL"], "") << program->output();
    return program;
  }
  std::unique_ptr<Program> trainer(const std::vector<std::string> &arguments = {}, const Environment &more = {}) {
    return std::make_unique<Program>("process_trainer", arguments, with(more));
  }
};

TEST_P(Session, AJobRunsToItsEnd) {
  const auto peer = exchanger({"5", "1000000"});
  const auto program = trainer();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
  EXPECT_NE(program->output().find("\nover "), std::string::npos) << program->output();
  EXPECT_NE(peer->output().find("reply task-4"), std::string::npos) << peer->output();
}

// Over ipc only: a port is not known before it is bound.
class IpcSession : public Session {};

TEST_P(IpcSession, TheTrainerMayStartFirst) {
  const auto program = trainer();
  ::usleep(300'000);
  const auto peer = exchanger({"1", "10"});
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
}

TEST_P(Session, ATaskOfAKilledTrainerGoesToTheNext) {
  const auto peer = exchanger({"2", "1000000"});
  auto first = trainer({"--wait-line"});
  ASSERT_EQ(first->wait_line("task "), "task task-0 attempt 1") << first->output();
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait_exit(), 128 + SIGKILL);
  const auto second = trainer();
  EXPECT_EQ(second->wait_line("task "), "task task-0 attempt 2") << second->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(second->wait_exit(), 0) << second->output();
}

TEST_P(Session, AResultOutlivesAKilledExchanger) {
  auto first = exchanger({"1", "1000000"});
  const auto program = trainer({"--wait-line"});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait_exit(), 128 + SIGKILL);
  program->write_line("submit");  // while nobody is there
  ::usleep(200'000);
  const auto second = exchanger({"1", "1000000"});  // the same task again
  EXPECT_EQ(second->wait_line("reply"), "reply task-0") << second->output() << program->output();
  EXPECT_EQ(second->wait_exit(), 0) << second->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
  EXPECT_EQ(program->output().find("attempt"), program->output().rfind("attempt")) << "it was computed twice";
}

TEST_P(Session, AnExchangerThatCameBackAndAsksForTheTaskInHandGetsItsResult) {
  auto first = exchanger({"1", "1000"});
  const auto program = trainer({"--wait-line"});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait_exit(), 128 + SIGKILL);
  const auto second = exchanger({"1", "1000"});
  ::usleep(1'000'000);  // it has asked
  program->write_line("submit");
  EXPECT_EQ(second->wait_line("reply", milliseconds(10000)), "reply task-0") << second->output() << program->output();
  EXPECT_EQ(program->wait_line("delivered"), "delivered task-0") << program->output();
  EXPECT_EQ(program->output().find("attempt"), program->output().rfind("attempt")) << "it was computed twice";
}

TEST_P(Session, AKilledExchangerThatDoesNotComeBackIsNoticed) {
  auto peer = exchanger({"1", "10"});
  const auto program = trainer({"--wait-line"}, {{"FLARE_AGENT_HEARTBEAT_TIMEOUT", "1"}});
  ASSERT_NE(program->wait_line("task "), "");
  peer->signal(SIGKILL);
  ::usleep(1'500'000);
  program->write_line("submit");
  const std::string line = program->wait_line("error submit");
  EXPECT_NE(line.find("the peer is gone"), std::string::npos) << program->output();
  EXPECT_EQ(program->wait_exit(), 1);
}

TEST_P(Session, AFrozenPeerIsGoneAfterTheHeartbeatTimeout) {
  const auto peer = exchanger({"1", "10"});
  const auto program = trainer({"--hold", "20000"}, {{"FLARE_AGENT_HEARTBEAT_TIMEOUT", "1"}});
  ASSERT_NE(program->wait_line("task "), "");
  peer->signal(SIGSTOP);
  const std::string line = program->wait_line("error submit", milliseconds(10000));
  EXPECT_NE(line.find("the peer is gone"), std::string::npos) << program->output();
  peer->signal(SIGCONT);
}

TEST_P(Session, AFrozenTrainerIsGoneAfterTheHeartbeatTimeout) {
  const auto peer = exchanger({"1", "10"}, {{"FLARE_AGENT_HEARTBEAT_TIMEOUT", "1"}});
  const auto program = trainer({"--wait-line"});
  ASSERT_NE(program->wait_line("task "), "");
  program->signal(SIGSTOP);
  const std::string line = peer->wait_line("error task-0", milliseconds(10000));
  EXPECT_NE(line.find("the peer is gone"), std::string::npos) << peer->output();
  program->signal(SIGCONT);
}

TEST_P(Session, AShortFreezeHurtsNobody) {
  const auto peer = exchanger({"2", "1000000"});
  const auto program = trainer({"--hold", "300"});
  ASSERT_NE(program->wait_line("task "), "");
  peer->signal(SIGSTOP);
  ::usleep(700'000);
  peer->signal(SIGCONT);
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
}

TEST_P(Session, ATrainerThatWasFrozenDoesNotTakeItsPeerForGone) {
  const auto peer = exchanger({"1", "1000"});
  const auto program = trainer({"--wait-line"}, {{"FLARE_AGENT_HEARTBEAT_TIMEOUT", "1"}});
  ASSERT_NE(program->wait_line("task "), "");
  program->signal(SIGSTOP);
  ::usleep(2'500'000);
  program->signal(SIGCONT);
  ::usleep(500'000);
  program->write_line("submit");
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output() << program->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
}

TEST_P(Session, AStepOfTheWallClockHurtsNobody) {  // W-05
  const std::string offset = folder_ + "/offset";
  std::ofstream(offset) << 0;
  const auto peer = exchanger({"3", "10"});
  const auto program = trainer({"--hold", "1000"}, {{"LD_PRELOAD", std::string(FLARE_TEST_BIN_DIR) + "/clock_step.so"},
                                                    {"CLOCK_STEP_FILE", offset},
                                                    {"FLARE_AGENT_HEARTBEAT_TIMEOUT", "5"},
                                                    {"ASAN_OPTIONS", "verify_asan_link_order=0"}});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  std::ofstream(offset) << 100'000;
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  std::ofstream(offset) << -100'000;
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
}

TEST_P(Session, ASecondAgentOfOneNameIsRefused) {
  const auto peer = exchanger({"1", "10"});
  const auto first = trainer({"--wait-line"});
  ASSERT_NE(first->wait_line("task "), "");
  const auto second = trainer();
  const std::string line = second->wait_line("error connect");
  EXPECT_NE(line.find("is connected already"), std::string::npos) << second->output();
  EXPECT_EQ(second->wait_exit(), 1);
  first->write_line("submit");
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(first->wait_exit(), 0) << first->output();
}

TEST_P(Session, AWrongTokenIsRefused) {
  const auto peer = exchanger({"1", "10"});
  const auto stranger = trainer({}, {{"FLARE_AGENT_TOKEN", "guess"}});
  const std::string line = stranger->wait_line("error connect");
  EXPECT_NE(line.find("token is wrong"), std::string::npos) << stranger->output();
  EXPECT_EQ(line.find("guess"), std::string::npos) << "secrets do not belong in messages";
  const auto program = trainer();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
}

TEST_P(Session, NobodyThereIsSaidWithTheUrlAndItsSource) {
  environment_["FLARE_AGENT_URL"] =
      GetParam() == "ipc" ? "zmq+ipc://" + folder_ + "/nobody.sock" : "zmq+tcp://127.0.0.1:9";
  const auto program = trainer({}, {{"FLARE_AGENT_CONNECT_TIMEOUT", "0.3"}});
  const std::string line = program->wait_line("error connect", milliseconds(5000));
  EXPECT_NE(line.find(environment_["FLARE_AGENT_URL"]), std::string::npos) << program->output();
  EXPECT_NE(line.find("FLARE_AGENT_URL"), std::string::npos) << line;
  EXPECT_NE(line.find("connect_timeout = 0.3 s"), std::string::npos) << line;
}

INSTANTIATE_TEST_SUITE_P(Transports, IpcSession, testing::Values("ipc"),
                         [](const auto &parameter) { return parameter.param; });
INSTANTIATE_TEST_SUITE_P(Transports, Session, testing::Values("ipc", "tcp"),
                         [](const auto &parameter) { return parameter.param; });

}  // namespace
}  // namespace flare_test
