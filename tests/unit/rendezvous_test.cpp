#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/failure.h"
#include "config/rendezvous.h"

namespace flare {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RendezvousFolder : public testing::Test {
 protected:
  RendezvousFolder() {
    std::string folder = testing::TempDir() + "rendezvous-XXXXXX";
    if (!::mkdtemp(folder.data())) ADD_FAILURE() << "no folder for files";
    folder_ = folder;
    settings_.rendezvous_dir = folder_ + "/meet";
    settings_.agent_id = "digits";
  }
  ~RendezvousFolder() override { fs::remove_all(folder_); }

  Settings of_job(const std::string &job) const {
    Settings settings = settings_;
    settings.job_id = job;
    return settings;
  }
  // Takes an entry and says where its exchanger is.
  RendezvousEntry publish(const std::string &job, const std::string &url) const {
    Settings settings = of_job(job);
    RendezvousEntry entry = RendezvousEntry::claim(&settings);
    Resolved exchanger;
    exchanger.settings = settings;
    entry.publish(exchanger, {{"url", url}, {"token", settings.token}});
    return entry;
  }
  // As one that was killed: its file stays, its lock is gone.
  void leave_behind(const std::string &job, const std::string &content) const {
    fs::create_directories(entry_of(job).parent_path());
    std::ofstream(entry_of(job)) << content;
    ::chmod(entry_of(job).c_str(), 0600);
  }
  fs::path entry_of(const std::string &job) const {
    return fs::path(settings_.rendezvous_dir) / "digits" / (job + ".json");
  }
  std::string problem(const std::string &job, flare_status status) const {
    try {
      Settings settings = of_job(job);
      RendezvousEntry::claim(&settings);
      return "none";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), status) << failure.what();
      return failure.what();
    }
  }
  std::string found(const std::set<std::string> &avoid = {}) const {
    const RendezvousLook look = look_for_job(settings_, avoid);
    return look.seat ? look.seat->job + " " + look.seat->values.at("url") : "none" + look.taken;
  }

  std::string folder_;
  Settings settings_;
};

