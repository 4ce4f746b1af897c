#include "cellnet/cell_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/failure.h"
#include "cellnet/backoff.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string refused(const std::string &url) {
  try {
    parse_cell_url(url);
  } catch (const Failure &failure) {
    return failure.status() == FLARE_INVALID_ARGUMENT ? failure.what() : "another status";
  }
  return "";
}

TEST(CellnetUrl, NamesHostPortAndTls) {
  const CellUrl url = parse_cell_url("tcp://server.example:8002");
  EXPECT_EQ(url.host, "server.example");
  EXPECT_EQ(url.port, 8002);
  EXPECT_FALSE(url.tls);
  EXPECT_TRUE(parse_cell_url("stcp://h:1").tls);
  EXPECT_TRUE(parse_cell_url("satcp://h:65535/path?secure=false").tls);
  EXPECT_FALSE(parse_cell_url("atcp://h:1").tls);
}

TEST(CellnetUrl, ZeroIsThisMachine) {
  EXPECT_EQ(parse_cell_url("tcp://0:5").host, "127.0.0.1");
  EXPECT_EQ(parse_cell_url("tcp://:5").host, "127.0.0.1");
}

TEST(CellnetUrl, RefusesWhatCannotBeReached) {
  for (const char *scheme : {"grpc", "grpcs", "agrpc", "http", "https"}) {
    EXPECT_THAT(refused(scheme + std::string("://host:1")), HasSubstr("set the listener to \"tcp\""));
  }
  EXPECT_THAT(refused("udp://host:1"), HasSubstr("should be tcp"));
  EXPECT_THAT(refused("host:1"), HasSubstr("tcp://host:port"));
  EXPECT_THAT(refused("tcp://host"), HasSubstr("no port"));
  for (const char *port : {"", "0", "65536", "-1", "1x", "99999999999999999999"}) {
    EXPECT_THAT(refused(std::string("tcp://host:") + port), HasSubstr("the port is no number"));
  }
}

TEST(CellnetBackoff, GrowsUntilAConnectionLasts) {
  Backoff backoff;
  const TimePoint now{};
  EXPECT_EQ(backoff.next(now), 100ms);
  EXPECT_EQ(backoff.next(now), 200ms);
  backoff.on_ready(now);  // and thrown out at once, by another agent of our name
  EXPECT_EQ(backoff.next(now + 9s), 400ms);
  for (int i = 0; i < 10; ++i) backoff.next(now);
  EXPECT_EQ(backoff.next(now), 10s);
  backoff.on_ready(now);
  EXPECT_EQ(backoff.next(now + 10s), 100ms);
}

}  // namespace
}  // namespace flare
