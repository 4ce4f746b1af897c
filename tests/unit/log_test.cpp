#include "runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "runtime/level_fd.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    char pattern[] = "/tmp/log_test_XXXXXX";
    folder = ::mkdtemp(pattern);
    file = folder / "agent.log";
  }
  ~LogTest() override { std::filesystem::remove_all(folder); }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    std::ifstream input(file);
    for (std::string line; std::getline(input, line);) lines.push_back(line);
    return lines;
  }
  static std::vector<std::string> unread(const Log &log) {
    std::vector<std::string> texts;
    while (const auto record = log.take())
      texts.push_back("DIWE"[static_cast<int>(record->level)] + (" " + record->text));
    return texts;
  }
  static bool is_readable(const Log &log) {
    pollfd entry{log.unread().get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  static void one_of_each(const Log &log) {
    log.debug("a debug");
    log.info("an info");
    log.warn("a warning");
    log.error("an error");
  }

  std::filesystem::path folder, file;
};

TEST_F(LogTest, WritesUtcTimeLevelNameAndText) {
  const Log log("debug", file);
  one_of_each(log);
  EXPECT_THAT(lines(), ElementsAre(EndsWith("Z D flare_agent: a debug"), EndsWith("Z I flare_agent: an info"),
                                   EndsWith("Z W flare_agent: a warning"), EndsWith("Z E flare_agent: an error")));
  EXPECT_THAT(lines(), Each(MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z .*")));
}

TEST_F(LogTest, LeavesOutWhatIsLessImportantThanItsLevel) {
  const struct {
    const char *level;
    size_t lines;
  } cases[] = {{"debug", 4}, {"info", 3}, {"warn", 2}, {"error", 1}, {"off", 0}};
  for (const auto &[level, count] : cases) {
    SCOPED_TRACE(level);
    std::filesystem::remove(file);
    const Log log(level, file);
    one_of_each(log);
    EXPECT_THAT(lines(), SizeIs(count));
    EXPECT_THAT(unread(log), SizeIs(count));
  }
}

TEST_F(LogTest, ARecordIsOneLineWhateverAPeerPutIntoIt) {
  const Log log("info", file);
  log.warn("one\ntwo\r\n\tthree\x1b[2J\x7f" + std::string(1, '\0') + "C:\\new");
  log.warn("{} %s {0:d}");
  log.warn("größer");
  EXPECT_THAT(lines(), ElementsAre(EndsWith(R"(one\ntwo\r\n\tthree\x1b[2J\x7f\x00C:\new)"), EndsWith("{} %s {0:d}"),
                                   EndsWith("größer")));
}

TEST_F(LogTest, AppendsToAFileThatOnlyItsOwnerMayRead) {
  const mode_t before = ::umask(0);
  Log("info", file).info("the first");
  ::umask(before);
  Log("info", file).info("the second");
  EXPECT_THAT(lines(), ElementsAre(EndsWith("the first"), EndsWith("the second")));
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(LogTest, MakesTheFoldersOfItsFile) {
  file = folder / "logs" / "today" / "agent.log";
  Log("info", file).info("there");
  EXPECT_THAT(lines(), SizeIs(1));
}

TEST_F(LogTest, AFileThatCannotBeWrittenIsNamed) {
  try {
    Log("info", folder);
    FAIL() << "a folder is no file";
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_IO);
    EXPECT_THAT(failure.what(), AllOf(HasSubstr("log_file"), HasSubstr(folder.string()), HasSubstr("directory")));
  }
}

TEST_F(LogTest, GoesToStderrWithoutAFile) {
  testing::internal::CaptureStderr();
  Log("warn", "").warn("seen");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), MatchesRegex(".* W flare_agent: seen\n"));
}

TEST_F(LogTest, NoFileMeansThatItIsOnlyRead) {
  testing::internal::CaptureStderr();
  const Log log("warn", "none");
  log.warn("read me");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(unread(log), ElementsAre("W read me"));
}

TEST_F(LogTest, CopiesShareFileAndUnreadRecords) {
  const Log log("info", file);
  const Log copy = log;
  log.info("one");
  copy.error("two\n");
  EXPECT_THAT(lines(), SizeIs(2));
  EXPECT_THAT(unread(log), ElementsAre("I one", R"(E two\n)"));
  EXPECT_THAT(unread(copy), IsEmpty());
}

TEST_F(LogTest, IsReadableWhileARecordIsUnreadAndAfterTheEnd) {
  const Log log("info", file);
  EXPECT_FALSE(is_readable(log));
  log.info("one");
  log.info("two");
  EXPECT_TRUE(is_readable(log));
  log.take();
  EXPECT_TRUE(is_readable(log));
  log.take();
  EXPECT_FALSE(is_readable(log));
  log.end_reading();
  EXPECT_TRUE(is_readable(log));
  log.info("three");
  log.take();
  EXPECT_TRUE(is_readable(log));
}

TEST_F(LogTest, KeepsTheLastThousandRecordsAndSaysHowManyItLost) {
  const Log log("info", file);
  for (int i = 1; i <= 1003; ++i) log.info("record " + std::to_string(i));
  const auto records = unread(log);
  ASSERT_THAT(records, SizeIs(1001));
  EXPECT_THAT(records[0], HasSubstr("3 log records were dropped"));
  EXPECT_EQ(records[1], "I record 4");
  EXPECT_EQ(records.back(), "I record 1003");
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  const Log log("info", file);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) log.info("thread " + std::string(100, static_cast<char>('a' + t)));
      unread(log);
    });
  }
  for (auto &thread : threads) thread.join();
  EXPECT_THAT(lines(), SizeIs(800));
  EXPECT_THAT(lines(), Each(MatchesRegex(".* I flare_agent: thread (a{100}|b{100}|c{100}|d{100})")));
}

}  // namespace
}  // namespace flare
