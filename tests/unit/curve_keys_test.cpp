#include "config/curve_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/failure.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kOne = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";  // of the RFC of Z85's examples
const std::string kOther = std::string(40, '7');

class CurveKeysTest : public testing::Test {
 protected:
  CurveKeysTest() {
    std::string folder = testing::TempDir() + "curve-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
  }
  ~CurveKeysTest() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string &name, const std::string &content, mode_t mode) const {
    std::string path = folder_ + "/" + name;
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string secret_file(const std::string &content, mode_t mode = 0600) const {
    return file("own.secret", content, mode);
  }
  std::string public_file(const std::string &content, mode_t mode = 0644) const {
    return file("others.public", content, mode);
  }
  // Of an agent with these files.
  std::string problem(flare_status status = FLARE_INVALID_ARGUMENT) const {
    try {
      curve_keys_of_agent(settings_);
      return "none";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), status);
      EXPECT_THAT(failure.what(), AllOf(Not(HasSubstr(kOne)), Not(HasSubstr(kOther))));
      return failure.what();
    }
  }

  Settings settings_;
  std::string folder_;
};

TEST(CurveKey, IsFortyCharactersOfZ85) {
  EXPECT_TRUE(is_curve_key(kOne));
  EXPECT_TRUE(is_curve_key(kOther));
  EXPECT_TRUE(is_curve_key("%nSc0" + std::string(35, '0'))) << "2^32 - 1";
  EXPECT_FALSE(is_curve_key("%nSc1" + std::string(35, '0'))) << "2^32";
  EXPECT_FALSE(is_curve_key("#####" + std::string(35, '0')));
  EXPECT_FALSE(is_curve_key(""));
  EXPECT_FALSE(is_curve_key(std::string(39, '7')));
  EXPECT_FALSE(is_curve_key(std::string(41, '7')));
  for (const char wrong : {' ', '\'', '"', '\\', ',', ';', '_', '`', '|', '~', '\n', '\0'}) {
    EXPECT_FALSE(is_curve_key(wrong + std::string(39, '7'))) << wrong;
  }
}

TEST_F(CurveKeysTest, WithoutTheirOptionsThereAreNone) {
  EXPECT_FALSE(curve_keys_of_agent(settings_));
  EXPECT_FALSE(curve_keys_of_exchanger(settings_));
  settings_.curve_admitted_keys_file = "/missing";
  EXPECT_FALSE(curve_keys_of_agent(settings_)) << "that is an exchanger's";
  settings_.curve_admitted_keys_file = "";
  settings_.curve_exchanger_key = kOne;
  EXPECT_FALSE(curve_keys_of_exchanger(settings_)) << "that is an agent's";
}

TEST_F(CurveKeysTest, AnAgentReadsItsOwnAndItsExchangers) {
  settings_.curve_secret_key_file = secret_file("secret " + kOne + "\n");
  settings_.curve_exchanger_key_file = public_file("# of the site\n\n  public\t" + kOther + " site-1 and more\r\n");
  const auto keys = curve_keys_of_agent(settings_);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->secret, kOne);
  EXPECT_EQ(keys->exchanger, kOther);
  settings_.curve_exchanger_key_file = "";
  settings_.curve_exchanger_key = kOther;
  EXPECT_EQ(curve_keys_of_agent(settings_)->exchanger, kOther);
}

TEST_F(CurveKeysTest, AnExchangerReadsItsOwnAndWhomItAdmits) {
  settings_.curve_secret_key_file = secret_file("secret " + kOne);
  settings_.curve_admitted_keys_file = public_file("public " + kOther + "\npublic " + kOne + " b\n");
  EXPECT_THAT(curve_keys_of_exchanger(settings_)->admitted, ElementsAre(kOther, kOne));
}

TEST_F(CurveKeysTest, WhatIsMissingIsNamed) {
  settings_.curve_exchanger_key = kOne;
  EXPECT_THAT(problem(), HasSubstr("set the option curve_secret_key_file"));
  settings_.curve_exchanger_key = "";
  settings_.curve_secret_key_file = secret_file("secret " + kOne);
  EXPECT_THAT(problem(), HasSubstr("curve_exchanger_key_file or curve_exchanger_key"));
  EXPECT_THROW(curve_keys_of_exchanger(settings_), Failure);
  settings_.curve_exchanger_key = kOne;
  settings_.curve_exchanger_key_file = public_file("public " + kOne);
  EXPECT_THAT(problem(), HasSubstr("both set"));
  settings_.curve_exchanger_key_file = folder_ + "/missing";
  settings_.curve_exchanger_key = "";
  EXPECT_THAT(problem(FLARE_IO), AllOf(HasSubstr("missing"), HasSubstr("No such file")));
  settings_.curve_secret_key_file = "";
  settings_.curve_admitted_keys_file = public_file("public " + kOne);
  EXPECT_THROW(curve_keys_of_exchanger(settings_), Failure);
}

TEST_F(CurveKeysTest, ASecretIsForItsOwnerOnly) {
  settings_.curve_exchanger_key = kOther;
  for (const mode_t mode : {0600u, 0400u}) {
    settings_.curve_secret_key_file = secret_file("secret " + kOne, mode);
    EXPECT_EQ(problem(), "none");
    std::filesystem::remove(settings_.curve_secret_key_file);
  }
  for (const mode_t mode : {0640u, 0604u, 0620u, 0777u}) {
    settings_.curve_secret_key_file = secret_file("secret " + kOne, mode);
    EXPECT_THAT(problem(), HasSubstr("run chmod 600 " + settings_.curve_secret_key_file));
    std::filesystem::remove(settings_.curve_secret_key_file);
  }
}

TEST_F(CurveKeysTest, WhomToTrustIsForItsOwnerToSay) {
  settings_.curve_secret_key_file = secret_file("secret " + kOne);
  settings_.curve_exchanger_key_file = public_file("public " + kOther, 0664);
  EXPECT_THAT(problem(), HasSubstr("run chmod go-w " + settings_.curve_exchanger_key_file));
}

TEST_F(CurveKeysTest, AFileThatIsNoneIsRefusedByItsLine) {
  settings_.curve_exchanger_key = kOther;
  const auto problem_with = [&](const std::string &content) {
    settings_.curve_secret_key_file = secret_file(content);
    return problem();
  };
  EXPECT_THAT(problem_with(""), HasSubstr("has no line"));
  EXPECT_THAT(problem_with("# nothing\n"), HasSubstr("has no line"));
  EXPECT_THAT(problem_with(kOne + "\n"), HasSubstr("line 1 begins neither with 'secret' nor with 'public'"));
  EXPECT_THAT(problem_with("\nsecret\n"), HasSubstr("line 2 has no key of 40 characters behind 'secret'"));
  EXPECT_THAT(problem_with("secret " + kOne.substr(1)), HasSubstr("line 1 has no key"));
  EXPECT_THAT(problem_with("secret " + kOne + "x"), HasSubstr("line 1 has no key"));
  EXPECT_THAT(problem_with("public " + kOne), HasSubstr("line 1 has a public key where a secret one belongs"));
  EXPECT_THAT(problem_with("secret " + kOne + "\nsecret " + kOther), HasSubstr("more than one key"));
  EXPECT_THAT(problem_with(std::string(2u << 20, '#')), HasSubstr("larger than"));
  settings_.curve_secret_key_file = folder_;
  EXPECT_THAT(problem(), HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace flare
