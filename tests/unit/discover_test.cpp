#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/failure.h"
#include "config/discover.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// In an empty working directory, and without the variables of whoever runs the tests.
class Discover : public testing::Test {
 protected:
  Discover() : old_(std::filesystem::current_path()) {
    std::string folder = testing::TempDir() + "discover-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
    std::filesystem::create_directory(folder_ + "/config");
    std::filesystem::current_path(folder_);
    for (const char *name : {"FLARE_AGENT_URL", "FLARE_AGENT_PROFILE", "NVFLARE_CLIENT_API_BOOTSTRAP"})
      ::unsetenv(name);
  }
  ~Discover() override {
    ::unsetenv("NVFLARE_CLIENT_API_BOOTSTRAP");
    std::filesystem::current_path(old_);
    std::filesystem::remove_all(folder_);
  }

  static void write(const std::string &path, const std::string &content) {
    std::ofstream(path) << content;
    ::chmod(path.c_str(), 0600);
  }
  std::string problem() const {
    try {
      resolve_for_agent(options);
      return "none";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
      return failure.what();
    }
  }

  Options options;

 private:
  std::filesystem::path old_;
  std::string folder_;
};

TEST_F(Discover, WithoutAnythingThereIsNoUrl) { EXPECT_EQ(resolve_for_agent(options).settings.url, ""); }

TEST_F(Discover, OurProfileIsFound) {
  write("config/flare_agent.json", R"({"url": "memory://a", "token": "t"})");
  const Resolved resolved = resolve_for_agent(options);
  EXPECT_EQ(resolved.settings.url, "memory://a");
  EXPECT_EQ(resolved.settings.token, "t");
  EXPECT_EQ(resolved.sources.at("url"), "profile config/flare_agent.json");
  EXPECT_EQ(resolved.sources.at("profile"), "found in the working directory");
  EXPECT_EQ(resolved.values.at("url"), "memory://a");
}

TEST_F(Discover, TheUrlMayAskForIt) {
  write("config/flare_agent.json", R"({"url": "memory://a", "token": "t"})");
  options.set("url", "nvflare:");
  const Resolved resolved = resolve_for_agent(options);
  EXPECT_EQ(resolved.settings.url, "memory://a");
  EXPECT_EQ(resolved.sources.at("url"), "profile config/flare_agent.json");
}

TEST_F(Discover, AGivenUrlOrProfileIsNotQuestioned) {
  write("config/flare_agent.json", R"({"url": "memory://a"})");
  write("given.json", R"({"site": "s"})");
  options.set("url", "memory://b");
  EXPECT_EQ(resolve_for_agent(options).settings.url, "memory://b");
  options = Options();
  options.set("profile", "given.json");
  EXPECT_EQ(resolve_for_agent(options).settings.url, "");
}

TEST_F(Discover, TheClientApiOf29IsRefusedByName) {
  write("config/flare_agent.json", R"({"url": "memory://a"})");
  ::setenv("NVFLARE_CLIENT_API_BOOTSTRAP", "/app/client_api_bootstrap_1.json", 1);
  EXPECT_THAT(problem(), AllOf(HasSubstr("NVFlare 2.9"), HasSubstr("/app/client_api_bootstrap_1.json"),
                               HasSubstr("AgentExecutor")));
}

TEST_F(Discover, TheClientApiOf28IsRefusedByName) {
  write("config/client_api_config.json", "{}");
  EXPECT_THAT(problem(), AllOf(HasSubstr("NVFlare 2.8"), HasSubstr("config/client_api_config.json")));
}

TEST_F(Discover, AskingForItWithoutAnythingSaysWhereItLooked) {
  options.set("url", "nvflare:");
  EXPECT_THAT(problem(), AllOf(HasSubstr("NVFLARE_CLIENT_API_BOOTSTRAP"), HasSubstr("config/flare_agent.json"),
                               HasSubstr("config/client_api_config.json")));
}

TEST_F(Discover, AProfileWithoutAUrlIsAMistakeWhenAskedFor) {
  write("config/flare_agent.json", R"({"site": "s"})");
  options.set("url", "nvflare:");
  EXPECT_THAT(problem(), HasSubstr("has no url"));
}

}  // namespace
}  // namespace flare
