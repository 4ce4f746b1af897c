// Exchangers and trainers that find each other in a folder: several jobs at once, one after another, and what is left
// when one of them is killed. The parameter is the transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>

#include "process_test.h"
#include "program.h"

namespace flare_test {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

size_t entries_of(const std::string &folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

class Rendezvous : public ProcessTest {
 protected:
  void SetUp() override {
    ProcessTest::SetUp();
    environment_.erase("FLARE_AGENT_TOKEN");  // the rendezvous makes one
    environment_["FLARE_AGENT_RENDEZVOUS_DIR"] = folder_ + "/meet";
    environment_["FLARE_AGENT_CLOSE_TIMEOUT"] = "2";
  }

  // Serves a job of `tasks` tasks from `first` on.
  std::unique_ptr<Program> exchanger(const std::string &job, int tasks, int first = 0, const Environment &more = {}) {
    Environment mine = with(more);
    mine["FLARE_AGENT_JOB_ID"] = job;
    if (GetParam() == "tcp") mine["FLARE_AGENT_URL"] = "zmq+tcp://127.0.0.1:*";
    auto program = std::make_unique<Program>(
        "process_exchanger", std::vector<std::string>{std::to_string(tasks), "100000", std::to_string(first)}, mine);
    url_ = program->wait_line("zmq+");
    EXPECT_NE(url_, "") << program->output();
    return program;
  }
  std::unique_ptr<Program> trainer(const std::vector<std::string> &arguments, const Environment &more = {}) {
    return std::make_unique<Program>("process_trainer", arguments, with(more));
  }
  std::string agents() const { return folder_ + "/meet/agent"; }

  std::string url_;  // of the last exchanger
};

TEST_P(Rendezvous, TwoJobsAtOnceHaveATrainerEach) {
  const auto one = exchanger("job-1", 2), two = exchanger("job-2", 2, 10);
  const auto first = trainer({"--hold", "500"}), second = trainer({"--hold", "500"});
  EXPECT_EQ(one->wait_exit(), 0) << one->output();
  EXPECT_EQ(two->wait_exit(), 0) << two->output();
  EXPECT_EQ(first->wait_exit(), 0) << first->output();
  EXPECT_EQ(second->wait_exit(), 0) << second->output();
  EXPECT_NE(first->output().substr(0, 16), second->output().substr(0, 16)) << "both took the same job";
  EXPECT_EQ(entries_of(agents()), 0u);
}

TEST_P(Rendezvous, AResidentServesJobAfterJobInOneProcess) {
  const auto program = trainer({"--resident"});
  const std::string self = "/proc/" + std::to_string(program->pid());
  size_t files = 0, threads = 0;
  for (const std::string job : {"job-1", "job-2", "job-3"}) {
    const auto peer = exchanger(job, 3);
    EXPECT_EQ(program->wait_line("connected"), "connected " + job) << program->output();
    EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
    EXPECT_EQ(program->wait_line("over"), "over the job ended") << program->output();
    ::usleep(500'000);  // it is open again
    if (files == 0) {
      files = entries_of(self + "/fd");
      threads = entries_of(self + "/task");
    }
    EXPECT_EQ(entries_of(self + "/fd"), files);
    EXPECT_EQ(entries_of(self + "/task"), threads);
  }
}

TEST_P(Rendezvous, TheEntryOfAKilledExchangerGoes) {
  const auto dead = exchanger("job-1", 1);
  dead->signal(SIGKILL);
  ASSERT_EQ(dead->wait_exit(), 128 + SIGKILL);
  EXPECT_GE(entries_of(agents()), 1u);
  const auto program = trainer({"--resident"});
  const auto peer = exchanger("job-2", 1);
  EXPECT_EQ(program->wait_line("connected"), "connected job-2") << program->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(entries_of(agents()), 0u);
}

TEST_P(Rendezvous, ARestartedExchangerMeetsTheTrainerWhereItWas) {
  auto first = exchanger("job-1", 1);
  const std::string url = url_;
  const auto program = trainer({"--resident", "--wait-line"});
  ASSERT_EQ(program->wait_line("task "), "task task-0 attempt 1") << program->output();
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait_exit(), 128 + SIGKILL);
  program->write_line("submit");  // while nobody is there
  // Others of its name leave the entry alone, as it is waited for.
  const auto other = trainer({}, {{"FLARE_AGENT_CONNECT_TIMEOUT", "0.1"}});
  EXPECT_EQ(other->wait_exit(), 1) << other->output();
  const auto second = exchanger("job-1", 2);
  EXPECT_EQ(url_, url);
  EXPECT_EQ(second->wait_line("reply"), "reply task-0") << second->output() << program->output();
  EXPECT_EQ(program->wait_line("task "), "task task-1 attempt 1") << "it was computed twice";
  program->write_line("submit");
  EXPECT_EQ(second->wait_exit(), 0) << second->output();
}

TEST_P(Rendezvous, ARestartedTrainerGetsTheTaskOfTheOneBefore) {
  const auto peer = exchanger("job-1", 1);
  auto first = trainer({"--resident", "--wait-line"});
  ASSERT_EQ(first->wait_line("task "), "task task-0 attempt 1") << first->output();
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait_exit(), 128 + SIGKILL);
  const auto second = trainer({});
  EXPECT_EQ(second->wait_line("task "), "task task-0 attempt 2") << second->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
}

// What has nothing to do with the transport.
class IpcRendezvous : public Rendezvous {};

TEST_P(IpcRendezvous, ASecondTrainerOfOneNameIsRefused) {
  const auto peer = exchanger("job-1", 1);
  const auto first = trainer({"--wait-line"});
  ASSERT_NE(first->wait_line("task "), "") << first->output();
  const auto second = trainer({}, {{"FLARE_AGENT_CONNECT_TIMEOUT", "1.5"}});
  EXPECT_THAT(second->wait_line("error connect"),
              AllOf(HasSubstr("-11"), HasSubstr("another process is agent 'agent' of job 'job-1' already")));
  EXPECT_EQ(second->wait_exit(), 1);
  first->write_line("submit");
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
}

TEST_P(IpcRendezvous, AStandbyTakesOverFromAKilledTrainer) {
  const auto peer = exchanger("job-1", 1);
  auto first = trainer({"--wait-line"});
  ASSERT_NE(first->wait_line("task "), "") << first->output();
  const auto standby = trainer({});
  ::usleep(300'000);
  first->signal(SIGKILL);
  EXPECT_EQ(standby->wait_line("task "), "task task-0 attempt 2") << standby->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
}

TEST_P(IpcRendezvous, AFrozenExchangerDoesNotKeepATrainerFromOtherJobs) {
  const auto frozen = exchanger("job-1", 1);
  frozen->signal(SIGSTOP);
  const auto peer = exchanger("job-2", 1);
  const auto program = trainer({}, {{"FLARE_AGENT_CONNECT_TIMEOUT", "none"}});
  EXPECT_EQ(program->wait_line("connected"), "connected job-2") << program->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  frozen->signal(SIGCONT);
}

TEST_P(IpcRendezvous, ARefusalDoesNotKeepATrainerFromOtherJobs) {
  const auto refuses = exchanger("job-1", 1, 0, {{"FLARE_AGENT_TOKEN", "secret"}});
  // It came by the URL and so has no lock on the entry: only the exchanger knows that the name is taken.
  const auto first = trainer({"--wait-line"}, {{"FLARE_AGENT_URL", url_}, {"FLARE_AGENT_TOKEN", "secret"}});
  ASSERT_NE(first->wait_line("task "), "") << first->output();
  const auto alone = trainer({}, {{"FLARE_AGENT_CONNECT_TIMEOUT", "1.5"}});
  EXPECT_THAT(alone->wait_line("error connect"),
              AllOf(HasSubstr("-11"), HasSubstr("job 'job-1'"), HasSubstr("is connected already"),
                    HasSubstr("no other job for agent 'agent' came")));

  const auto waiting = trainer({});
  EXPECT_THAT(waiting->wait_line("20"), HasSubstr("exchanger passed over job=job-1"));  // in its log, after the date
  auto peer = exchanger("job-2", 1);
  EXPECT_EQ(waiting->wait_line("connected"), "connected job-2") << waiting->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  peer = exchanger("job-3", 1);
  const auto after = trainer({});  // asks job-1 first, which has waited longest
  EXPECT_EQ(after->wait_line("connected"), "connected job-3") << after->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();

  first->write_line("submit");
  EXPECT_EQ(refuses->wait_exit(), 0) << refuses->output();
}

TEST_P(IpcRendezvous, ASecondExchangerOfOneJobIsRefused) {
  const auto first = exchanger("job-1", 1);
  Environment same = with({{"FLARE_AGENT_JOB_ID", "job-1"}, {"FLARE_AGENT_URL", "zmq+tcp://127.0.0.1:*"}});
  Program second("process_exchanger", {"1", "10"}, same);
  EXPECT_THAT(second.wait_line("error open"), HasSubstr("another process serves job 'job-1' for agent 'agent'"));
}

TEST_P(IpcRendezvous, OnlyRankZeroOpensAnAgent) {
  const auto peer = exchanger("job-1", 1);
  const auto follower = trainer({}, {{"RANK", "1"}, {"WORLD_SIZE", "2"}});
  EXPECT_THAT(follower->wait_line("error open"), HasSubstr("this process has rank 1 (environment variable RANK)"));
  const auto leader = trainer({}, {{"RANK", "0"}, {"WORLD_SIZE", "2"}});
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  EXPECT_EQ(leader->wait_exit(), 0) << leader->output();
}

INSTANTIATE_TEST_SUITE_P(Transports, IpcRendezvous, testing::Values("ipc"),
                         [](const auto &parameter) { return parameter.param; });
INSTANTIATE_TEST_SUITE_P(Transports, Rendezvous, testing::Values("ipc", "tcp"),
                         [](const auto &parameter) { return parameter.param; });

}  // namespace
}  // namespace flare_test
