#include "runtime/loop.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "runtime/level_fd.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

class LoopTest : public testing::Test {
 protected:
  std::atomic<int> errors{0};
  Loop loop{"test-loop", [this](const std::exception_ptr &) { ++errors; }};
};

TEST_F(LoopTest, RunsPostsInOrderFromManyThreads) {
  std::vector<std::vector<int>> seen(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) {
        loop.post([&seen, t, i] { seen[static_cast<size_t>(t)].push_back(i); });
      }
    });
  }
  for (auto &thread : threads) thread.join();
  loop.run_and_wait([] {});
  for (const auto &order : seen) {
    ASSERT_EQ(order.size(), 1000u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  }
}

TEST_F(LoopTest, CarriesExceptionsOverAndSurvivesThem) {
  EXPECT_THROW(loop.run_and_wait([] { throw Failure(FLARE_IO, "x"); }), Failure);
  loop.post([] { throw Failure(FLARE_IO, "y"); });
  loop.run_and_wait([] {});
  EXPECT_EQ(errors, 1);
}

TEST_F(LoopTest, NothingRunsAfterStop) {
  std::atomic<bool> ran{false};
  loop.post([&] { ran = true; });
  loop.stop();
  EXPECT_TRUE(ran) << "what was posted before";
  ran = false;
  loop.post([&] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_THROW(loop.run_and_wait([] {}), Failure);
  loop.stop();
}

TEST_F(LoopTest, BlocksAllSignalsInItsThread) {
  loop.run_and_wait([] {
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(::sigismember(&blocked, SIGTERM), 1);
    EXPECT_EQ(::sigismember(&blocked, SIGINT), 1);
  });
  sigset_t ours;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &ours);
  EXPECT_EQ(::sigismember(&ours, SIGTERM), 0);
}

TEST_F(LoopTest, AlarmsRingOnceInTheirOrder) {
  LevelFd done;
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::unique_ptr<Loop::Alarm>> alarms;
  loop.run_and_wait([&] {
    for (int i = 0; i < 3; ++i) {
      alarms.push_back(loop.make_alarm([&, i] {
        order.push_back(i);
        std::lock_guard lock(mutex);
        if (order.size() == 2) done.set(true);
      }));
    }
    const TimePoint now = Clock::now();
    alarms[0]->set(now + 20ms);
    alarms[1]->set(now + 5ms);
    alarms[2]->set(now + 10ms);
    alarms[2]->set(std::nullopt);
  });
  done.wait(Clock::now() + 10s);
  loop.run_and_wait([&] {
    EXPECT_EQ(order, (std::vector<int>{1, 0}));
    alarms.clear();
  });
}

TEST_F(LoopTest, AnAlarmThatIsGoneDoesNotRing) {
  std::atomic<bool> rang{false};
  loop.run_and_wait([&] {
    auto alarm = loop.make_alarm([&] { rang = true; });
    alarm->set(Clock::now());
  });
  std::this_thread::sleep_for(20ms);
  loop.run_and_wait([] {});
  EXPECT_FALSE(rang);
}

TEST_F(LoopTest, AWatchCallsAsLongAsItsDescriptorIsReadable) {
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<Loop::Watch> watch;
  std::atomic<int> calls{0};
  loop.run_and_wait([&] {
    watch = loop.make_watch(event, [&] {
      if (++calls < 3) return;  // not read: it stays readable
      eventfd_t ignored;
      ::eventfd_read(event, &ignored);
    });
  });
  EXPECT_EQ(calls, 0);
  ::eventfd_write(event, 1);
  const auto deadline = Clock::now() + 10s;
  while (calls < 3 && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(calls, 3);
  ::eventfd_write(event, 1);
  while (calls < 4 && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(calls, 4);
  loop.run_and_wait([&] { watch.reset(); });
  ::eventfd_write(event, 1);
  loop.run_and_wait([] {});
  EXPECT_EQ(calls, 4);
  ::close(event);
}

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

TEST(LevelFd, IsReadableExactlyWhileRaised) {
  LevelFd fd;
  EXPECT_FALSE(readable(fd.get()));
  fd.set(true);
  fd.set(true);
  EXPECT_TRUE(readable(fd.get()));
  EXPECT_TRUE(readable(fd.get()));
  fd.set(false);
  EXPECT_FALSE(readable(fd.get()));
}

TEST(LevelFd, WaitsUntilTheDeadlineAndNotLonger) {
  LevelFd fd;
  const TimePoint start = Clock::now();
  fd.wait(start + 20ms);
  EXPECT_GE(Clock::now(), start + 20ms);
  fd.wait(start);  // in the past
  fd.set(true);
  fd.wait(std::nullopt);
}

}  // namespace
}  // namespace flare
