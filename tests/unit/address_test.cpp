#include "pipe/zmq/address.h"

#include <gmock/gmock.h>
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
  EXPECT_NE(refusal("zmq+tcp://*:1").find("curve_secret_key_file"), std::string::npos);
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

TEST(AdvertisedUrl, TakesThePlaceOfTheHostAndKeepsThePort) {
  EXPECT_EQ(advertised_url("zmq+tcp://0.0.0.0:4242", ""), "zmq+tcp://0.0.0.0:4242");
  EXPECT_EQ(advertised_url("zmq+tcp://0.0.0.0:4242", "site-1.example.com"), "zmq+tcp://site-1.example.com:4242");
  EXPECT_EQ(advertised_url("zmq+tcp://0.0.0.0:4242", "10.0.0.1:80"), "zmq+tcp://10.0.0.1:80");
  EXPECT_EQ(advertised_url("zmq+tcp://[::]:4242", "[2001:db8::1]"), "zmq+tcp://[2001:db8::1]:4242");
  EXPECT_EQ(advertised_url("zmq+tcp://[::]:4242", "[2001:db8::1]:80"), "zmq+tcp://[2001:db8::1]:80");
  EXPECT_EQ(advertised_url("zmq+ipc:///host/run/a.sock", "/run/a.sock"), "zmq+ipc:///run/a.sock");
}

TEST(AdvertisedUrl, MustBeAPlaceToConnectTo) {
  const auto problem = [](const std::string &bound, const std::string &advertise) -> std::string {
    try {
      return "taken as " + advertised_url(bound, advertise);
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
      return failure.what();
    }
  };
  const std::string tcp = "zmq+tcp://0.0.0.0:4242";
  for (const char *wrong :
       {"0.0.0.0", "*", "host:*", "host:0", "host:port", "a;b", "[::]", ":80", "2001:db8::1", "[::1"}) {
    EXPECT_THAT(problem(tcp, wrong), testing::StartsWith("the option advertise '" + std::string(wrong) + "' "));
  }
  EXPECT_THAT(problem("zmq+ipc:///a.sock", "a.sock"), testing::HasSubstr("absolute path"));
  EXPECT_THAT(problem("zmq+ipc:///a.sock", "/" + std::string(107, 'a')), testing::HasSubstr("107"));
  EXPECT_THAT(problem("memory://x", "y"), testing::HasSubstr("of no use"));
}

}  // namespace
}  // namespace flare
