#include "pipe/file/file_pipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/failure.h"
#include "file_pipe_ends.h"

namespace flare {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

class FilePipeTest : public testing::Test {
 protected:
  // While the pipe may put something into it.
  void remove_folder() {
    EXPECT_TRUE(eventually([&] {
      std::error_code error;
      files::remove_all(task_.folder(), error);
      return !error;
    }));
  }

  TemporaryFolder home_;
  FilePeer task_{home_.path() / "task"}, metric_{home_.path() / "metric"};

  bool refused(const std::string &name) { return FilePeer::exists(task_.folder() / "refused" / name); }
  Shareable taken(const std::string &name) {
    const std::string content = task_.take(name);
    return fobs::read_shareable(fobs::decode(copy_bytes(content.data(), content.size()), Limits()), {}, {});
  }
};

TEST_F(FilePipeTest, ATaskIsTakenAndItsResultDelivered) {
  FileEnd end(home_.path());
  task_.put("REQ.train.a", bytes_of_task(7));
  ASSERT_TRUE(end.hears("task a 7"));
  EXPECT_FALSE(task_.lies("REQ.train.a"));
  const std::string name = end.reply_to("a", 8);
  ASSERT_EQ(task_.wait("REP"), name);
  EXPECT_THAT(end.lines("accepted"), IsEmpty()) << "before it was taken";
  EXPECT_EQ(number_of(taken(name)), 8);
  EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_OK)));
  EXPECT_THAT(end.lines(), ElementsAre("up", "task a 7", "accepted result-a", with("settled result-a ", FLARE_OK)));
}

TEST_F(FilePipeTest, TheOldestComesFirst) {
  int hours = 0;
  for (const char *id : {"c", "a", "b"}) {
    const std::string name = std::string("REQ.train.") + id;
    task_.put(name, bytes_of_task(1));
    files::last_write_time(task_.folder() / "x" / name,
                           files::file_time_type::clock::now() + std::chrono::hours(++hours));
  }
  FileEnd end(home_.path());  // what was there before is taken as well
  ASSERT_TRUE(end.hears("task b 1"));
  EXPECT_THAT(end.lines("task"), ElementsAre("task c 1", "task a 1", "task b 1"));
}

TEST_F(FilePipeTest, WhatIsNoMessageIsSetAsideAndTheRestGoesOn) {
  Settings settings = FileEnd::quick();
  settings.limits.max_message_bytes = 1 << 16;
  FileEnd end(home_.path(), settings);
  const files::path secret = home_.path() / "secret";
  std::ofstream(secret) << bytes_of_task(1);
  const auto in = [&](const char *name) { return (task_.folder() / "x" / name).string(); };
  files::create_symlink(secret, in("REQ.train.link"));
  files::create_directory(in("REQ.train.folder"));
  ASSERT_EQ(::mkfifo(in("REQ.train.fifo").c_str(), 0600), 0);
  std::ofstream(in(".hidden")) << "of somebody else";
  task_.put("stray.txt", "stray");
  task_.put("REQ.train.a.b", bytes_of_task(1));
  const std::string good = bytes_of_task(2);
  task_.put("REQ.train.half", good.substr(0, good.size() / 2));
  task_.put("REQ.train.empty");
  task_.put("REQ.train.noise", "this is not FOBS");
  task_.put("REQ.train.large", std::string((1 << 16) + 1, '\0'));
  task_.put("REP.train.q.r", good);
  task_.put("REQ.train.good", good);
  ASSERT_TRUE(end.hears("task good 2"));
  for (const char *name :
       {"REQ.train.link", "REQ.train.folder", "REQ.train.fifo", "stray.txt", "REQ.train.a.b", "REQ.train.half",
        "REQ.train.empty", "REQ.train.noise", "REQ.train.large", "REP.train.q.r"}) {
    EXPECT_TRUE(eventually([&] { return refused(name) && !task_.lies(name); })) << name;
  }
  EXPECT_TRUE(task_.lies(".hidden")) << "not of a pipe";
  EXPECT_TRUE(files::exists(secret));
  for (const char *id : {"half", "empty", "noise", "large"}) {
    EXPECT_TRUE(end.hears(std::string("lost ") + id));
    const std::string name = task_.wait(std::string("REP.train.") + id + ".");
    ASSERT_THAT(name, StartsWith("REP")) << id;
    EXPECT_EQ(text_header(taken(name), header::kReturnCode), "BAD_TASK_DATA") << id;
  }
  EXPECT_THAT(task_.sent("REP"), IsEmpty()) << "nothing else is answered";
  EXPECT_EQ(end.stats().frames_rejected, 10);
}

