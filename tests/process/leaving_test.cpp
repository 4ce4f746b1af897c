// How a trainer leaves while its result is being fetched, in each language: what is said here is what docs/gating.md,
// go.md, rust.md and julia.md say. Those of a package run with its tests (bindings/*/CMakeLists.txt).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "gating.h"

namespace flare_test {
namespace {

constexpr std::chrono::seconds kStart(100);  // Julia compiles first

class Leaving : public GatingTest {
 protected:
  explicit Leaving(std::string program = "process_leaver") : program_(std::move(program)) {}
  void SetUp() override {
    GatingTest::SetUp();
    environment_["FLARE_AGENT_HEARTBEAT_TIMEOUT"] = "2";
    peer_ = exchanger({"1", floats(6 * kMebibyte)});
    proxy_->limit(4 * kMebibyte);
  }
  // The exit status of the trainer.
  int leave(const std::vector<std::string> &arguments) {
    const auto program = trainer(arguments, {}, program_);
    EXPECT_NE(program->wait_line("submitted", kStart), "") << program->output();
    return program->wait_exit();
  }
  void arrives() { EXPECT_EQ(peer_->wait_line("reply"), "reply task-0") << peer_->output(); }
  void is_lost() {
    EXPECT_THAT(peer_->wait_line("error task-0"), testing::HasSubstr("the peer is gone")) << peer_->output();
  }

  std::string program_;
  std::unique_ptr<Program> peer_;
};

TEST_P(Leaving, ACloseLetsTheResultArrive) {
  EXPECT_EQ(leave({"close"}), 7);
  arrives();
}

TEST_P(Leaving, TheHookLetsItArriveWhenMainReturns) {
  EXPECT_EQ(leave({"return", "hook"}), 7) << "without forcing the status";
  arrives();
}

TEST_P(Leaving, TheHookLetsItArriveAfterExit) {
  EXPECT_EQ(leave({"exit", "hook"}), 7);
  arrives();
}

TEST_P(Leaving, WithoutACloseTheReturnOfMainLosesIt) {
  EXPECT_EQ(leave({"return"}), 7);
  is_lost();
}

TEST_P(Leaving, WithoutACloseAnExitLosesIt) {
  EXPECT_EQ(leave({"exit"}), 7);
  is_lost();
}

TEST_P(Leaving, AnUncaughtExceptionLosesIt) {
  EXPECT_EQ(leave({"throw", "hook"}), 128 + SIGABRT);
  is_lost();
}

TEST_P(Leaving, ADeadlySignalLosesIt) {
  EXPECT_EQ(leave({"raise", "hook"}), 128 + SIGTERM);
  is_lost();
}

class LeavingCpp : public Leaving {
 protected:
  LeavingCpp() : Leaving("process_leaver_cpp") {}
};

TEST_P(LeavingCpp, TheEndOfTheScopeLetsItArrive) {
  EXPECT_EQ(leave({"close"}), 7);
  arrives();
}

TEST_P(LeavingCpp, TheHookLetsItArriveAfterExit) {
  EXPECT_EQ(leave({"exit", "hook"}), 7);
  arrives();
}

TEST_P(LeavingCpp, AnExitLosesIt) {
  EXPECT_EQ(leave({"exit"}), 7);
  is_lost();
}

TEST_P(LeavingCpp, AnUncaughtExceptionLosesIt) {
  EXPECT_EQ(leave({"throw", "hook"}), 128 + SIGABRT);
  is_lost();
}

TEST_P(LeavingCpp, ADeadlySignalLosesIt) {
  EXPECT_EQ(leave({"raise", "hook"}), 128 + SIGTERM);
  is_lost();
}

class LeavingGo : public Leaving {
 protected:
  LeavingGo() : Leaving("process_leaver_go") {}
};

TEST_P(LeavingGo, ADeferredCloseLetsItArrive) {
  EXPECT_EQ(leave({"close"}), 0);
  arrives();
}

TEST_P(LeavingGo, TheReturnOfMainLosesIt) {
  EXPECT_EQ(leave({"return"}), 0);
  is_lost();
}

TEST_P(LeavingGo, AnExitLosesIt) {
  EXPECT_EQ(leave({"exit"}), 7);
  is_lost();
}

TEST_P(LeavingGo, AShutdownBeforeTheExitLetsItArrive) {
  EXPECT_EQ(leave({"shutdown"}), 7);
  arrives();
}

TEST_P(LeavingGo, APanicRunsTheDeferredClose) {
  EXPECT_EQ(leave({"panic"}), 2);
  arrives();
}

TEST_P(LeavingGo, ADeadlySignalLosesIt) {
  EXPECT_EQ(leave({"raise"}), 128 + SIGTERM);
  is_lost();
}

TEST_P(LeavingGo, ASignalThatEndsTheContextLetsItArrive) {
  EXPECT_EQ(leave({"notify"}), 0);
  arrives();
}

class LeavingRust : public Leaving {
 protected:
  LeavingRust() : Leaving("process_leaver_rust") {}
};

TEST_P(LeavingRust, TheDropLetsItArrive) {
  EXPECT_EQ(leave({"drop"}), 0);
  arrives();
}

TEST_P(LeavingRust, AForgottenAgentLosesIt) {
  EXPECT_EQ(leave({"forget"}), 0);
  is_lost();
}

TEST_P(LeavingRust, AnExitLosesIt) {
  EXPECT_EQ(leave({"exit"}), 7);
  is_lost();
}

TEST_P(LeavingRust, AShutdownBeforeTheExitLetsItArrive) {
  EXPECT_EQ(leave({"shutdown"}), 7);
  arrives();
}

TEST_P(LeavingRust, APanicThatUnwindsLetsItArrive) {
  EXPECT_EQ(leave({"panic"}), 101);
  arrives();
}

TEST_P(LeavingRust, ADeadlySignalLosesIt) {
  EXPECT_EQ(leave({"raise"}), 128 + SIGTERM);
  is_lost();
}

class LeavingJulia : public Leaving {
 protected:
  LeavingJulia() : Leaving("process_leaver_julia") {}
};

TEST_P(LeavingJulia, TheEndOfTheBlockLetsItArrive) {
  EXPECT_EQ(leave({"block"}), 7);
  arrives();
}

TEST_P(LeavingJulia, AnExitLetsItArrive) {
  EXPECT_EQ(leave({"exit"}), 7);
  arrives();
}

TEST_P(LeavingJulia, TheEndOfTheScriptLetsItArrive) {
  EXPECT_EQ(leave({"end"}), 0);
  arrives();
}

TEST_P(LeavingJulia, AnUncaughtExceptionLetsItArrive) {
  EXPECT_EQ(leave({"throw"}), 1);
  arrives();
}

TEST_P(LeavingJulia, SigtermRunsItsHooksWhichLetItArrive) {
  EXPECT_EQ(leave({"raise"}), 128 + SIGTERM);
  arrives();
}

const auto transports = testing::Values("ipc", "tcp");
const auto transport_of = [](const auto &parameter) { return parameter.param; };
INSTANTIATE_TEST_SUITE_P(Transports, Leaving, transports, transport_of);
INSTANTIATE_TEST_SUITE_P(Transports, LeavingCpp, transports, transport_of);
INSTANTIATE_TEST_SUITE_P(Transports, LeavingGo, transports, transport_of);
INSTANTIATE_TEST_SUITE_P(Transports, LeavingRust, transports, transport_of);
INSTANTIATE_TEST_SUITE_P(Transports, LeavingJulia, transports, transport_of);

}  // namespace
}  // namespace flare_test
