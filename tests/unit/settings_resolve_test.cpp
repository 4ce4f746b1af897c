#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/failure.h"
#include "config/settings.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Resolve : public testing::Test {
 protected:
  Resolve() {
    std::string folder = testing::TempDir() + "settings-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
    for (char **entry = ::environ; *entry; ++entry) {
      const std::string text(*entry);
      if (text.starts_with("FLARE_AGENT_")) set_.push_back(text.substr(0, text.find('=')));
    }
    clear();  // of whoever runs the tests
  }
  ~Resolve() override {
    clear();
    std::filesystem::remove_all(folder_);
  }

  void variable(const std::string &name, const std::string &value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }
  std::string profile(const std::string &content, mode_t mode = 0600) {
    std::string path = folder_ + "/profile.json";
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    options.set("profile", path);
    return path;
  }
  std::string problem(flare_status status = FLARE_INVALID_ARGUMENT) {
    try {
      resolve(options);
      return "none";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), status);
      return failure.what();
    }
  }
  const std::string &folder() const { return folder_; }

  Options options;

 private:
  void clear() {
    for (const std::string &name : set_) ::unsetenv(name.c_str());
    set_.clear();
  }
  std::string folder_;
  std::vector<std::string> set_;
};

TEST_F(Resolve, WithoutAnythingTheDefaultsStand) {
  const Resolved resolved = resolve(options);
  EXPECT_EQ(resolved.settings.heartbeat_timeout, 60s);
  EXPECT_EQ(resolved.settings.url, "");
  EXPECT_THAT(resolved.unknown, IsEmpty());
  EXPECT_EQ(resolved.sources.size(), option_count());
  for (size_t i = 0; i < option_count(); ++i) EXPECT_EQ(resolved.sources.at(option_at(i).name), "default");
}

TEST_F(Resolve, TheCallWinsOverTheEnvironmentOverTheProfile) {
  const std::string path =
      profile(R"({"agent_id": "from_profile", "site": "from_profile", "job_id": "from_profile"})", 0644);
  variable("FLARE_AGENT_AGENT_ID", "from_environment");
  variable("FLARE_AGENT_SITE", "from_environment");
  options.set("agent_id", "from_call");
  const Resolved resolved = resolve(options);
  EXPECT_EQ(resolved.settings.agent_id, "from_call");
  EXPECT_EQ(resolved.settings.site, "from_environment");
  EXPECT_EQ(resolved.settings.job_id, "from_profile");
  EXPECT_EQ(resolved.sources.at("agent_id"), "set by flare_options_set");
  EXPECT_EQ(resolved.sources.at("site"), "environment variable FLARE_AGENT_SITE");
  EXPECT_EQ(resolved.sources.at("job_id"), "profile " + path);
  EXPECT_EQ(resolved.sources.at("profile"), "set by flare_options_set");
  EXPECT_EQ(resolved.sources.at("url"), "default");
  EXPECT_THAT(resolved.unknown, IsEmpty());
}

TEST_F(Resolve, EveryOptionHasAVariable) {
  for (size_t i = 0; i < option_count(); ++i) {
    const Option &option = option_at(i);
    if (*option.default_value == '\0') continue;
    std::string name = "FLARE_AGENT_";
    for (const char *letter = option.name; *letter != '\0'; ++letter) {
      name += *letter == '_' ? '_' : static_cast<char>(*letter - 'a' + 'A');
    }
    variable(name, option.default_value);
    const Resolved resolved = resolve(options);
    EXPECT_EQ(resolved.sources.at(option.name), "environment variable " + name);
    EXPECT_THAT(resolved.unknown, IsEmpty());
  }
}

TEST_F(Resolve, AnEmptyVariableIsNone) {
  profile(R"({"site": "from_profile"})");
  variable("FLARE_AGENT_SITE", "");
  variable("FLARE_AGENT_CLOSE_TIMEOUT", "");
  variable("FLARE_AGENT_NONSENSE", "");
  const Resolved resolved = resolve(options);
  EXPECT_EQ(resolved.settings.site, "from_profile");
  EXPECT_EQ(resolved.sources.at("close_timeout"), "default");
  EXPECT_THAT(resolved.unknown, IsEmpty());
}

