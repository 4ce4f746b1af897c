// What tests of two processes share: a folder for their sockets and what both ends are told. The parameter is the
// transport.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <string>

namespace flare_test {

using Environment = std::map<std::string, std::string>;

class ProcessTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/flare-test-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    environment_ = {{"FLARE_AGENT_TOKEN", "secret"},
                    {"FLARE_AGENT_HEARTBEAT_INTERVAL", "0.2"},
                    {"FLARE_AGENT_HEARTBEAT_TIMEOUT", "20"},
                    {"FLARE_AGENT_CONNECT_TIMEOUT", "20"}};
  }
  // Not in TearDown: programs that a test keeps are still there then, and take their sockets away.
  ~ProcessTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // Where an exchanger listens.
  std::string listen_url() const {
    return GetParam() == "ipc" ? "zmq+ipc://" + folder_ + "/x.sock" : "zmq+tcp://127.0.0.1:*";
  }
  Environment with(const Environment &more) const {
    Environment all = more;
    all.insert(environment_.begin(), environment_.end());
    return all;
  }

  std::string folder_;
  Environment environment_;
};

}  // namespace flare_test
