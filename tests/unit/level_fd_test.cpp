#include "runtime/level_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <thread>

namespace flare {
namespace {

using namespace std::chrono_literals;

bool polls_readable(const LevelFd &fd) {
  pollfd entry{fd.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

TEST(LevelFdTest, ShowsItsLevelHoweverOftenItIsSet) {
  LevelFd fd;
  EXPECT_FALSE(polls_readable(fd));
  fd.set(false);
  EXPECT_FALSE(polls_readable(fd));
  for (int i = 0; i < 3; ++i) fd.set(true);
  EXPECT_TRUE(polls_readable(fd));
  EXPECT_TRUE(polls_readable(fd)) << "looking changes nothing";
  fd.set(false);
  EXPECT_FALSE(polls_readable(fd)) << "raised three times, lowered once";
}

TEST(LevelFdTest, IsNotInheritedAndDoesNotBlock) {
  LevelFd fd;
  EXPECT_TRUE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK);
}

TEST(LevelFdTest, ADeadlineThatIsOverDoesNotWait) {
  LevelFd fd;
  fd.wait(Clock::now() - 1h);
  fd.wait(TimePoint::min());
  EXPECT_FALSE(polls_readable(fd));
}

TEST(LevelFdTest, EveryWaiterSeesTheLevel) {
  for (const auto deadline : {std::optional<TimePoint>(), std::optional(TimePoint::max())}) {
    LevelFd fd;
    std::thread first([&] { fd.wait(deadline); });
    std::thread second([&] { fd.wait(deadline); });
    fd.set(true);
    first.join();
    second.join();
    EXPECT_TRUE(polls_readable(fd)) << "waiting takes nothing";
  }
}

TEST(LevelFdTest, ASignalDoesNotEndAWait) {
  struct sigaction action {};
  struct sigaction before {};
  static std::atomic<int> signals;
  signals = 0;
  action.sa_handler = [](int) { ++signals; };  // without SA_RESTART
  ::sigaction(SIGUSR1, &action, &before);
  LevelFd fd;
  std::atomic<bool> over{false};
  const TimePoint deadline = Clock::now() + 50ms;
  std::thread waiter([&] {
    fd.wait(deadline);
    EXPECT_GE(Clock::now(), deadline);
    over = true;
  });
  while (!over) {
    ::pthread_kill(waiter.native_handle(), SIGUSR1);
    std::this_thread::sleep_for(1ms);
  }
  waiter.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_GT(signals, 0);
}

}  // namespace
}  // namespace flare
