#include "transfer/chunk_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "base/failure.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

Bytes counting(size_t size) {
  Block block(size);
  for (size_t i = 0; i < size; ++i) block.data()[i] = static_cast<std::byte>(i * 7);
  return block.share();
}

// Chunks of 10 bytes, so that offsets can be read.
class ChunkServiceTest : public testing::Test {
 protected:
  static Limits small_limits() {
    Limits limits;
    limits.chunk_bytes = 10;
    limits.max_outcomes = 3;
    return limits;
  }
  std::optional<Bytes> serve(uint64_t offset, uint32_t length, const std::string &receiver = "", uint32_t object = 0) {
    return service.serve({"tx", object, offset, length}, receiver, now, &refusal);
  }
  void stall() {
    now += 10s;
    service.on_time(now);
  }

  TimePoint now{1h};
  std::string refusal;
  ChunkService service{small_limits()};
};

TEST_F(ChunkServiceTest, ServesTheBytesThatWereAskedForWithoutACopy) {
  const Bytes object = counting(25);
  service.add("tx", {counting(3), object}, {}, 10s, now);
  const auto bytes = serve(20, 5, "", 1);
  ASSERT_TRUE(bytes) << refusal;
  EXPECT_EQ(bytes->data, object.data + 20);
  EXPECT_EQ(bytes->size, 5u);
  EXPECT_EQ(bytes->owner, object.owner);
}

TEST_F(ChunkServiceTest, ReleasesTheObjectsOfASettledTransaction) {
  Bytes object = counting(10);
  const std::weak_ptr<const void> owner = object.owner;
  service.add("tx", {std::move(object)}, {}, 10s, now);
  service.confirm("tx", "", true, "", now);
  EXPECT_TRUE(owner.expired());
  EXPECT_FALSE(serve(0, 10));
  EXPECT_THAT(refusal, HasSubstr("over"));
}

TEST_F(ChunkServiceTest, ObjectsWithoutBytesAreDoneAtOnceAndOnlyWaitForTheWord) {
  service.add("tx", {counting(0), counting(0)}, {"a", "b"}, 10s, now);
  EXPECT_EQ(service.progress("tx")->items_done, 4);
  EXPECT_EQ(service.progress("tx")->items_total, 4);
  service.confirm("tx", "a", true, "", now);
  service.confirm("tx", "b", true, "", now);
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, TheFirstWordOfAReceiverCounts) {
  service.add("tx", {counting(1)}, {"a", "b"}, 10s, now);
  EXPECT_TRUE(service.confirm("tx", "a", true, "", now));
  EXPECT_TRUE(service.confirm("tx", "a", false, "changed its mind", now));
  EXPECT_TRUE(service.take_settled().empty());
  EXPECT_TRUE(service.confirm("tx", "b", true, "", now));
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, AReceiverThatGivesUpEndsItWithItsReason) {
  service.add("tx", {counting(1)}, {"a", "b"}, 10s, now);
  service.confirm("tx", "a", true, "", now);
  service.confirm("tx", "b", false, "its disk is full", now);
  const auto settled = service.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].status, FLARE_ABORTED);
  EXPECT_THAT(settled[0].reason, HasSubstr("its disk is full"));
}

TEST_F(ChunkServiceTest, ARepeatedWordIsNoProgress) {
  service.add("tx", {counting(1)}, {"a", "b"}, 10s, now);
  service.confirm("tx", "a", true, "", now);
  now += 9s;
  service.confirm("tx", "a", true, "", now);
  now += 1s;
  service.on_time(now);
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_STALLED);
}

TEST_F(ChunkServiceTest, ARequestAheadIsProgress) {
  service.add("tx", {counting(100)}, {}, 10s, now);
  now += 9s;
  serve(90, 10);
  now += 9s;
  serve(40, 10);
  EXPECT_EQ(service.deadline(), now + 10s);
  EXPECT_EQ(service.progress("tx")->bytes_done, 20);
}

TEST_F(ChunkServiceTest, AShorterRequestLeavesTheRestToBeCounted) {
  service.add("tx", {counting(20)}, {}, 10s, now);
  serve(0, 4);
  now += 9s;
  serve(0, 10);
  EXPECT_EQ(service.deadline(), now + 10s) << "six of them are new";
  EXPECT_EQ(service.progress("tx")->bytes_done, 10);
  serve(0, 10);
  serve(10, 10);
  EXPECT_EQ(service.progress("tx")->bytes_done, 20);
  EXPECT_EQ(service.progress("tx")->items_done, 1);
}