TEST_F(FilePipeTest, NoMoreThanAFewAreKept) {
  FileEnd end(home_.path());
  for (int i = 0; i < 100; ++i) task_.put("stray-" + std::to_string(i));
  EXPECT_TRUE(eventually([&] { return files::is_empty(task_.folder() / "x"); }));
  const auto kept = files::directory_iterator(task_.folder() / "refused");
  EXPECT_EQ(std::distance(begin(kept), files::directory_iterator()), 64);
}

TEST_F(FilePipeTest, ARepeatedMessageIsDropped) {
  FileEnd end(home_.path());
  task_.put("REQ.train.a", bytes_of_task(1));
  ASSERT_TRUE(end.hears("task a 1"));
  task_.put("REQ.train.a", bytes_of_task(1));
  EXPECT_TRUE(eventually([&] { return !task_.lies("REQ.train.a"); }));
  EXPECT_TRUE(eventually([&] { return end.stats().duplicates_dropped == 1; }));
  EXPECT_THAT(end.lines("task"), ElementsAre("task a 1"));
}

TEST_F(FilePipeTest, WhatIsNotTakenYetStaysInItsPlaceAndItsOrder) {
  FileEnd end(home_.path());
  end.take_no_tasks(true);
  task_.put("REQ.train.a", bytes_of_task(1));
  task_.put("REQ.train.b", bytes_of_task(2));
  task_.put("REQ._HEARTBEAT_.h");
  EXPECT_TRUE(eventually([&] { return !task_.lies("REQ._HEARTBEAT_.h"); })) << "nothing waits behind it";
  EXPECT_TRUE(task_.lies("REQ.train.a"));
  end.take_no_tasks(false);
  ASSERT_TRUE(end.hears("task b 2"));
  EXPECT_THAT(end.lines("task"), ElementsAre("task a 1", "task b 2"));
}

TEST_F(FilePipeTest, HeartbeatsGoOnAsLongAsTheyAreTakenAndOneWaits) {
  FileEnd end(home_.path());
  for (const FilePeer *peer : {&task_, &metric_}) {
    for (int i = 0; i < 3; ++i) {
      const std::string name = peer->wait(FilePeer::kBeat);
      ::usleep(150'000);
      EXPECT_THAT(peer->sent(FilePeer::kBeat), ElementsAre(name)) << "no second one";
      peer->take(name);
    }
  }
  EXPECT_THAT(end.lines(), ElementsAre("up"));
  end.close();
  EXPECT_THAT(task_.sent(""), IsEmpty()) << "no sign of life of the dead";
}

TEST_F(FilePipeTest, AnEndOrAnAbortIsOneEvenWhenItIsTakenBackAtOnce) {
  for (const auto &[name, status] :
       {std::pair("REQ._END_.e", FLARE_ENDED), std::pair("REQ._ABORT_.e", FLARE_ABORTED)}) {
    for (const FilePeer *peer : {&task_, &metric_}) {
      FileEnd end(home_.path());
      peer->put(name, "whatever");
      EXPECT_TRUE(end.hears(with("over ", status)));
      EXPECT_TRUE(eventually([&, name = name] { return !peer->lies(name); }));
    }
    FileEnd end(home_.path());
    end.take_no_tasks(true);
    task_.put(name);
    files::remove(task_.folder() / "x" / name);
    remove_folder();
    EXPECT_TRUE(end.hears(with("over ", status)));
    FilePeer again(home_.path() / "task");
  }
}

TEST_F(FilePipeTest, AResultNotTakenByTheEndIsNotDelivered) {
  FileEnd end(home_.path());
  const std::string name = end.reply_to("a", 1);
  task_.put("REQ._END_.e");
  EXPECT_TRUE(end.hears(with("over ", FLARE_ENDED)));
  EXPECT_THAT(end.lines("settled"), ElementsAre(with("settled result-a ", FLARE_ENDED)));
  EXPECT_THAT(task_.sent("REP"), IsEmpty()) << "it is withdrawn";
  end.reply_to("b", 1);
  EXPECT_TRUE(end.hears("not accepted result-b"));
}

TEST_F(FilePipeTest, AFolderThatIsDeletedIsAPeerGone) {
  FileEnd end(home_.path());
  task_.put("REQ.train.a", bytes_of_task(1));
  ASSERT_TRUE(end.hears("task a 1"));
  remove_folder();
  EXPECT_TRUE(end.hears(with("over ", FLARE_PEER_GONE)));
}

TEST_F(FilePipeTest, APeerThatFallsSilentIsGoneAndAFileLeftToLieIsNoSignOfLife) {
  Settings settings = FileEnd::quick();
  settings.heartbeat_timeout = milliseconds(1300);
  FileEnd end(home_.path(), settings);
  ::usleep(1'500'000);
  EXPECT_THAT(end.lines(), IsEmpty()) << "nobody was there yet";
  end.take_no_tasks(true);
  task_.put("REQ.train.a", bytes_of_task(1));
  EXPECT_TRUE(end.hears(with("over ", FLARE_PEER_GONE)));
}

TEST_F(FilePipeTest, NobodyThereWithinTheTimeIsUnreachable) {
  Settings settings = FileEnd::quick();
  settings.connect_timeout = milliseconds(200);
  FileEnd end(home_.path(), settings);
  EXPECT_TRUE(end.hears(with("over ", FLARE_UNREACHABLE)));
}

TEST_F(FilePipeTest, WhatThePeerDeletesUnreadIsNotDelivered) {
  FileEnd end(home_.path());
  files::remove(task_.folder() / "y" / end.reply_to("a", 1));
  EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_STALLED)));
  EXPECT_THAT(end.lines("not accepted"), ElementsAre("not accepted result-a"));
}

