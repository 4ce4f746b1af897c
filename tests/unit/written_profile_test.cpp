#include "config/written_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "base/failure.h"
#include "config/profile.h"

namespace flare {
namespace {

using Values = std::map<std::string, std::string>;

class WrittenProfileTest : public testing::Test {
 protected:
  WrittenProfileTest() {
    std::string folder = testing::TempDir() + "written-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
    path_ = folder_ + "/trainer.json";
  }
  ~WrittenProfileTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_, path_;
};

TEST_F(WrittenProfileTest, IsReadAsAProfileAndGoesWithItsObject) {
  const Values values = {{"url", "zmq+tcp://host:1"}, {"token", "quoted \" and \\"}};
  {
    const WrittenProfile written(path_, values);
    EXPECT_EQ(read_profile(path_), values);
    struct stat file {};
    ASSERT_EQ(::stat(path_.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 07777u, 0600u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(WrittenProfileTest, TakesThePlaceOfAnotherAndLeavesTheNextOneAlone) {
  std::ofstream(path_) << "left by somebody who was killed";
  auto first = std::make_unique<WrittenProfile>(path_, Values{{"url", "first"}});
  EXPECT_EQ(read_profile(path_).at("url"), "first");
  const WrittenProfile second(path_, {{"url", "second"}});
  first.reset();
  EXPECT_EQ(read_profile(path_).at("url"), "second");
}

TEST_F(WrittenProfileTest, ThatCannotBeWrittenLeavesNothing) {
  std::filesystem::create_directory(path_);
  for (const std::string &path : {path_, folder_ + "/missing/trainer.json"}) {
    try {
      const WrittenProfile written(path, {{"token", "hidden"}});
      ADD_FAILURE() << path;
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_IO);
      EXPECT_THAT(failure.what(), testing::StartsWith("profile " + path + " cannot be written: "));
    }
  }
  const std::filesystem::directory_iterator left(folder_);
  EXPECT_EQ(std::distance(begin(left), end(left)), 1);
}

}  // namespace
}  // namespace flare
