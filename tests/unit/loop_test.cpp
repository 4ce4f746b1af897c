#include "runtime/loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "runtime/level_fd.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

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

// What is easily lost in a loop: alarms that were set anew, objects that end in their own callback, exceptions.
class LoopPromises : public testing::Test {
 protected:
  // Until everything that is due now has run, and what that posted.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      std::promise<void> rang;
      std::unique_ptr<Loop::Alarm> alarm;
      loop.run_and_wait([&] {
        alarm = loop.make_alarm([&] { rang.set_value(); });
        alarm->set(Clock::now());
      });
      rang.get_future().wait();
      loop.run_and_wait([&] { alarm.reset(); });
    }
  }

  std::vector<std::string> errors;  // in the loop thread
  Loop loop{"loop-promises", [this](std::exception_ptr error) {
              try {
                std::rethrow_exception(std::move(error));
              } catch (const std::exception &exception) {
                errors.emplace_back(exception.what());
              }
            }};
};

TEST_F(LoopPromises, WorkPostedFromWithinRunsLaterAndBeforeWhatIsPostedAfterIt) {
  std::vector<std::string> order;
  loop.run_and_wait([&] {
    loop.post([&] { order.emplace_back("first"); });
    std::thread([&] { loop.post([&] { order.emplace_back("second"); }); }).join();
    loop.post([&] { order.emplace_back("third"); });
    order.emplace_back("itself");
  });
  loop.run_and_wait([] {});
  EXPECT_THAT(order, ElementsAre("itself", "first", "second", "third"));
}

TEST_F(LoopPromises, KnowsItsThreadAndNamesIt) {
  EXPECT_FALSE(loop.in_loop());
  loop.run_and_wait([&] {
    EXPECT_TRUE(loop.in_loop());
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    EXPECT_STREQ(name.data(), "loop-promises");
  });
  loop.stop();
  EXPECT_FALSE(loop.in_loop());
}

TEST_F(LoopPromises, ExceptionsKeepTheirTypeAndTheirWay) {
  EXPECT_THROW(loop.run_and_wait([] { throw std::out_of_range("carried"); }), std::out_of_range);
  loop.post([] { throw std::runtime_error("reported"); });
  loop.run_and_wait([&] { EXPECT_THAT(errors, ElementsAre("reported")); });
}

TEST_F(LoopPromises, AnAlarmThatIsTakenBackDoesNotRingEvenWhenItIsDue) {
  std::vector<int> rang;
  std::array<std::unique_ptr<Loop::Alarm>, 2> alarms;
  loop.run_and_wait([&] {
    const TimePoint due = Clock::now();
    for (size_t i : {0u, 1u}) {
      alarms[i] = loop.make_alarm([&, i] {
        rang.push_back(static_cast<int>(i));
        alarms[1 - i]->set(std::nullopt);
      });
      alarms[i]->set(due);
    }
  });
  settle();
  loop.run_and_wait([&] {
    EXPECT_EQ(rang.size(), 1u) << "the first one took the other back";
    alarms = {};
  });
}

TEST_F(LoopPromises, AnAlarmThatIsPutOffRingsOnceAtItsNewTime) {
  std::vector<TimePoint> rang;
  const TimePoint late = Clock::now() + 50ms;
  std::array<std::unique_ptr<Loop::Alarm>, 2> alarms;
  std::promise<void> done;
  loop.run_and_wait([&] {
    alarms[1] = loop.make_alarm([&] {
      rang.push_back(Clock::now());
      done.set_value();
    });
    alarms[0] = loop.make_alarm([&] { alarms[1]->set(late); });
    const TimePoint due = Clock::now();
    alarms[0]->set(due - 1ms);
    alarms[1]->set(due);
  });
  done.get_future().wait();
  settle();
  loop.run_and_wait([&] {
    ASSERT_EQ(rang.size(), 1u);
    EXPECT_GE(rang[0], late);
    alarms = {};
  });
}

TEST_F(LoopPromises, AnAlarmMayBeSetAgainFromItsOwnCallback) {
  int rings = 0;
  std::unique_ptr<Loop::Alarm> alarm;
  std::promise<void> done;
  loop.run_and_wait([&] {
    const TimePoint due = Clock::now();
    alarm = loop.make_alarm([&, due] {
      if (++rings == 3) {
        done.set_value();
      } else {
        alarm->set(due);  // the very same time as well
      }
    });
    alarm->set(due);
  });
  done.get_future().wait();
  settle();
  loop.run_and_wait([&] {
    EXPECT_EQ(rings, 3);
    alarm.reset();
  });
}

