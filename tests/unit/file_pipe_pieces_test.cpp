// What happens while a large file is under way: in the middle of reading it, and of writing it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "base/failure.h"
#include "file_pipe_ends.h"

namespace flare {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr size_t kLarge = 40 << 20;  // several pieces

std::string_view more_of(const Shareable &model) {
  const Value *more = model.body.find("more");
  return more && more->tensor() ? more->tensor()->bytes.text() : "";
}

// Acts in the loop, once while so many bytes and not all of a large file are through, and each time from then on.
class InTheMiddle {
 public:
  InTheMiddle(FileEnd *end, int64_t PipeStats::*bytes, std::function<void(int)> act)
      : end_(end), bytes_(bytes), act_(std::move(act)) {
    end_->loop().run_and_wait([this] {
      alarm_ = end_->loop().make_alarm([this] { look(); });
      alarm_->set(Clock::now());
    });
  }
  ~InTheMiddle() {
    end_->loop().run_and_wait([this] { alarm_.reset(); });
  }
  bool acted() const { return times_ > 0; }

 private:
  void look() {
    const int64_t bytes = end_->pipe().stats().*bytes_;
    if (bytes > 0 && bytes < static_cast<int64_t>(kLarge)) act_(times_++);
    alarm_->set(Clock::now());
  }

  FileEnd *end_;
  int64_t PipeStats::*bytes_;
  std::function<void(int)> act_;
  std::atomic<int> times_ = 0;
  std::unique_ptr<Loop::Alarm> alarm_;
};

constexpr int kNoDisk = 77;

// Of 60 MiB, seen by this process alone.
bool mount_small_disk(const files::path &place) {
  return ::unshare(::getuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) == 0 &&
         ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("disk", place.c_str(), "tmpfs", 0, "size=60m") == 0;
}

class FilePipePieces : public testing::Test {
 protected:
  std::vector<std::string> in(const std::string &folder) {
    std::vector<std::string> names;
    for (const auto &entry : files::directory_iterator(task_.folder() / folder))
      names.push_back(entry.path().filename().string());
    return names;
  }

