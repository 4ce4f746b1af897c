// "Submitted" means "the bytes are safe": results between real processes, through a network that is slow, stalls and
// breaks, with receivers that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "gating.h"

namespace flare_test {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;
using testing::StartsWith;

class Gating : public GatingTest {
 protected:
  // The first trainer has just died. Waits until what it had sent has passed, and its end after it: before, its name is
  // taken.
  void another_trainer_takes_over(Program *peer) {
    proxy_->limit(0);
    ::usleep(500'000);
    const auto second = trainer();
    EXPECT_EQ(second->wait_line("task "), "task task-0 attempt 2") << second->output();
    EXPECT_EQ(second->wait_line("delivered"), "delivered task-0") << second->output();
    EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
  }
  // A result whose delivery the exchanger knows of and the trainer does not.
  void submit_and_hold_the_word(Program *program, Program *peer) {
    ASSERT_NE(program->wait_line("task "), "") << program->output();
    proxy_->hold_after(4 * kMebibyte);
    program->write_line("submit");
    ASSERT_NE(peer->wait_line("reply"), "") << peer->output();
  }
};

// A chunk every second for 20 s with an idle timeout of 3 s; over ipc everything three times as fast.
TEST_P(Gating, ASlowReceiverIsWaitedForAsLongAsBytesFlow) {
  const bool is_tcp = GetParam() == "tcp";
  const Environment idle = {{"FLARE_AGENT_STREAMING_IDLE_TIMEOUT", is_tcp ? "3" : "1"}};
  const auto peer = exchanger({"1", floats(20 * kMebibyte)}, idle);
  const auto program = trainer({}, idle);
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  proxy_->limit(is_tcp ? kMebibyte : 3 * kMebibyte);
  const auto begin = Clock::now();
  EXPECT_EQ(program->wait_line("delivered", 60s), "delivered task-0") << program->output();
  EXPECT_GT(Clock::now() - begin, is_tcp ? 15s : 5s) << "it was not slow";
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
}

TEST_P(Gating, AStallEndsTheWaitAndSaysHowFarItWas) {
  const auto peer = exchanger({"1", floats(20 * kMebibyte)});
  const auto program = trainer({"--wait-line"}, {{"FLARE_AGENT_STREAMING_IDLE_TIMEOUT", "1"}});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  proxy_->limit(20 * kMebibyte);
  proxy_->stall_after(6 * kMebibyte);
  program->write_line("submit");
  const std::string line = program->wait_line("error submit");
  EXPECT_THAT(line, StartsWith("error submit -5 ")) << program->output();
  EXPECT_THAT(line, HasSubstr("stalled"));
  EXPECT_THAT(line, HasSubstr(" of 20 MiB were fetched"));
  EXPECT_THAT(peer->wait_line("error task-0"), HasSubstr("stalled")) << peer->output();
}

TEST_P(Gating, AResultOutlivesAnExchangerThatIsKilledInTheMiddleOfThePull) {
  auto first = exchanger({"1", floats(8 * kMebibyte)});
  const auto program = trainer({"--wait-line"});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  proxy_->limit(4 * kMebibyte);
  program->write_line("submit");
  ASSERT_TRUE(proxy_->wait_passed(3 * kMebibyte));
  first->signal(SIGKILL);
  ASSERT_EQ(first->wait_exit(), 128 + SIGKILL);
  EXPECT_THAT(program->output(), testing::Not(HasSubstr("delivered")));
  proxy_->limit(0);
  const auto second = exchanger({"1", floats(8 * kMebibyte)});  // the same task again
  EXPECT_EQ(second->wait_line("reply"), "reply task-0") << second->output() << program->output();
  EXPECT_EQ(program->wait_line("delivered"), "delivered task-0") << program->output();
  EXPECT_EQ(program->output().find("attempt"), program->output().rfind("attempt")) << "it was computed twice";
  EXPECT_EQ(second->wait_exit(), 0) << second->output();
}

TEST_P(Gating, AnExchangerThatIsKilledInTheMiddleOfThePullAndDoesNotComeBackIsGone) {
  const auto peer = exchanger({"1", floats(8 * kMebibyte)});
  const auto program = trainer({"--wait-line"}, {{"FLARE_AGENT_HEARTBEAT_TIMEOUT", "1"}});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  proxy_->limit(4 * kMebibyte);
  program->write_line("submit");
  ASSERT_TRUE(proxy_->wait_passed(3 * kMebibyte));
  peer->signal(SIGKILL);
  const std::string line = program->wait_line("error submit");
  EXPECT_THAT(line, HasSubstr("the peer is gone")) << program->output();
  EXPECT_THAT(line, HasSubstr(" of 8388608 bytes were fetched"));
}

TEST_P(Gating, ATrainerThatIsKilledInTheMiddleOfThePullIsReplaced) {
  const auto peer = exchanger({"1", floats(8 * kMebibyte)});
  const auto first = trainer({"--wait-line"});
  ASSERT_NE(first->wait_line("task "), "") << first->output();
  proxy_->limit(4 * kMebibyte);
  first->write_line("submit");
  ASSERT_TRUE(proxy_->wait_passed(3 * kMebibyte));
  first->signal(SIGKILL);
  another_trainer_takes_over(peer.get());
}

TEST_P(Gating, ASigtermDuringTheWaitEndsTheTrainerAndTheTaskGoesToTheNext) {
  const auto peer = exchanger({"1", floats(8 * kMebibyte)});
  const auto first = trainer();
  ASSERT_NE(first->wait_line("task "), "") << first->output();
  proxy_->limit(4 * kMebibyte);
  ASSERT_TRUE(proxy_->wait_passed(2 * kMebibyte));  // it waits in flare_result_finish()
  first->signal(SIGTERM);
  EXPECT_EQ(first->wait_exit(), 128 + SIGTERM) << "the library handles no signals";
  another_trainer_takes_over(peer.get());
}

TEST_P(Gating, AReceiverThatFailsSaysWhy) {
  const auto peer = exchanger({"1", floats(kMebibyte), "0", "fails"});
  const auto program = trainer();
  const std::string line = program->wait_line("error submit");
  EXPECT_THAT(line, StartsWith("error submit -4 ")) << program->output();
  EXPECT_THAT(line, HasSubstr("its disk is full"));
}

TEST_P(Gating, AReceiverThatNeverStartsIsNamed) {
  const auto peer = exchanger({"1", floats(kMebibyte), "0", "silent"});
  const auto program = trainer({}, {{"FLARE_AGENT_STREAMING_IDLE_TIMEOUT", "1"}});
  const std::string line = program->wait_line("error submit");
  EXPECT_THAT(line, StartsWith("error submit -5 ")) << program->output();
  EXPECT_THAT(line, HasSubstr("receiver=server did not start"));
}

TEST_P(Gating, TheSlowerOfTwoReceiversDecides) {
  const Environment idle = {{"FLARE_AGENT_STREAMING_IDLE_TIMEOUT", "1"}};
  const auto peer = exchanger({"1", floats(kMebibyte), "0", "slow"}, idle);
  const auto program = trainer({}, idle);
  ASSERT_NE(peer->wait_line("reply"), "") << peer->output();
  EXPECT_EQ(program->wait_line("delivered", 1s), "") << "only the faster one has it";
  EXPECT_NE(peer->wait_line("confirmed"), "") << peer->output();
  EXPECT_EQ(program->wait_line("delivered"), "delivered task-0") << program->output();
}

TEST_P(Gating, ALateConfirmationIsWaitedFor) {
  const auto peer = exchanger({"1", floats(4 * kMebibyte)});
  const auto program = trainer({"--wait-line"});
  ASSERT_NO_FATAL_FAILURE(submit_and_hold_the_word(program.get(), peer.get()));
  EXPECT_EQ(program->wait_line("delivered", 1s), "") << "nobody has said so";
  proxy_->hold_after(-1);
  EXPECT_EQ(program->wait_line("delivered"), "delivered task-0") << program->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
}

TEST_P(Gating, ALostConfirmationIsSaidAgain) {
  const auto peer = exchanger({"1", floats(4 * kMebibyte)});
  const auto program = trainer({"--wait-line"});
  ASSERT_NO_FATAL_FAILURE(submit_and_hold_the_word(program.get(), peer.get()));
  ::usleep(100'000);  // until the word is under way
  proxy_->cut();
  proxy_->hold_after(-1);
  EXPECT_EQ(program->wait_line("delivered"), "delivered task-0") << program->output();
}

TEST_P(Gating, TheEndIsSaidToATrainerWhoseConnectionIsLostJustThen) {
  const auto peer = exchanger({"1", floats(kMebibyte), "0", "slow"});
  const std::string url = peer->output().substr(0, peer->output().find('\n'));
  const auto program = trainer();
  ASSERT_NE(peer->wait_line("reply"), "") << peer->output();
  proxy_->retarget(GetParam() == "ipc" ? "zmq+ipc://" + folder_ + "/nobody" : "zmq+tcp://127.0.0.1:1");
  proxy_->cut();
  ASSERT_NE(peer->wait_line("ended"), "") << peer->output();
  ::usleep(500'000);
  proxy_->retarget(url);
  EXPECT_EQ(program->wait_line("delivered"), "delivered task-0") << program->output();
  EXPECT_EQ(program->wait_line("over"), "over the job ended") << program->output();
  EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
}

TEST_P(Gating, AStopEndsTheWaitWithinTheLastGrace) {
  const auto peer = exchanger({"1", floats(8 * kMebibyte)});
  const auto program = trainer({"--stop-line"});
  ASSERT_NE(program->wait_line("task "), "") << program->output();
  proxy_->stall_after(kMebibyte);
  ASSERT_TRUE(proxy_->wait_passed(kMebibyte));
  const auto begin = Clock::now();
  program->write_line("stop");
  const std::string line = program->wait_line("error submit");
  EXPECT_THAT(line, StartsWith("error submit 3 stopped")) << program->output();
  EXPECT_LT(Clock::now() - begin, 3s) << "0.5 s and the time to be scheduled";
}

// 300 results while the connection is cut, slowed and stalled at random: each is delivered, once.
TEST_P(Gating, ResultsSurviveABadNetwork) {
  constexpr unsigned kSeed = 7;
  SCOPED_TRACE(kSeed);
  const auto peer = exchanger({"300", floats(400'000)});
  const auto program = trainer();
  std::atomic<bool> over{false};
  std::thread chaos([&] {
    std::mt19937 random(kSeed);
    while (!over) {
      std::this_thread::sleep_for(milliseconds(random() % 40));
      switch (random() % 4) {
        case 0: proxy_->cut(); break;
        case 1: proxy_->limit(static_cast<int64_t>(random() % 4 + 1) * 4 * kMebibyte); break;
        case 2: proxy_->stall_after(static_cast<int64_t>(random() % 1'000'000)); break;
        default: proxy_->hold_after(proxy_->passed() + static_cast<int64_t>(random() % 1'000'000));
      }
      std::this_thread::sleep_for(milliseconds(random() % 60));
      proxy_->limit(0);
      proxy_->stall_after(-1);
      proxy_->hold_after(-1);
    }
  });
  const int status = peer->wait_exit(100s);
  over = true;
  chaos.join();
  EXPECT_EQ(status, 0) << peer->output() << program->output();
  EXPECT_EQ(program->wait_exit(), 0) << program->output();
  for (int i = 0; i < 300; ++i) {
    const std::string delivered = "delivered task-" + std::to_string(i) + "\n";
    const size_t first = program->output().find(delivered);
    ASSERT_NE(first, std::string::npos) << delivered << program->output();
    EXPECT_EQ(program->output().find(delivered, first + 1), std::string::npos) << delivered;
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, Gating, testing::Values("ipc", "tcp"),
                         [](const auto &parameter) { return parameter.param; });

}  // namespace
}  // namespace flare_test