TEST_F(LoopPromises, AnAlarmMayEndInItsOwnCallback) {
  std::unique_ptr<Loop::Alarm> alarm;
  std::promise<std::string> done;
  loop.run_and_wait([&] {
    alarm = loop.make_alarm([&, mine = std::string(100, 'x')] {
      alarm.reset();
      done.set_value(mine);
    });
    alarm->set(Clock::now());
  });
  EXPECT_EQ(done.get_future().get(), std::string(100, 'x'));
}

TEST_F(LoopPromises, WhatACallbackHoldsIsReleasedWithItsAlarmOrWatch) {
  auto held = std::make_shared<int>(1);
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  loop.run_and_wait([&] {
    auto alarm = loop.make_alarm([held] {});
    alarm->set(Clock::now() + 1h);
    auto watch = loop.make_watch(event, [held] {});
    EXPECT_EQ(held.use_count(), 3);
    alarm.reset();
    watch.reset();
    EXPECT_EQ(held.use_count(), 1);
  });
  ::close(event);
}

TEST_F(LoopPromises, AWatchMayEndInItsOwnCallback) {
  const int event = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<Loop::Watch> watch;
  std::promise<std::string> done;
  loop.run_and_wait([&] {
    watch = loop.make_watch(event, [&, mine = std::string(100, 'x')] {
      watch.reset();
      done.set_value(mine);
    });
  });
  EXPECT_EQ(done.get_future().get(), std::string(100, 'x'));
  settle();
  EXPECT_EQ(::close(event), 0) << "it is still ours";
}

TEST_F(LoopPromises, AWatchGoesOnAfterAnException) {
  const int event = ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<Loop::Watch> watch;
  int calls = 0;
  std::promise<void> done;
  loop.run_and_wait([&] {
    watch = loop.make_watch(event, [&] {
      if (++calls < 3) throw std::runtime_error("call " + std::to_string(calls));
      eventfd_t ignored;
      ::eventfd_read(event, &ignored);
      done.set_value();
    });
  });
  ASSERT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  loop.run_and_wait([&] {
    EXPECT_THAT(errors, ElementsAre("call 1", "call 2"));
    watch.reset();
  });
  ::close(event);
}

TEST_F(LoopPromises, AWatchOnAPipeReadsUpToItsEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  std::unique_ptr<Loop::Watch> watch;
  std::string text;
  std::promise<void> done;
  loop.run_and_wait([&] {
    watch = loop.make_watch(ends[0], [&] {
      char letter;
      if (::read(ends[0], &letter, 1) == 1) {
        text += letter;  // one at a time: it is called again for the rest
      } else {
        watch.reset();
        done.set_value();
      }
    });
  });
  ASSERT_EQ(::write(ends[1], "abc", 3), 3);
  ::close(ends[1]);
  ASSERT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_EQ(text, "abc");
  ::close(ends[0]);
}

TEST_F(LoopPromises, AWatchThatCannotWorkSaysSo) {
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::unique_ptr<Loop::Watch> watch;
  loop.run_and_wait([&] { watch = loop.make_watch(null, [] {}); });
  settle();
  loop.run_and_wait([&] {
    EXPECT_EQ(errors.size(), 1u);
    watch.reset();
  });
  ::close(null);
}

TEST_F(LoopPromises, StopMayBeCalledByManyAndReturnsToNobodyBeforeTheEnd) {
  std::promise<void> started;
  std::atomic<bool> over{false};
  loop.post([&] {
    started.set_value();
    std::this_thread::sleep_for(20ms);
    over = true;
  });
  started.get_future().wait();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      loop.stop();
      EXPECT_TRUE(over);
    });
  }
  for (auto &thread : threads) thread.join();
}