TEST_F(Resolve, AnEmptyTextOfTheCallIsAValue) {
  variable("FLARE_AGENT_SITE", "from_environment");
  variable("FLARE_AGENT_PROFILE", folder() + "/missing.json");
  options.set("site", "");
  options.set("profile", "");
  EXPECT_EQ(resolve(options).settings.site, "");
}

TEST_F(Resolve, UnknownVariablesAreListed) {
  variable("FLARE_AGENT_URLL", "x");
  variable("FLARE_AGENT_HEARTBEAT_TIMOUT", "5");
  variable("FLARE_AGENT_url", "x");
  variable("FLARE_AGENT_", "x");
  for (const char *name : {"FLARE_AGENT_LIBRARY", "FLARE_AGENT_LIB_DIR", "FLARE_AGENT_LIBRARY_PATH"}) {
    variable(name, "x");
  }
  EXPECT_THAT(resolve(options).unknown,
              ElementsAre("FLARE_AGENT_", "FLARE_AGENT_HEARTBEAT_TIMOUT", "FLARE_AGENT_URLL", "FLARE_AGENT_url"));
}

TEST_F(Resolve, ABadValueIsNamedWithItsSource) {
  variable("FLARE_AGENT_CLOSE_TIMEOUT", "soon");
  EXPECT_THAT(problem(), HasSubstr("option close_timeout: the value 'soon' (environment variable "
                                   "FLARE_AGENT_CLOSE_TIMEOUT) is not a number of seconds"));
  options.set("close_timeout", "3");
  EXPECT_EQ(problem(), "none") << "what is overridden does no harm";
}

TEST_F(Resolve, ABadTokenIsNamedWithoutItsValue) {
  variable("FLARE_AGENT_TOKEN", std::string(5000, 's'));
  EXPECT_EQ(problem(), "option token: the value (environment variable FLARE_AGENT_TOKEN) is longer than 4096 bytes");
}

// PH-01
TEST_F(Resolve, TheHeartbeatTimeoutMustBeGreaterThanTheInterval) {
  variable("FLARE_AGENT_HEARTBEAT_INTERVAL", "60");
  EXPECT_EQ(problem(),
            "heartbeat_timeout '60' (default) must be greater than heartbeat_interval '60' (environment variable "
            "FLARE_AGENT_HEARTBEAT_INTERVAL), or 'none'");
  options.set("heartbeat_timeout", "60.1");
  EXPECT_EQ(problem(), "none");
  options.set("heartbeat_timeout", "none");
  EXPECT_EQ(problem(), "none");
}

TEST_F(Resolve, AProfileHasTextNumbersAndFlags) {
  profile(R"({"url": "memory://x", "close_timeout": 1.5, "metric_queue": 7, "allow_insecure": true,
              "max_resends": "unlimited", "heartbeat_timeout": "none", "max_tensor_bytes": "2GiB"})");
  const Settings settings = resolve(options).settings;
  EXPECT_EQ(settings.url, "memory://x");
  EXPECT_EQ(settings.close_timeout, 1500ms);
  EXPECT_EQ(settings.metric_queue, 7);
  EXPECT_TRUE(settings.allow_insecure);
  EXPECT_EQ(settings.max_resends, std::nullopt);
  EXPECT_EQ(settings.heartbeat_timeout, std::nullopt);
  EXPECT_EQ(settings.limits.max_tensor_bytes, 2ull << 30);
}

TEST_F(Resolve, TheEnvironmentCanNameTheProfile) {
  variable("FLARE_AGENT_PROFILE", profile(R"({"site": "from_profile"})"));
  options = Options();
  const Resolved resolved = resolve(options);
  EXPECT_EQ(resolved.settings.site, "from_profile");
  EXPECT_EQ(resolved.sources.at("profile"), "environment variable FLARE_AGENT_PROFILE");
}