TEST_F(ChunkServiceTest, AReceiverNamedTwiceIsOne) {
  service.add("tx", {counting(0), counting(10)}, {"a", "a"}, 10s, now);
  serve(0, 10, "a", 1);
  const auto progress = service.progress("tx");
  EXPECT_EQ(progress->items_done, 2);
  EXPECT_EQ(progress->items_total, 2);
  EXPECT_EQ(progress->bytes_total, 10);
  service.confirm("tx", "a", true, "", now);
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, AnIdMayBeUsedAgainAndKeepsItsLastOutcome) {
  for (int i = 0; i < 2; ++i) {
    service.add("tx", {counting(10)}, {}, 10s, now);
    service.cancel("tx", FLARE_ABORTED, "again");
  }
  for (const char *id : {"b", "c"}) {
    service.add(id, {}, {}, 10s, now);
    service.cancel(id, FLARE_ABORTED, "x");
  }
  EXPECT_TRUE(service.progress("tx")) << "three outcomes are remembered";
  EXPECT_EQ(service.take_settled().size(), 4u);
}

TEST_F(ChunkServiceTest, AStallSaysWhoAskedForNothingSinceWhenAndHowFarItWas) {
  service.add("tx", {counting(20)}, {"site-1", "site-2"}, 10s, now);
  serve(0, 10, "site-1");
  service.confirm("tx", "site-1", true, "", now);
  stall();
  const std::string reason = service.take_settled().at(0).reason;
  EXPECT_THAT(reason, HasSubstr("transfer tx stalled"));
  EXPECT_THAT(reason, HasSubstr("'site-2'"));
  EXPECT_THAT(reason, Not(HasSubstr("'site-1'"))) << "it has everything";
  EXPECT_THAT(reason, HasSubstr("for 10 s"));
  EXPECT_THAT(reason, HasSubstr("10 of 40 bytes"));
}

TEST_F(ChunkServiceTest, AStallOfTheUnnamedReceiverCountsLargeTransfersInMebibytes) {
  ChunkService large{Limits()};
  large.add("tx", {counting(20u << 20)}, {}, 500ms, now);
  ASSERT_TRUE(large.serve({"tx", 0, 1u << 20, 1u << 20}, "", now, &refusal)) << refusal;
  large.on_time(now + 500ms);
  const std::string reason = large.take_settled().at(0).reason;
  EXPECT_THAT(reason, HasSubstr("the peer asked for nothing new for 500 ms"));
  EXPECT_THAT(reason, HasSubstr("1 of 20 MiB"));
}

TEST_F(ChunkServiceTest, WithoutATimeoutItNeverStalls) {
  service.add("tx", {counting(1)}, {}, std::nullopt, now);
  EXPECT_FALSE(service.deadline());
  service.on_time(now + 10000h);
  EXPECT_TRUE(service.take_settled().empty());
}

TEST_F(ChunkServiceTest, TellsAnIdInUseFromTooMany) {
  Limits limits;
  limits.max_transactions = 1;
  ChunkService full(limits);
  full.add("tx", {}, {}, 10s, now);
  const auto status_of_adding = [&](const std::string &id) -> flare_status {
    try {
      full.add(id, {}, {}, 10s, now);
    } catch (const Failure &failure) {
      return failure.status();
    }
    return FLARE_OK;
  };
  EXPECT_EQ(status_of_adding("tx"), FLARE_INVALID_STATE);
  EXPECT_EQ(status_of_adding("other"), FLARE_TOO_LARGE);
}

TEST_F(ChunkServiceTest, ServesAHundredThousandObjects) {
  const uint32_t count = 100'000;
  const Bytes object = counting(10);
  service.add("tx", std::vector<Bytes>(count, object), {}, 10s, now);
  for (uint32_t i = 0; i < count; ++i) ASSERT_TRUE(serve(0, 10, "", i));
  EXPECT_EQ(service.progress("tx")->items_done, count);
  EXPECT_EQ(service.progress("tx")->bytes_done, 10 * int64_t{count});
}

// Whatever is asked for, in whatever pieces: no byte counts twice, and what keeps to the grid of chunks counts exactly.
TEST_F(ChunkServiceTest, NoByteCountsTwice) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](uint64_t bound) { return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random); };
    const bool on_the_grid = seed % 2 == 0;
    const uint64_t size = 1 + below(60);
    ChunkService fresh{small_limits()};
    fresh.add("tx", {counting(size)}, {}, 10s, now);
    std::set<uint64_t> distinct;
    for (int i = 0; i < 100; ++i) {
      const uint64_t offset = on_the_grid ? below(7) * 10 : below(size + 2);
      const auto length = static_cast<uint32_t>(below(12));
      const auto bytes = fresh.serve({"tx", 0, offset, length}, "", now, &refusal);
      EXPECT_EQ(bytes.has_value(), length >= 1 && length <= 10 && offset + length <= size);
      for (uint64_t j = 0; bytes && j < length; ++j) distinct.insert(offset + j);
      const auto done = static_cast<uint64_t>(fresh.progress("tx")->bytes_done);
      if (on_the_grid) {
        EXPECT_EQ(done, distinct.size());
      }
      EXPECT_LE(done, distinct.size());
      EXPECT_EQ(fresh.progress("tx")->items_done, done == size);
    }
  }
}

}  // namespace
}  // namespace flare