TEST_F(LoopPromises, StopFromWithinEndsItWithoutWaiting) {
  std::promise<void> stopped;
  loop.post([&] {
    loop.stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
  EXPECT_THROW(loop.run_and_wait([] {}), Failure);
  loop.stop();
}

TEST_F(LoopPromises, EveryRunAndWaitEndsWhileTheLoopIsStopped) {
  std::atomic<int> ran{0}, refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (refused < 4) {
        try {
          loop.run_and_wait([&] { ++ran; });
        } catch (const Failure &failure) {
          EXPECT_EQ(failure.status(), FLARE_STOPPED);
          ++refused;
          return;
        }
      }
    });
  }
  while (ran < 100) std::this_thread::yield();
  loop.stop();
  for (auto &thread : threads) thread.join();
  EXPECT_EQ(refused, 4);
}

TEST_F(LoopPromises, WorkThatIsDroppedIsReleased) {
  auto held = std::make_shared<int>(1);
  {
    Loop other("other", [](const std::exception_ptr &) {});
    other.stop();
    other.post([held] {});
  }
  EXPECT_EQ(held.use_count(), 1);
}

// ---- Threads of the user that do the loop's work

TEST_F(LoopPromises, HelpRunsInThisThreadWhatIsLinedUp) {
  using Threads = std::vector<std::thread::id>;
  const Threads mine(2, std::this_thread::get_id());
  Threads threads, seen;
  for (int i = 0; i < 1000 && seen != mine; ++i) {  // the loop's thread may be awake
    loop.run_and_wait([&] { threads.clear(); });
    loop.line_up([&] {
      threads.push_back(std::this_thread::get_id());
      EXPECT_TRUE(loop.in_loop());
      loop.post([&] { threads.push_back(std::this_thread::get_id()); });
    });
    loop.help();
    loop.run_and_wait([&] { seen = threads; });
  }
  EXPECT_EQ(seen, mine);
  EXPECT_FALSE(loop.in_loop());
}

TEST_F(LoopPromises, WhatIsLinedUpRunsInItsTurnWhoeverElseHasIt) {
  std::promise<void> started, go;
  std::vector<int> order;
  loop.post([&] {
    started.set_value();
    go.get_future().wait();
    order.push_back(1);
  });
  started.get_future().wait();
  loop.line_up([&] { order.push_back(2); });
  loop.help();
  EXPECT_THAT(order, ElementsAre()) << "the turn is another's";
  go.set_value();
  loop.run_and_wait([&] { EXPECT_THAT(order, ElementsAre(1, 2)); });
}

TEST_F(LoopPromises, AHelperDoesNotStayForEver) {
  std::atomic<int> runs{0}, mine{0};
  const auto me = std::this_thread::get_id();
  std::function<void()> again = [&] {
    if (std::this_thread::get_id() == me) ++mine;
    if (++runs < 10'000) loop.post(again);
  };
  loop.line_up(again);
  loop.help();
  EXPECT_LT(mine, 100);
  while (runs < 10'000) std::this_thread::yield();
}

TEST_F(LoopPromises, AGuestDoesTheWorkThatItWaitsFor) {
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  LevelFd done;
  std::unique_ptr<Loop::Watch> watch;
  std::thread::id where;
  loop.run_and_wait([&] {
    watch = loop.make_watch(event, [&] {
      eventfd_t ignored;
      ::eventfd_read(event, &ignored);
      where = std::this_thread::get_id();
      done.set(true);
    });
  });
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    ::eventfd_write(event, 1);
  });
  loop.wait(done, std::nullopt);
  EXPECT_TRUE(done.raised());
  EXPECT_EQ(where, std::this_thread::get_id());
  other.join();
  loop.run_and_wait([&] { watch.reset(); });
  ::close(event);
}

TEST_F(LoopPromises, AGuestLeavesAtItsDeadlineAndWhenAnotherRaisesWhatItWaitsFor) {
  LevelFd done;
  const TimePoint start = Clock::now();
  loop.wait(done, start + 20ms);
  EXPECT_GE(Clock::now(), start + 20ms);
  std::mutex mutex;
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    std::lock_guard lock(mutex);
    done.set(true);
  });
  loop.wait(done, std::nullopt);
  EXPECT_TRUE(done.raised());
  other.join();
}

TEST_F(LoopPromises, TheLoopGoesOnWithoutItsGuest) {
  LevelFd done;
  loop.wait(done, Clock::now() + 5ms);
  std::promise<void> rang;
  std::unique_ptr<Loop::Alarm> alarm;
  loop.run_and_wait([&] {
    alarm = loop.make_alarm([&] { rang.set_value(); });
    alarm->set(Clock::now() + 10ms);
  });
  EXPECT_EQ(rang.get_future().wait_for(10s), std::future_status::ready);
  loop.run_and_wait([&] { alarm.reset(); });
}