TEST_F(RendezvousFolder, AnAgentFindsWhatItsExchangerPublished) {
  EXPECT_EQ(found(), "none");
  const RendezvousEntry entry = publish("job-1", "zmq+tcp://127.0.0.1:5555");
  const RendezvousLook look = look_for_job(settings_, {});
  ASSERT_TRUE(look.seat);
  EXPECT_EQ(look.seat->values.at("url"), "zmq+tcp://127.0.0.1:5555");
  EXPECT_EQ(look.seat->values.at("token").size(), 36u);
  struct stat status {};
  ASSERT_EQ(::stat(look.seat->path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(RendezvousFolder, WhatAnExchangerWasToldIsForItsAgentToo) {
  Options options;
  options.set("rendezvous_dir", settings_.rendezvous_dir);
  options.set("agent_id", "digits");
  options.set("job_id", "job-1");
  options.set("params_transfer_type", "DIFF");
  options.set("log_level", "off");
  Resolved exchanger = resolve(options);
  RendezvousEntry entry = RendezvousEntry::claim(&exchanger.settings);
  EXPECT_EQ(exchanger.settings.url, "zmq+ipc://" + settings_.rendezvous_dir + "/digits/job-1.sock");
  entry.publish(exchanger, {{"url", exchanger.settings.url}, {"token", exchanger.settings.token}});
  const RendezvousLook look = look_for_job(settings_, {});
  ASSERT_TRUE(look.seat);
  EXPECT_EQ(look.seat->values.size(), 3u) << "url, token, and what an agent should know";
  Options own;
  own.set("rendezvous_dir", settings_.rendezvous_dir);
  const Resolved agent = with_more(resolve(own), look.seat->values, "rendezvous entry X");
  EXPECT_EQ(agent.settings.params_transfer_type, "DIFF");
  EXPECT_EQ(agent.settings.token, exchanger.settings.token);
  EXPECT_EQ(agent.sources.at("url"), "rendezvous entry X");
  own.set("params_transfer_type", "FULL");
  EXPECT_EQ(with_more(resolve(own), look.seat->values, "x").settings.params_transfer_type, "FULL") << "its own word";
}

TEST_F(RendezvousFolder, AnEntryIsNoneBeforeItIsPublishedAndAfterItIsWithdrawn) {
  Settings settings = of_job("job-1");
  {
    const RendezvousEntry claimed = RendezvousEntry::claim(&settings);
    EXPECT_EQ(found(), "none");
  }
  RendezvousEntry entry = publish("job-1", "u");
  entry.withdraw();
  EXPECT_EQ(found(), "none");
  EXPECT_FALSE(fs::exists(entry_of("job-1")));
}

TEST_F(RendezvousFolder, OneAgentHasAJob) {
  const RendezvousEntry entry = publish("job-1", "u");
  {
    const RendezvousLook look = look_for_job(settings_, {});
    ASSERT_TRUE(look.seat);
    EXPECT_EQ(found(), "nonejob-1") << "taken";
  }
  EXPECT_EQ(found(), "job-1 u");
}

TEST_F(RendezvousFolder, TheJobThatWaitsLongestComesFirst) {
  const RendezvousEntry late = publish("job-1", "late"), early = publish("job-2", "early");
  fs::last_write_time(entry_of("job-2"), fs::last_write_time(entry_of("job-1")) - std::chrono::seconds(5));
  EXPECT_EQ(found(), "job-2 early");
  EXPECT_EQ(found({"job-2"}), "job-1 late");
  EXPECT_EQ(found({"job-1", "job-2"}), "none");
}

TEST_F(RendezvousFolder, WhatIsLeftOverGoes) {
  leave_behind("job-1", R"({"url": "u", "token": "t"})");
  std::ofstream(entry_of("job-1").replace_extension(".sock")) << "";
  EXPECT_EQ(found(), "none");
  EXPECT_THAT(fs::directory_iterator(entry_of("job-1").parent_path()), fs::directory_iterator());
}

TEST_F(RendezvousFolder, WhatAnAgentWaitsForStays) {
  RendezvousLook look;
  {
    const RendezvousEntry entry = publish("job-1", "u");
    look = look_for_job(settings_, {});
    ASSERT_TRUE(look.seat);
    fs::rename(entry_of("job-1"), folder_ + "/aside");  // as the withdrawal would take it away, and a kill does not
  }
  fs::rename(folder_ + "/aside", entry_of("job-1"));
  EXPECT_EQ(found(), "none");
  EXPECT_TRUE(fs::exists(entry_of("job-1")));
  look.seat.reset();
  EXPECT_EQ(found(), "none");
  EXPECT_FALSE(fs::exists(entry_of("job-1")));
}

TEST_F(RendezvousFolder, ARestartedExchangerTakesOverTokenAndPort) {
  leave_behind("job-1", R"({"url": "zmq+tcp://127.0.0.1:5555", "token": "t"})");
  Settings settings = of_job("job-1");
  settings.url = "zmq+tcp://127.0.0.1:*";
  const RendezvousEntry entry = RendezvousEntry::claim(&settings);
  EXPECT_EQ(settings.token, "t");
  EXPECT_EQ(entry.url_before(settings.url), "zmq+tcp://127.0.0.1:5555");
  EXPECT_EQ(entry.url_before("zmq+tcp://localhost:*"), "zmq+tcp://localhost:5555") << "the entry has it as a number";
  EXPECT_EQ(entry.url_before("zmq+ipc:///tmp/x:*"), "");
  EXPECT_EQ(entry.url_before("zmq+tcp://127.0.0.1:7"), "");
}

TEST_F(RendezvousFolder, ATokenThatIsGivenIsNotReplaced) {
  leave_behind("job-1", R"({"url": "u", "token": "t"})");
  Settings settings = of_job("job-1");
  settings.token = "given";
  const RendezvousEntry entry = RendezvousEntry::claim(&settings);
  EXPECT_EQ(settings.token, "given");
}

TEST_F(RendezvousFolder, GarbageIsNoEntryAndCanBeReplaced) {
  leave_behind("job-1", "{\"url\": ");
  const RendezvousEntry entry = publish("job-1", "u");
  EXPECT_EQ(found(), "job-1 u");
}

TEST_F(RendezvousFolder, AJobHasOneExchanger) {
  const RendezvousEntry entry = publish("job-1", "u");
  EXPECT_THAT(problem("job-1", FLARE_IO), HasSubstr("another process serves job 'job-1' for agent 'digits'"));
  EXPECT_EQ(problem("job-2", FLARE_IO), "none");
}

TEST_F(RendezvousFolder, IdsMustBeNamesOfFiles) {
  for (const char *job : {"", "a/b", "..", ".hidden"}) {
    EXPECT_THAT(problem(job, FLARE_INVALID_ARGUMENT), HasSubstr("job_id")) << job;
  }
  settings_.agent_id = "..";
  EXPECT_THAT(problem("job-1", FLARE_INVALID_ARGUMENT), HasSubstr("agent_id"));
}

TEST_F(RendezvousFolder, OthersMustNotWriteThere) {
  fs::create_directory(settings_.rendezvous_dir);
  ::chmod(settings_.rendezvous_dir.c_str(), 0770);
  EXPECT_THAT(problem("job-1", FLARE_INVALID_ARGUMENT), HasSubstr("chmod 700"));
  EXPECT_THROW(look_for_job(settings_, {}), Failure);
}

}  // namespace
}  // namespace flare