  // What a process of its own does, and how it ends.
  int in_process(const std::function<void()> &work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  TemporaryFolder home_;
  FilePeer task_{home_.path() / "task"}, metric_{home_.path() / "metric"};
};

TEST_F(FilePipePieces, ALargeTaskArrivesWhole) {
  FileEnd end(home_.path());
  task_.put("REQ.train.a", bytes_of_task(1, kLarge));
  ASSERT_TRUE(end.hears("task a 1"));
  EXPECT_EQ(more_of(end.last_message()->data), std::string(kLarge, '\7'));
}

TEST_F(FilePipePieces, AnEndIsHeardWhileATaskIsRead) {
  FileEnd end(home_.path());
  const InTheMiddle middle(&end, &PipeStats::bytes_received, [&](int time) {
    if (time == 0) task_.put("REQ._END_.e");
  });
  task_.put("REQ.train.a", bytes_of_task(1, kLarge));
  EXPECT_TRUE(end.hears(with("over ", FLARE_ENDED)));
  EXPECT_TRUE(middle.acted());
  EXPECT_THAT(end.lines("task"), IsEmpty());
  EXPECT_TRUE(task_.lies("REQ.train.a"));
}

TEST_F(FilePipePieces, TasksBehindALargeOneKeepTheirOrderAndNothingElseWaits) {
  FileEnd end(home_.path());
  std::atomic<bool> beat_taken = false;
  const InTheMiddle middle(&end, &PipeStats::bytes_received, [&](int time) {
    if (time == 0) task_.put("REQ.train.b", bytes_of_task(2));
    if (time == 0) task_.put("REQ._HEARTBEAT_.h");
    if (time > 0) beat_taken = !task_.lies("REQ._HEARTBEAT_.h");
  });
  task_.put("REQ.train.a", bytes_of_task(1, kLarge));
  ASSERT_TRUE(end.hears("task b 2"));
  EXPECT_THAT(end.lines("task"), ElementsAre("task a 1", "task b 2"));
  EXPECT_TRUE(beat_taken) << "before the task was read";
}

TEST_F(FilePipePieces, ATaskTakenBackWhileItIsReadIsNone) {
  FileEnd end(home_.path());
  const InTheMiddle middle(&end, &PipeStats::bytes_received, [&](int time) {
    if (time == 0) files::remove(task_.folder() / "x" / "REQ.train.a");
  });
  task_.put("REQ.train.a", bytes_of_task(1, kLarge));
  EXPECT_TRUE(eventually([&] { return end.stats().bytes_received > static_cast<int64_t>(kLarge); }));
  task_.put("REQ.train.b", bytes_of_task(2));
  ASSERT_TRUE(end.hears("task b 2"));
  EXPECT_THAT(end.lines("task"), ElementsAre("task b 2"));
  EXPECT_THAT(end.lines("lost"), IsEmpty());
}

TEST_F(FilePipePieces, ATaskReadWhileTheTrainerStopsIsLeft) {
  FileEnd end(home_.path());
  const InTheMiddle middle(&end, &PipeStats::bytes_received, [&](int time) {
    if (time == 0) end.take_no_tasks(true);
  });
  task_.put("REQ.train.a", bytes_of_task(1, kLarge));
  EXPECT_TRUE(eventually([&] { return end.stats().bytes_received > static_cast<int64_t>(kLarge); }));
  ::usleep(100'000);
  EXPECT_THAT(end.lines("task"), IsEmpty());
  EXPECT_TRUE(task_.lies("REQ.train.a"));
  end.take_no_tasks(false);
  EXPECT_TRUE(end.hears("task a 1"));
}

TEST_F(FilePipePieces, ALargeOneThatIsBrokenAndCannotBeAnsweredEndsNothing) {
  FileEnd end(home_.path());
  const std::string id(220, 'i');  // with that of the answer it is too long for a file's name
  task_.put("REQ.train." + id, std::string(kLarge, '\0'));
  EXPECT_TRUE(end.hears("lost " + id));
  task_.put("REQ.train.b", bytes_of_task(2));
  EXPECT_TRUE(end.hears("task b 2"));
}

TEST_F(FilePipePieces, HeartbeatsGoOnWhileAResultIsWritten) {
  FileEnd end(home_.path());
  std::atomic<bool> lay_early = false;
  std::atomic<size_t> beats = 0;
  task_.put("REQ._HEARTBEAT_.h");
  ASSERT_TRUE(end.hears("up"));
  const InTheMiddle middle(&end, &PipeStats::bytes_sent, [&](int) {
    lay_early = lay_early || !task_.sent("REP").empty();
    for (const std::string &name : task_.sent(FilePeer::kBeat)) {
      ++beats;
      task_.take(name);
    }
    ::usleep(300'000);  // until others are due
  });
  const std::string name = end.reply_to("a", 1, milliseconds(1000), kLarge);  // which is less than the writing takes
  ASSERT_EQ(task_.wait("REP"), name);
  EXPECT_FALSE(lay_early) << "half a file";
  EXPECT_GE(beats, 2U);
  const std::string content = task_.take(name);
  EXPECT_GT(content.size(), kLarge);
  const Shareable result =
      fobs::read_shareable(fobs::decode(copy_bytes(content.data(), content.size()), Limits()), {}, {});
  EXPECT_EQ(number_of(result), 1);
  EXPECT_EQ(more_of(result), std::string(kLarge, '\7'));
  EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_OK)));
}

TEST_F(FilePipePieces, WhatIsGivenUpWhileItIsWrittenLeavesNothing) {
  for (const bool close : {false, true}) {
    FileEnd end(home_.path());
    const InTheMiddle middle(&end, &PipeStats::bytes_sent, [&](int time) {
      if (time > 0) return;
      EXPECT_THAT(in("t"), SizeIs(1));
      close ? end.pipe().close("closed") : end.pipe().cancel("result-a", FLARE_STALLED, "given up");
    });
    end.reply_to("a", 1, std::chrono::seconds(30), kLarge);
    EXPECT_TRUE(eventually([&] { return middle.acted() && in("t").empty(); }));
    EXPECT_THAT(task_.sent("REP"), IsEmpty());
    if (close) continue;
    EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_STALLED)));
    const std::string next = end.reply_to("b", 1);
    EXPECT_EQ(task_.wait("REP"), next) << "and the next one is sent";
    files::remove(task_.folder() / "y" / "REP.train.b.result-b");
  }
}

