// Two libraries of different 0.x versions over one wire: one end runs with what it was built with, the other with a
// later library in its place (tests/CMakeLists.txt). 0.2 speaks wire versions 1 and 2, 0.3 only 2.
#include <gtest/gtest.h>

#include <memory>

#include "process_test.h"
#include "program.h"

namespace flare_test {
namespace {

class Versions : public ProcessTest {
 protected:
  void SetUp() override {
    ProcessTest::SetUp();
    environment_["FLARE_AGENT_URL"] = listen_url();
    environment_["FLARE_AGENT_CLOSE_TIMEOUT"] = "2";
    environment_["FLARE_AGENT_LOG_LEVEL"] = "info";
  }
  // Of the library in the place of the built one; empty: of the built one.
  std::unique_ptr<Program> start(const std::string &program, const std::string &library,
                                 const std::vector<std::string> &arguments) {
    Environment environment = with({});
    if (!library.empty()) {
      environment["LD_PRELOAD"] = std::string(FLARE_TEST_BIN_DIR) + "/" + library + ".so";
      environment["ASAN_OPTIONS"] = "verify_asan_link_order=0";
    }
    auto started = std::make_unique<Program>(program, arguments, environment);
    if (program == "process_exchanger") environment_["FLARE_AGENT_URL"] = started->wait_line("zmq+");
    return started;
  }
  void both_get_done(const std::string &of_exchanger, const std::string &of_trainer) {
    const auto exchanger = start("process_exchanger", of_exchanger, {"2", "100000"});
    const auto trainer = start("process_trainer", of_trainer, {});
    EXPECT_EQ(exchanger->wait_exit(), 0) << exchanger->output();
    EXPECT_EQ(trainer->wait_exit(), 0) << trainer->output();
    EXPECT_NE(exchanger->output().find("library=" + number(of_trainer)), std::string::npos) << exchanger->output();
    EXPECT_NE(trainer->output().find("peer=" + number(of_exchanger)), std::string::npos) << trainer->output();
  }
  void refused(const std::string &of_exchanger, const std::string &of_trainer) {
    const auto exchanger = start("process_exchanger", of_exchanger, {"1", "10"});
    const auto trainer = start("process_trainer", of_trainer, {});
    const std::string line = trainer->wait_line("error connect");
    EXPECT_NE(line.find("refused by the peer"), std::string::npos) << trainer->output();
    EXPECT_NE(line.find("it (library " + number(of_trainer) + ") speaks wire versions"), std::string::npos) << line;
    EXPECT_NE(line.find("this exchanger (library " + number(of_exchanger) + ") speaks"), std::string::npos) << line;
    EXPECT_EQ(trainer->wait_exit(), 1);
  }
  static std::string number(const std::string &library) {
    return library.empty() ? "0.1.0" : library == "flare_agent_0_2" ? "0.2.0" : "0.3.0";
  }
};

TEST_P(Versions, AnOlderTrainerServesALaterExchanger) { both_get_done("flare_agent_0_2", ""); }
TEST_P(Versions, ALaterTrainerServesAnOlderExchanger) { both_get_done("", "flare_agent_0_2"); }
TEST_P(Versions, TwoLaterOnesMeetInWhatBothSpeak) { both_get_done("flare_agent_0_3", "flare_agent_0_2"); }
TEST_P(Versions, ATrainerTooOldIsToldBothVersions) { refused("flare_agent_0_3", ""); }
TEST_P(Versions, ATrainerTooNewIsToldBothVersions) { refused("", "flare_agent_0_3"); }

INSTANTIATE_TEST_SUITE_P(OverIpc, Versions, testing::Values("ipc"));

}  // namespace
}  // namespace flare_test
