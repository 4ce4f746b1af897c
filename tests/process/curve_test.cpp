// Real programs over CURVE: who has which key, and what is said of it at both ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <zmq.hpp>

#include "process_test.h"
#include "program.h"

namespace flare_test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Curve : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::zmq_has("curve"), 0) << "this libzmq was built without CURVE";
    char folder[] = "/tmp/flare-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    for (const char *name : {"exchanger", "trainer", "stranger"}) make_keys(name);
    exchanger_ = {{"FLARE_AGENT_URL", "zmq+tcp://127.0.0.1:*"},
                  {"FLARE_AGENT_CLOSE_TIMEOUT", "5"},
                  {"FLARE_AGENT_CURVE_SECRET_KEY_FILE", path("exchanger.secret")},
                  {"FLARE_AGENT_CURVE_ADMITTED_KEYS_FILE", path("trainer.public")},
                  {"FLARE_AGENT_TRAINER_PROFILE", path("trainer.json")}};
    trainer_ = {{"FLARE_AGENT_PROFILE", path("trainer.json")},
                {"FLARE_AGENT_CONNECT_TIMEOUT", "30"},
                {"FLARE_AGENT_CURVE_SECRET_KEY_FILE", path("trainer.secret")}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string &name) const { return folder_ + "/" + name; }
  void write(const std::string &name, const std::string &content, mode_t mode) const {
    std::filesystem::remove(path(name));
    std::ofstream(path(name)) << content;
    ::chmod(path(name).c_str(), mode);
  }
  void make_keys(const std::string &name) {
    std::array<char, 41> open{}, secret{};
    ASSERT_EQ(::zmq_curve_keypair(open.data(), secret.data()), 0);
    write(name + ".secret", "secret " + std::string(secret.data()) + "\n", 0600);
    write(name + ".public", "public " + std::string(open.data()) + " " + name + "\n", 0644);
    public_keys_[name] = open.data();
  }
  // An exchanger with one task, bound.
  std::unique_ptr<Program> exchanger() const {
    auto program = std::make_unique<Program>("process_exchanger", std::vector<std::string>{"1", "1000000"}, exchanger_);
    EXPECT_NE(program->wait_line("zmq+"), "") << program->output();
    return program;
  }
  // What a trainer says that does not get in.
  std::string refusal() const {
    Program trainer("process_trainer", {}, trainer_);
    EXPECT_EQ(trainer.wait_exit(), 1) << trainer.output();
    EXPECT_THAT(trainer.output(), Not(HasSubstr("connected\n")));
    return trainer.output();
  }
  void job_gets_done(Program *exchanger) const {
    Program trainer("process_trainer", {}, trainer_);
    EXPECT_EQ(exchanger->wait_exit(), 0) << exchanger->output() << trainer.output();
    EXPECT_EQ(trainer.wait_exit(), 0) << trainer.output();
  }

  std::string folder_;
  std::map<std::string, std::string> public_keys_;
  Environment exchanger_, trainer_;
};

TEST_F(Curve, ARendezvousHasTheKeyOfTheExchanger) {
  exchanger_.erase("FLARE_AGENT_TRAINER_PROFILE");
  trainer_.erase("FLARE_AGENT_PROFILE");
  exchanger_["FLARE_AGENT_JOB_ID"] = "job-1";
  for (Environment *one : {&exchanger_, &trainer_}) (*one)["FLARE_AGENT_RENDEZVOUS_DIR"] = path("meeting");
  job_gets_done(exchanger().get());
}