TEST_F(FilePipePieces, WhatThePeerClearsAwayWhileItIsWrittenIsNotDelivered) {
  FileEnd end(home_.path());
  const InTheMiddle middle(&end, &PipeStats::bytes_sent, [&](int time) {
    if (time > 0) return;
    for (const std::string &name : in("t")) files::remove(task_.folder() / "t" / name);
  });
  end.reply_to("a", 1, std::chrono::seconds(30), kLarge);
  EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_STALLED)));
  EXPECT_THAT(task_.sent("REP"), IsEmpty());
}

TEST_F(FilePipePieces, MetricsAreDeliveredWhenTheLastOfManyIs) {
  FileEnd end(home_.path());
  const auto batch = to_message(std::vector<Metric>(200, {"SCALAR", "loss", 0.5, 1, "", 0}));
  std::atomic<size_t> taken = 0;
  const InTheMiddle middle(&end, &PipeStats::bytes_sent, [&](int time) {
    if (time > 0) return;
    for (const std::string &name : metric_.sent("REQ.metric.")) {
      metric_.take(name);
      ++taken;
    }
  });
  end.send(batch);
  EXPECT_TRUE(eventually([&] { return metric_.sent("REQ.metric.").size() + taken == 200; }));
  EXPECT_GT(taken, 0U);
  ASSERT_LT(taken, 200U) << "all were written in one turn";
  ::usleep(50'000);
  EXPECT_THAT(end.lines("accepted"), IsEmpty());
  for (const std::string &name : metric_.sent("REQ.metric.")) metric_.take(name);
  EXPECT_TRUE(end.hears(with("settled " + batch->id + " ", FLARE_OK)));
}

TEST_F(FilePipePieces, KilledInTheMiddleItLeavesTheTaskAndTheFolderToTheNext) {
  for (const bool reading : {true, false}) {
    const int status = in_process([&] {
      FileEnd end(home_.path());
      const InTheMiddle middle(&end, reading ? &PipeStats::bytes_received : &PipeStats::bytes_sent,
                               [&](int) { ::raise(SIGKILL); });
      if (reading) task_.put("REQ.train.a", bytes_of_task(1, kLarge));
      if (!reading) end.reply_to("a", 1, std::chrono::seconds(30), kLarge);
      ::sleep(60);
    });
    EXPECT_TRUE(WIFSIGNALED(status));
    const auto leftovers = in("t");
    EXPECT_THAT(leftovers, SizeIs(reading ? 0 : 1)) << "it was killed in the middle";
    EXPECT_THAT(task_.sent("REP"), IsEmpty());
    FileEnd end(home_.path());
    for (const std::string &name : leftovers) EXPECT_FALSE(FilePeer::exists(task_.folder() / "t" / name));
    EXPECT_TRUE(!reading || end.hears("task a 1"));
  }
}

TEST_F(FilePipePieces, AFolderHasOneTrainer) {
  files::create_directory_symlink(home_.path(), home_.path() / "same");
  FileEnd end(home_.path());
  for (const files::path &path : {home_.path(), home_.path() / "same"}) {
    try {
      FileEnd second(path);
      ADD_FAILURE() << "both are open";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_REFUSED);
      EXPECT_THAT(failure.what(), HasSubstr("process " + std::to_string(::getpid()) + " is the trainer of"));
      EXPECT_THAT(failure.what(), HasSubstr("rank 0"));
    }
  }
  task_.put("REQ._END_.e");
  EXPECT_TRUE(end.hears(with("over ", FLARE_ENDED)));
  FileEnd next(home_.path());  // when the session is over, be the agent closed or not
  task_.put("REQ.train.a", bytes_of_task(1));
  EXPECT_TRUE(next.hears("task a 1"));
}