TEST_F(LoopPromises, OfManyThatWaitEachGetsWhatItWaitsFor) {
  constexpr int kThreads = 4, kRounds = 500;
  std::mutex mutex;
  std::vector<std::thread> threads;
  std::atomic<int> got{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        LevelFd done;
        loop.line_up([&] {
          loop.post([&] {
            std::lock_guard lock(mutex);
            done.set(true);
          });
        });
        if (i % 2 == 0) loop.help();
        if (i % 2 == 1) loop.post([] {});
        loop.wait(done, Clock::now() + 10s);
        std::lock_guard lock(mutex);  // as users do: who raised it is done with it
        if (done.raised()) ++got;
      }
    });
  }
  for (auto &thread : threads) thread.join();
  EXPECT_EQ(got, kThreads * kRounds);
}

TEST_F(LoopPromises, AGuestReturnsWhenTheLoopIsStopped) {
  LevelFd done;
  std::thread guest([&] { loop.wait(done, Clock::now() + 10s); });
  std::thread::id driver;
  while (driver != guest.get_id()) loop.run_and_wait([&] { driver = std::this_thread::get_id(); });
  const TimePoint start = Clock::now();
  loop.stop();
  guest.join();
  EXPECT_LT(Clock::now(), start + 5s);
}

TEST_F(LoopPromises, ExceptionsOfWorkThatAGuestDoesAreReported) {
  LevelFd done;
  loop.line_up([] { throw std::runtime_error("reported"); });
  loop.help();
  std::unique_ptr<Loop::Alarm> alarm;
  loop.run_and_wait([&] {
    alarm = loop.make_alarm([&] {
      done.set(true);
      throw std::runtime_error("too");
    });
    alarm->set(Clock::now() + 10ms);
  });
  loop.wait(done, std::nullopt);
  loop.run_and_wait([&] {
    EXPECT_THAT(errors, ElementsAre("reported", "too"));
    alarm.reset();
  });
}

TEST_F(LoopPromises, WhatIsPutOffRunsBeforeTheLoopSleeps) {
  std::vector<std::string> order;
  std::promise<void> done;
  loop.post([&] {
    loop.put_off([&] {
      order.emplace_back("put off");
      done.set_value();
    });
    loop.post([&] { order.emplace_back("posted"); });
    order.emplace_back("itself");
  });
  ASSERT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  loop.run_and_wait([&] { EXPECT_THAT(order, ElementsAre("itself", "posted", "put off")); });
}

TEST_F(LoopPromises, WhatIsPutOffByAGuestThatLeavesRunsSoon) {
  LevelFd done;
  std::promise<void> ran;
  std::unique_ptr<Loop::Alarm> alarm;
  loop.run_and_wait([&] {
    alarm = loop.make_alarm([&] {
      loop.put_off([&] { ran.set_value(); });
      done.set(true);
    });
    alarm->set(Clock::now() + 10ms);
  });
  loop.wait(done, std::nullopt);
  EXPECT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
  loop.run_and_wait([&] { alarm.reset(); });
}

int64_t voluntary_switches(int thread) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string word; status >> word;) {
    if (word == "voluntary_ctxt_switches:") {
      int64_t count = -1;
      status >> count;
      return count;
    }
  }
  return -1;
}

TEST_F(LoopPromises, AnIdleLoopSleeps) {
  int thread = 0;
  std::unique_ptr<Loop::Alarm> alarm;
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<Loop::Watch> watch;
  loop.run_and_wait([&] {
    thread = static_cast<int>(::syscall(SYS_gettid));
    alarm = loop.make_alarm([] {});
    alarm->set(Clock::now() + 1h);
    watch = loop.make_watch(event, [] {});
  });
  std::this_thread::sleep_for(50ms);  // it goes to sleep
  const int64_t before = voluntary_switches(thread);
  ASSERT_GT(before, 0);
  std::this_thread::sleep_for(300ms);
  EXPECT_LE(voluntary_switches(thread) - before, 1) << "one may be the way to its sleep on a busy machine";
  loop.run_and_wait([&] {
    alarm.reset();
    watch.reset();
  });
  ::close(event);
}

}  // namespace
}  // namespace flare
