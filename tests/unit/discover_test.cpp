#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
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

// The least that the file of 2.8 must say.
constexpr const char *kClientApi = R"({"TASK_EXCHANGE": {"transfer_type": "DIFF", "HEARTBEAT_TIMEOUT": 0,
  "train_task_name": "learn", "submit_result_timeout": 12.5, "launch_once": false, "pipe": {
    "CLASS_NAME": "nvflare.fuel.utils.pipe.cell_pipe.CellPipe",
    "ARG": {"site_name": "site-1", "token": "j", "root_url": "tcp://0:4000", "secure_mode": false}}}})";

TEST_F(Discover, TheFileOf28IsFoundAndDecidesWhatNobodyGave) {
  write("config/client_api_config.json", kClientApi);
  options.set("train_task_name", "mine");
  const Resolved resolved = resolve_for_agent(options);
  const Settings &settings = resolved.settings;
  ASSERT_NE(settings.client_api, nullptr);
  EXPECT_EQ(settings.client_api->place.url, "tcp://0:4000");
  EXPECT_TRUE(settings.client_api->pass_through);
  EXPECT_EQ(settings.url, "nvflare:" + std::filesystem::current_path().string() + "/config/client_api_config.json");
  EXPECT_EQ(resolved.values.at("url"), settings.url);
  EXPECT_EQ(resolved.sources.at("url"), "found in the working directory");
  EXPECT_EQ(settings.train_task_name, "mine");
  EXPECT_EQ(settings.params_transfer_type, "DIFF");
  EXPECT_EQ(resolved.sources.at("params_transfer_type"), "client API configuration config/client_api_config.json");
  EXPECT_EQ(settings.heartbeat_timeout, std::nullopt);
  EXPECT_EQ(settings.submit_result_timeout, std::chrono::milliseconds(12500));
  EXPECT_EQ(resolved.values.at("submit_result_timeout"), "12.5");
  EXPECT_EQ(resolved.values.at("download_complete_timeout"), "1800");
  EXPECT_EQ(settings.site, "site-1");
  EXPECT_EQ(settings.job_id, "j");
  EXPECT_FALSE(settings.launch_once);
}

TEST_F(Discover, TheUrlMayNameTheFileOf28) {
  write("elsewhere.json", kClientApi);
  options.set("url", "nvflare:elsewhere.json");
  const Resolved resolved = resolve_for_agent(options);
  ASSERT_NE(resolved.settings.client_api, nullptr);
  EXPECT_EQ(resolved.sources.at("url"), "set by flare_options_set");
  options.set("url", "nvflare:nowhere.json");
  EXPECT_THROW(resolve_for_agent(options), Failure);
}

TEST_F(Discover, ABrokenFileOf28IsNamed) {
  write("config/client_api_config.json", "{}");
  EXPECT_THAT(problem(),
              AllOf(HasSubstr("client API configuration config/client_api_config.json"), HasSubstr("TASK_EXCHANGE")));
}

TEST_F(Discover, TheUrlOfACellIsThePipeThatTheOptionsDescribe) {
  options.set("url", "cell+stcp://fl.example.org:8002");
  EXPECT_THAT(problem(), HasSubstr("option site"));
  options.set("site", "site-1");
  options.set("agent_id", "trainer");
  options.set("cell_parent", "site-1");
  options.set("cell_security", "mtls");
  options.set("workspace_dir", "/ws");
  options.set("auth_token", "secret");
  options.set("auth_token_signature", "signed");
  options.set("cell_metrics", "false");
  const Resolved resolved = resolve_for_agent(options);
  ASSERT_NE(resolved.settings.client_api, nullptr);
  const ClientApiConfig &config = *resolved.settings.client_api;
  EXPECT_EQ(config.place.url, "stcp://fl.example.org:8002");
  EXPECT_EQ(config.place.security, "mtls");
  EXPECT_EQ(config.place.parent, "site-1");
  EXPECT_EQ(config.site, "site-1");
  EXPECT_EQ(config.token, "trainer");
  EXPECT_EQ(config.workspace, "/ws");
  EXPECT_EQ(config.auth_token, "secret");
  EXPECT_EQ(config.auth_token_signature, "signed");
  EXPECT_EQ(config.metric_channel, std::nullopt);
  EXPECT_FALSE(config.pass_through);
}

TEST_F(Discover, AProfileMayHaveTheUrlOfACell) {
  write("config/flare_agent.json", R"({"url": "cell+tcp://localhost:4000", "site": "s"})");
  const Resolved resolved = resolve_for_agent(options);
  ASSERT_NE(resolved.settings.client_api, nullptr);
  EXPECT_EQ(resolved.settings.client_api->auth_token, "NA");
  EXPECT_EQ(resolved.settings.client_api->metric_channel, "metric");
  EXPECT_EQ(resolved.settings.client_api->place.parent, "server");
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
