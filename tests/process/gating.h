// Tests of what becomes of a result: a trainer and its exchanger as real processes, and a network between them that can
// be broken.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fault_proxy.h"
#include "process_test.h"
#include "program.h"

namespace flare_test {

inline constexpr int64_t kMebibyte = 1 << 20;
inline std::string floats(int64_t bytes) { return std::to_string(bytes / 4); }

class GatingTest : public ProcessTest {
 protected:
  void SetUp() override {
    ProcessTest::SetUp();
    environment_.insert({{"FLARE_AGENT_CLOSE_TIMEOUT", "5"},
                         {"FLARE_AGENT_STREAMING_IDLE_TIMEOUT", "5"},
                         {"FLARE_AGENT_PEER_READ_TIMEOUT", "none"},
                         {"FLARE_AGENT_LOG_LEVEL", "error"}});
  }

  std::unique_ptr<Program> exchanger(const std::vector<std::string> &arguments, const Environment &more = {}) {
    Environment environment = with(more);
    environment["FLARE_AGENT_URL"] = listen_url();
    auto program = std::make_unique<Program>("process_exchanger", arguments, environment);
    const std::string url = program->wait_line("zmq+");
    EXPECT_NE(url, "") << program->output();
    if (proxy_) {
      proxy_->retarget(url);
    } else {
      proxy_ = std::make_unique<FaultProxy>(url, folder_);
    }
    return program;
  }
  std::unique_ptr<Program> trainer(const std::vector<std::string> &arguments = {}, const Environment &more = {},
                                   const std::string &program = "process_trainer") {
    Environment environment = with(more);
    environment["FLARE_AGENT_URL"] = proxy_->url();
    return std::make_unique<Program>(program, arguments, environment);
  }
  std::unique_ptr<FaultProxy> proxy_;
};

}  // namespace flare_test
