#include "pipe/zmq/address.h"

#include <gtest/gtest.h>

#include "base/failure.h"

namespace flare {
namespace {

std::string refusal(const std::string &url, bool allow_insecure = false) {
  try {
    parse_address(url, allow_insecure);
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    EXPECT_NE(std::string(failure.what()).find(url), std::string::npos) << failure.what();
    return failure.what();
  }
  return "";
}

TEST(Address, KnowsItsSchemes) {
  EXPECT_EQ(parse_address("memory://x", false).endpoint, "x");
  EXPECT_EQ(parse_address("zmq+ipc:///run/a.sock", false).endpoint, "ipc:///run/a.sock");
  EXPECT_EQ(parse_address("zmq+ipc:///run/a.sock", false).path, "/run/a.sock");
  EXPECT_EQ(parse_address("zmq+tcp://127.0.0.1:99", false).endpoint, "tcp://127.0.0.1:99");
  EXPECT_EQ(parse_address("zmq+tcp://[::1]:*", false).endpoint, "tcp://[::1]:*");
}

TEST(Address, SaysWhatIsWrong) {
  EXPECT_NE(refusal("http://x").find("zmq+ipc"), std::string::npos);
  EXPECT_NE(refusal("").find("scheme"), std::string::npos);
  EXPECT_NE(refusal("memory://").find("name"), std::string::npos);
  EXPECT_NE(refusal("zmq+ipc://relative").find("absolute"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://127.0.0.1").find("port"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://127.0.0.1:0").find("port"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://127.0.0.1:65536").find("port"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://127.0.0.1:12x").find("port"), std::string::npos);
}

TEST(Address, ASocketPathHasTheSystemsLength) {
  const std::string fits = "/" + std::string(106, 'a');
  EXPECT_EQ(refusal("zmq+ipc://" + fits), "");
  EXPECT_NE(refusal("zmq+ipc://" + fits + "a").find("107"), std::string::npos);
}

TEST(Address, OnlyLoopbackUnlessAllowed) {
  EXPECT_NE(refusal("zmq+tcp://0.0.0.0:1").find("allow_insecure"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://10.0.0.1:1").find("allow_insecure"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://*:1").find("allow_insecure"), std::string::npos);
  EXPECT_EQ(refusal("zmq+tcp://10.0.0.1:1", true), "");
  EXPECT_EQ(refusal("zmq+tcp://127.1:1"), "");
  EXPECT_EQ(refusal("zmq+tcp://localhost:1"), "");
}

TEST(Address, WhatBeginsLikeLoopbackMayLeaveTheMachine) {
  for (const char *host : {"127.0.0.1.example.com", "127.evil", "localhost.example.com", "[::1].example.com"}) {
    EXPECT_NE(refusal("zmq+tcp://" + std::string(host) + ":1").find("allow_insecure"), std::string::npos) << host;
  }
  // libzmq's "source;destination".
  EXPECT_NE(refusal("zmq+tcp://127.0.0.1:0;10.0.0.1:1").find("more than one host"), std::string::npos);
  EXPECT_NE(refusal("zmq+tcp://127.0.0.1:0;10.0.0.1:1", true).find("more than one host"), std::string::npos);
}

}  // namespace
}  // namespace flare
