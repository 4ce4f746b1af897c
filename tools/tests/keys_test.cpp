#include "keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <zmq.h>

#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace flare_tool {
namespace {

namespace fs = std::filesystem;

class Keys : public testing::Test {
 protected:
  Keys() {
    std::string folder = testing::TempDir() + "keys-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
  }
  ~Keys() override { fs::remove_all(folder_); }

  static std::string text_of(const fs::path &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_F(Keys, AreAPairInTwoFiles) {
  const KeyFiles files = make_keys(folder_ / "trainer");
  EXPECT_EQ(files.secret_file, folder_ / "trainer.secret");
  EXPECT_EQ(files.public_file, folder_ / "trainer.public");
  EXPECT_EQ(fs::status(files.secret_file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  const std::string secret = text_of(files.secret_file);
  ASSERT_THAT(secret, testing::MatchesRegex("secret [^ \n]+\n"));
  std::array<char, 41> derived{};
  ASSERT_EQ(::zmq_curve_public(derived.data(), secret.substr(7, 40).c_str()), 0);
  EXPECT_EQ(text_of(files.public_file), "public " + std::string(derived.data()) + " trainer\n");
  EXPECT_NE(text_of(make_keys(folder_ / "other").secret_file), secret);
}

TEST_F(Keys, ReplaceNoFileAndLeaveNoHalfOfAPair) {
  for (const char *there : {"a.secret", "a.public"}) {
    std::ofstream(folder_ / there) << "in use";
    try {
      make_keys(folder_ / "a");
      ADD_FAILURE() << there << " was replaced";
    } catch (const std::runtime_error &error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(there));
      EXPECT_THAT(error.what(), testing::HasSubstr("not replaced"));
    }
    EXPECT_EQ(text_of(folder_ / there), "in use");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
    fs::remove(folder_ / there);
  }
  EXPECT_THROW(make_keys(folder_ / "missing" / "a"), std::runtime_error);
}

}  // namespace
}  // namespace flare_tool