TEST_F(Curve, WithTheRightKeysAndTheProfileTheJobGetsDone) {
  const auto program = exchanger();
  EXPECT_EQ(std::filesystem::status(path("trainer.json")).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  job_gets_done(program.get());
  EXPECT_FALSE(std::filesystem::exists(path("trainer.json")));
}

TEST_F(Curve, AKeyThatIsNotListedIsRefusedByName) {
  const auto program = exchanger();
  trainer_["FLARE_AGENT_CURVE_SECRET_KEY_FILE"] = path("stranger.secret");
  const std::string said = refusal();
  EXPECT_THAT(said, HasSubstr("error connect -11 "));
  EXPECT_THAT(said, HasSubstr("this key is not admitted by the exchanger"));
  EXPECT_THAT(program->wait_line("20"), HasSubstr("with the key " + public_keys_["stranger"])) << program->output();
  trainer_["FLARE_AGENT_CURVE_SECRET_KEY_FILE"] = path("trainer.secret");
  job_gets_done(program.get());
}

// Nobody vouches for such a refusal.
TEST_F(Curve, ARefusalByAPassingStrangerIsOutlived) {
  zmq::context_t context;
  zmq::socket_t stranger(context, zmq::socket_type::stream);
  stranger.set(zmq::sockopt::linger, 0);
  stranger.set(zmq::sockopt::rcvtimeo, 20'000);
  stranger.bind("tcp://127.0.0.1:*");
  const std::string endpoint = stranger.get(zmq::sockopt::last_endpoint);
  exchanger_["FLARE_AGENT_URL"] = trainer_["FLARE_AGENT_URL"] = "zmq+" + endpoint;
  trainer_["FLARE_AGENT_CURVE_EXCHANGER_KEY_FILE"] = path("exchanger.public");
  trainer_.erase("FLARE_AGENT_PROFILE");
  Program trainer("process_trainer", {}, trainer_);

  // The greeting of a CURVE server, and the command ERROR with 400 once the agent has said HELLO.
  const std::string greeting = std::string("\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE", 17) + std::string(15, '\0') + "\1";
  const std::string error(
      "\4\x0a\5ERROR\3"
      "400",
      12);
  std::map<std::string, size_t> heard;  // of each connection
  bool refused = false;
  for (zmq::message_t from, data; !refused && stranger.recv(from) && stranger.recv(data);) {
    size_t &size = heard[from.to_string()];
    const auto say = [&](const std::string &bytes) {
      stranger.send(zmq::buffer(from.to_string()), zmq::send_flags::sndmore);
      stranger.send(zmq::buffer(bytes));
    };
    if (size == 0 && data.size() == 0) say(greeting + std::string(64 - greeting.size(), '\0'));
    size += data.size();
    if ((refused = size > 64)) say(error);
  }
  ASSERT_TRUE(refused) << trainer.output();
  ::usleep(300'000);  // for the word to arrive
  stranger.close();
  context.close();
  const auto program = exchanger();
  EXPECT_EQ(program->wait_exit(), 0) << program->output() << trainer.output();
  EXPECT_EQ(trainer.wait_exit(), 0) << trainer.output();
}

// libzmq does not tell the agent why it is cut off, so it goes on trying; but it knows the likely reason.
TEST_F(Curve, AnotherExchangersKeyIsNamedAtBothEnds) {
  const auto program = exchanger();
  Environment right = trainer_;
  trainer_.erase("FLARE_AGENT_PROFILE");
  trainer_["FLARE_AGENT_URL"] = program->output().substr(0, program->output().find('\n'));
  trainer_["FLARE_AGENT_CURVE_EXCHANGER_KEY_FILE"] = path("stranger.public");
  trainer_["FLARE_AGENT_CONNECT_TIMEOUT"] = "3";
  const std::string said = refusal();
  EXPECT_THAT(said, HasSubstr("error connect -12 "));
  EXPECT_THAT(said, HasSubstr("curve_exchanger_key is not its key"));
  EXPECT_THAT(program->wait_line("20"), HasSubstr("another curve_exchanger_key")) << program->output();
  trainer_ = right;
  job_gets_done(program.get());
}

TEST_F(Curve, AnAgentWithoutKeysIsTold) {
  exchanger_["FLARE_AGENT_TOKEN"] = trainer_["FLARE_AGENT_TOKEN"] = "secret";
  const auto program = exchanger();
  Environment right = trainer_;
  trainer_ = {{"FLARE_AGENT_URL", program->output().substr(0, program->output().find('\n'))},
              {"FLARE_AGENT_CONNECT_TIMEOUT", "30"},
              {"FLARE_AGENT_TOKEN", "secret"}};
  const std::string said = refusal();
  EXPECT_THAT(said, HasSubstr("error connect -11 "));
  EXPECT_THAT(said, HasSubstr("it admits agents with keys only"));
  trainer_ = right;
  job_gets_done(program.get());
}

TEST_F(Curve, AnExchangerWithoutKeysIsNamed) {
  exchanger_ = {{"FLARE_AGENT_URL", "zmq+tcp://127.0.0.1:*"}, {"FLARE_AGENT_TOKEN", "secret"}};
  const auto program = exchanger();
  trainer_.erase("FLARE_AGENT_PROFILE");
  trainer_["FLARE_AGENT_URL"] = program->output().substr(0, program->output().find('\n'));
  trainer_["FLARE_AGENT_CURVE_EXCHANGER_KEY_FILE"] = path("exchanger.public");
  const std::string said = refusal();
  EXPECT_THAT(said, HasSubstr("error connect -11 "));
  EXPECT_THAT(said, HasSubstr("it has no keys, and this agent has"));
}

TEST_F(Curve, FilesThatCannotBeTrustedOrReadAreRefusedAtOnce) {
  write("exchanger.secret", "secret 7777\n", 0600);
  Program malformed("process_exchanger", {"1", "1000"}, exchanger_);
  EXPECT_THAT(malformed.wait_line("error open"), HasSubstr("line 1 has no key of 40 characters")) << malformed.output();
  trainer_.erase("FLARE_AGENT_PROFILE");
  trainer_["FLARE_AGENT_URL"] = "zmq+tcp://127.0.0.1:1";
  trainer_["FLARE_AGENT_CURVE_EXCHANGER_KEY"] = public_keys_["exchanger"];
  ::chmod(path("trainer.secret").c_str(), 0640);
  EXPECT_THAT(refusal(), HasSubstr("run chmod 600 " + path("trainer.secret")));
}

TEST_F(Curve, ALibzmqWithoutItIsNamed) {
  exchanger_["LD_PRELOAD"] = std::string(FLARE_TEST_BIN_DIR) + "/no_curve.so";
  Program program("process_exchanger", {"1", "1000"}, exchanger_);
  EXPECT_THAT(program.wait_line("error open"), HasSubstr("was built without CURVE")) << program.output();
}

}  // namespace
}  // namespace flare_test
