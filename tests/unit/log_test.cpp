#include "runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/failure.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
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
  static void one_of_each(const Log &log) {
    log.trace("a trace");
    log.debug("a debug");
    log.info("an info");
    log.warn("a warning");
    log.error("an error");
  }

  std::filesystem::path folder, file;
};

TEST_F(LogTest, WritesUtcTimeLevelNameAndText) {
  const Log log("trace", file);
  one_of_each(log);
  EXPECT_THAT(lines(), ElementsAre(EndsWith("Z T flare_agent: a trace"), EndsWith("Z D flare_agent: a debug"),
                                   EndsWith("Z I flare_agent: an info"), EndsWith("Z W flare_agent: a warning"),
                                   EndsWith("Z E flare_agent: an error")));
  EXPECT_THAT(lines(), Each(MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z .*")));
}

TEST_F(LogTest, LeavesOutWhatIsLessImportantThanItsLevel) {
  const struct {
    const char *level;
    size_t lines;
  } cases[] = {{"trace", 5}, {"debug", 4}, {"info", 3}, {"warn", 2}, {"error", 1}, {"off", 0}};
  for (const auto &[level, count] : cases) {
    SCOPED_TRACE(level);
    std::filesystem::remove(file);
    const Log log(level, file);
    one_of_each(log);
    EXPECT_THAT(lines(), SizeIs(count));
    EXPECT_THAT(log.recent(), SizeIs(count));
    EXPECT_EQ(log.enabled(Log::Level::kTrace), count == 5);
    EXPECT_EQ(log.enabled(Log::Level::kWarn), count >= 2);
    EXPECT_EQ(log.enabled(Log::Level::kError), count >= 1);
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

TEST_F(LogTest, CopiesShareFileAndRecentLines) {
  const Log log("info", file);
  const Log copy = log;
  log.info("one");
  copy.info("two");
  EXPECT_THAT(lines(), SizeIs(2));
  EXPECT_THAT(log.recent(), ElementsAre(EndsWith("I flare_agent: one"), EndsWith("I flare_agent: two")));
}

TEST_F(LogTest, RemembersTheLastFiftyLines) {
  const Log log("info", file);
  EXPECT_THAT(log.recent(), IsEmpty());
  for (int i = 1; i <= 60; ++i) log.info("record " + std::to_string(i));
  const auto recent = log.recent();
  ASSERT_THAT(recent, SizeIs(50));
  EXPECT_THAT(recent.front(), EndsWith(" record 11"));
  EXPECT_THAT(recent.back(), EndsWith(" record 60"));
  EXPECT_THAT(recent, Each(Not(HasSubstr("\n"))));
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  const Log log("info", file);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) log.info("thread " + std::string(100, static_cast<char>('a' + t)));
      log.recent();
    });
  }
  for (auto &thread : threads) thread.join();
  EXPECT_THAT(lines(), SizeIs(800));
  EXPECT_THAT(lines(), Each(MatchesRegex(".* I flare_agent: thread (a{100}|b{100}|c{100}|d{100})")));
}

}  // namespace
}  // namespace flare