TEST_F(FilePipeTest, WhatIsNotTakenInTimeIsTakenBack) {
  FileEnd end(home_.path());
  end.reply_to("a", 1, milliseconds(100));
  EXPECT_TRUE(end.hears("not accepted result-a"));
  end.reply_to("b", 1);
  end.cancel("result-b");
  EXPECT_TRUE(end.hears(with("settled result-b ", FLARE_STALLED)));
  EXPECT_THAT(task_.sent("REP"), IsEmpty());
}

TEST_F(FilePipeTest, AFullDiskOrAMissingFolderFailsTheResult) {
  FileEnd end(home_.path());
  task_.wait(FilePeer::kBeat);  // nothing else is put there meanwhile
  files::remove(task_.folder() / "t");
  end.reply_to("a", 1);
  EXPECT_TRUE(end.hears(with("settled result-a ", FLARE_IO)));
}

TEST_F(FilePipeTest, EachMetricIsAFile) {
  FileEnd end(home_.path());
  const auto batch = to_message({{"SCALAR", "loss", 0.5, 1, "", 0}, {"SCALAR", "loss", 0.25, 2, "", 0}});
  end.send(batch);
  EXPECT_EQ(metric_.sent("REQ.metric.").size(), 2U);
  metric_.take(metric_.wait("REQ.metric."));
  ::usleep(50'000);
  EXPECT_THAT(end.lines("accepted"), IsEmpty());
  metric_.take(metric_.wait("REQ.metric."));
  EXPECT_TRUE(end.hears(with("settled " + batch->id + " ", FLARE_OK)));
}

TEST_F(FilePipeTest, WhatIsSentAtOnceHasAnOrder) {
  FileEnd end(home_.path());
  std::vector<Metric> batch(50, {"SCALAR", "loss", 0.5, 1, "", 0});
  end.send(to_message(batch));
  std::set<files::file_time_type> times;
  for (const std::string &name : metric_.sent("REQ.metric."))
    times.insert(files::last_write_time(metric_.folder() / "y" / name));
  EXPECT_EQ(times.size(), batch.size());
}

TEST_F(FilePipeTest, MetricsThatNobodyAwaitsAreDropped) {
  FileEnd end(home_.path(), FileEnd::quick(), false);
  const auto batch = to_message({{"SCALAR", "loss", 0.5, 1, "", 0}});
  end.send(batch);
  EXPECT_TRUE(end.hears(with("settled " + batch->id + " ", FLARE_OK)));
  EXPECT_THAT(metric_.sent(""), IsEmpty());
}

TEST_F(FilePipeTest, WhatIsLeftOfOneBeforeDoesNoHarm) {
  std::ofstream(task_.folder() / "t" / "REP.train.old.half") << "half";
  std::ofstream(task_.folder() / "y" / "REP.train.old.r") << "whole";
  task_.put("REQ.train.a", bytes_of_task(1));
  FileEnd end(home_.path());
  ASSERT_TRUE(end.hears("task a 1"));
  task_.take("REP.train.old.r");
  const std::string name = end.reply_to("a", 2);
  task_.take(name);
  EXPECT_TRUE(end.hears("accepted result-a"));
}

TEST_F(FilePipeTest, FoldersAreMadeAndPlacesThatCannotBeAreRefused) {
  FileEnd end(home_.path() / "new" / "root");
  FilePeer peer(home_.path() / "new" / "root" / "task");
  peer.put("REQ.train.a", bytes_of_task(3));
  EXPECT_TRUE(end.hears("task a 3"));
  std::ofstream(home_.path() / "file") << "no folder";
  try {
    FileEnd none(home_.path() / "file");
    FAIL() << "a file as a root";
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_IO);
  }
}

}  // namespace
}  // namespace flare