TEST_F(FilePipePieces, AFileThatMayNotGrowFailsItsResultAndNothingElse) {
  EXPECT_EQ(in_process([&] {
              FileEnd end(home_.path());
              const rlimit limit{10 << 20, RLIM_INFINITY};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              end.reply_to("a", 1, std::chrono::seconds(30), kLarge);
              EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_IO)));
              EXPECT_THAT(in("t"), IsEmpty());
              const std::string next = end.reply_to("b", 1);
              EXPECT_EQ(task_.wait("REP"), next);
            }),
            0);
}

TEST_F(FilePipePieces, AResultWaitsForSpaceOnAFullDiskAsLongAsItMay) {
  const int status = in_process([&] {
    const files::path disk = home_.path() / "disk";
    files::create_directory(disk);
    if (!mount_small_disk(disk)) ::_exit(kNoDisk);
    const FilePeer peer(disk / "task");
    FileEnd end(disk);
    std::ofstream(disk / "other") << std::string(kLarge, '\0');
    end.reply_to("a", 1, milliseconds(1), kLarge);
    EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_IO)));
    EXPECT_TRUE(files::is_empty(disk / "task" / "t"));
    const std::string name = end.reply_to("b", 1, std::chrono::seconds(60), kLarge);
    ::usleep(300'000);
    EXPECT_THAT(end.lines("settled result-b"), IsEmpty());
    files::remove(disk / "other");
    EXPECT_EQ(peer.wait("REP"), name);
    peer.take(name);
    EXPECT_TRUE(end.hears(with("settled result-b ", FLARE_OK)));
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoDisk)
    GTEST_SKIP() << "this system lets nobody mount a file system";
  EXPECT_EQ(status, 0);
}

#ifndef FLARE_SANITIZED  // a sanitizer needs descriptors of its own to look at objects
TEST_F(FilePipePieces, TooManyOpenFilesEndNothing) {
  EXPECT_EQ(in_process([&] {
              FileEnd end(home_.path());
              ASSERT_NE(task_.wait(FilePeer::kBeat), "nothing came");
              std::ofstream(task_.folder() / "t" / "later") << bytes_of_task(1);
              rlimit few{}, many{};
              ::getrlimit(RLIMIT_NOFILE, &many);
              few = {3, many.rlim_max};
              ::setrlimit(RLIMIT_NOFILE, &few);
              files::rename(task_.folder() / "t" / "later", task_.folder() / "x" / "REQ.train.a");
              end.reply_to("b", 1);
              ::usleep(1'200'000);  // a look at everything
              ::setrlimit(RLIMIT_NOFILE, &many);
              EXPECT_TRUE(end.hears("task a 1"));
              EXPECT_EQ(task_.wait("REP"), "REP.train.b.result-b");
              EXPECT_THAT(end.lines("over"), IsEmpty());
            }),
            0);
}
#endif

TEST_F(FilePipePieces, WhatIsDeletedWhileTheFolderIsLookedAtIsNotDelivered) {
  FileEnd end(home_.path());
  std::atomic<bool> enough = false;
  std::thread others([&] {  // each time the pipe looks at everything
    for (; !enough; files::remove(task_.folder() / "other")) std::ofstream(task_.folder() / "other");
  });
  for (int i = 0; i < 300; ++i) {
    const std::string task = std::to_string(i);
    files::remove(task_.folder() / "y" / end.reply_to(task, 1));
    EXPECT_TRUE(end.hears(with("settled result-" + task + " ", FLARE_STALLED)));
  }
  enough = true;
  others.join();
}

}  // namespace
}  // namespace flare