TEST_F(Resolve, AProfileThatCannotBeReadIsAFailure) {
  options.set("profile", folder() + "/missing.json");
  EXPECT_THAT(problem(FLARE_IO), AllOf(HasSubstr("missing.json"), HasSubstr("No such file")));
  options.set("profile", folder());
  EXPECT_THAT(problem(), HasSubstr("not a regular file"));
  const std::string fifo = folder() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  options.set("profile", fifo);
  EXPECT_THAT(problem(), HasSubstr("not a regular file")) << "nobody waits for a writer";
  profile("\"" + std::string(2u << 20, 'x') + "\"");
  EXPECT_THAT(problem(), HasSubstr("larger than"));
  variable("FLARE_AGENT_PROFILE", "two\nlines");
  options = Options();
  EXPECT_THAT(problem(), HasSubstr("option profile: the value 'two?lines' (environment variable FLARE_AGENT_PROFILE)"));
}

TEST_F(Resolve, MistakesInAProfileAreShownWithTheFile) {
  const std::string path = profile("[]");
  EXPECT_EQ(problem(), "profile " + path + ": not a JSON object");
  profile(R"({"heartbeat_timout": 5})");
  EXPECT_EQ(problem(), "unknown option 'heartbeat_timout' in profile " + path + "; did you mean 'heartbeat_timeout'?");
  profile(R"({"close_timeout": 0})");
  EXPECT_THAT(problem(), HasSubstr("the value '0' (profile " + path + ") is no time at all"));
  options.set("close_timeout", "3");
  EXPECT_NE(problem(), "none") << "the file is wrong also where it is overridden";
  profile(R"({"profile": "other.json"})");
  EXPECT_EQ(problem(), "profile " + path + ": a profile cannot name another one");
  for (const char *value : {"null", "[1]", "{\"site\": 1}"}) {
    profile("{\"site\": " + std::string(value) + "}");
    EXPECT_EQ(problem(), "profile " + path + ": the value of 'site' must be a string, a number, true or false");
  }
  profile(R"({"site": "a", "url": "b", "site": "c"})");
  EXPECT_EQ(problem(), "profile " + path + ": 'site' is there twice");
  profile(R"({"close_timeout": 1e999})");
  EXPECT_THAT(problem(), HasSubstr("beyond the range of numbers"));
}

TEST_F(Resolve, BrokenJsonIsPlacedButNotQuoted) {
  const std::string path = profile("{\n  \"token\": \"hidden\n\"}");
  EXPECT_EQ(problem(), "profile " + path + ": not valid JSON at line 2, column 19");
  EXPECT_THAT(problem(), Not(HasSubstr("hidden")));
  profile("");
  EXPECT_THAT(problem(), HasSubstr("line 1, column 1"));
  profile("{} {}");
  EXPECT_THAT(problem(), HasSubstr("line 1, column 4"));
  profile("{\"site\": \"\xff\"}");
  EXPECT_THAT(problem(), HasSubstr("not valid JSON"));
  profile(std::string(500'000, '['));
  EXPECT_THAT(problem(), HasSubstr("not valid JSON"));
}

TEST_F(Resolve, AProfileWithATokenIsForItsOwnerOnly) {
  for (const mode_t mode : {0600u, 0400u, 0700u}) {
    profile(R"({"token": "hidden"})", mode);
    EXPECT_EQ(resolve(options).settings.token, "hidden");
    std::filesystem::remove(folder() + "/profile.json");
  }
  for (const mode_t mode : {0640u, 0604u, 0620u, 0601u, 0777u}) {
    const std::string path = profile(R"({"token": "hidden"})", mode);
    EXPECT_THAT(problem(), AllOf(HasSubstr("chmod 600 " + path), Not(HasSubstr("hidden"))));
    std::filesystem::remove(path);
  }
}

TEST_F(Resolve, AProfileLeavesNoDescriptorOpen) {
  const auto count = [] {
    const std::filesystem::directory_iterator open("/proc/self/fd");
    return std::distance(begin(open), end(open));
  };
  profile("[]");
  const auto before = count();
  for (int i = 0; i < 3; ++i) problem();
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace flare
