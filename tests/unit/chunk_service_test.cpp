#include "transfer/chunk_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "base/failure.h"

namespace flare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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
    return service.serve({"tx", object, offset, length}, receiver, &refusal);
  }
  // "receiver: bytes, items, state", of what happened since the last call.
  std::vector<std::string> told() {
    std::vector<std::string> texts;
    for (const TransferEvent &event : service.take_progress()) {
      texts.push_back(event.receiver + ": " + std::to_string(event.bytes) + ", " + std::to_string(event.items) + ", " +
                      std::string(name_of(event.state)));
    }
    return texts;
  }

  std::string refusal;
  ChunkService service{small_limits()};
};

TEST_F(ChunkServiceTest, ServesTheBytesThatWereAskedForWithoutACopy) {
  const Bytes object = counting(25);
  service.add("tx", {counting(3), object}, {});
  const auto bytes = serve(20, 5, "", 1);
  ASSERT_TRUE(bytes) << refusal;
  EXPECT_EQ(bytes->data, object.data + 20);
  EXPECT_EQ(bytes->size, 5u);
  EXPECT_EQ(bytes->owner, object.owner);
}

TEST_F(ChunkServiceTest, ReleasesTheObjectsOfASettledTransaction) {
  Bytes object = counting(10);
  const std::weak_ptr<const void> owner = object.owner;
  service.add("tx", {std::move(object)}, {});
  service.confirm("tx", "", true, "");
  EXPECT_TRUE(owner.expired());
  EXPECT_FALSE(serve(0, 10));
  EXPECT_THAT(refusal, HasSubstr("over"));
}

TEST_F(ChunkServiceTest, ObjectsWithoutBytesAreDoneAtOnceAndOnlyWaitForTheWord) {
  service.add("tx", {counting(0), counting(0)}, {"a", "b"});
  EXPECT_EQ(service.progress("tx")->items_done, 4);
  EXPECT_EQ(service.progress("tx")->items_total, 4);
  service.confirm("tx", "a", true, "");
  service.confirm("tx", "b", true, "");
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, TheFirstWordOfAReceiverCounts) {
  service.add("tx", {counting(1)}, {"a", "b"});
  EXPECT_TRUE(service.confirm("tx", "a", true, ""));
  EXPECT_TRUE(service.confirm("tx", "a", false, "changed its mind"));
  EXPECT_TRUE(service.take_settled().empty());
  EXPECT_TRUE(service.confirm("tx", "b", true, ""));
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, AReceiverThatGivesUpEndsItWithItsReason) {
  service.add("tx", {counting(1)}, {"a", "b"});
  service.confirm("tx", "b", false, "its disk is full");
  EXPECT_TRUE(service.take_settled().empty()) << "whoever watches decides whether the other is still worth it";
  service.confirm("tx", "a", true, "");
  EXPECT_THAT(told(), ElementsAre("b: 0, 0, failed", "a: 1, 1, completed"));
  const auto settled = service.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].status, FLARE_ABORTED);
  EXPECT_THAT(settled[0].reason, HasSubstr("its disk is full"));
}

TEST_F(ChunkServiceTest, TellsWhatIsNewAndNothingElse) {
  service.add("tx", {counting(25)}, {});
  serve(0, 10);
  serve(0, 10);  // the same again
  serve(20, 5);  // ahead
  serve(10, 4);
  serve(10, 10);  // six of them are new
  EXPECT_THAT(told(), ElementsAre(": 10, 0, active", ": 15, 0, active", ": 19, 0, active", ": 25, 1, active"));
  service.confirm("tx", "", true, "");
  service.confirm("tx", "", true, "");
  EXPECT_THAT(told(), ElementsAre(": 25, 1, completed"));
}

TEST_F(ChunkServiceTest, CountsTheEventsOfEachReceiver) {
  service.add("tx", {counting(25)}, {"a", "b"});
  serve(0, 10, "a");
  serve(0, 10, "b");
  serve(10, 10, "a");
  std::vector<int64_t> sequences;
  for (const TransferEvent &event : service.take_progress()) sequences.push_back(event.sequence);
  EXPECT_THAT(sequences, ElementsAre(1, 1, 2));
}

TEST_F(ChunkServiceTest, AReceiverThatFetchesElsewhereReports) {
  service.add("tx", {counting(25), counting(5)}, {"a", "b"});
  EXPECT_TRUE(service.report("tx", "b", 10, 0));
  EXPECT_TRUE(service.report("tx", "b", 30, 2));
  EXPECT_FALSE(service.report("tx", "b", 29, 2)) << "never back";
  EXPECT_FALSE(service.report("tx", "b", 30, 1));
  EXPECT_FALSE(service.report("tx", "b", 31, 2)) << "more than there is";
  EXPECT_FALSE(service.report("tx", "b", 30, 3));
  EXPECT_FALSE(service.report("tx", "stranger", 1, 0));
  EXPECT_FALSE(service.report("other", "b", 1, 0));
  EXPECT_THAT(told(), ElementsAre("b: 10, 0, active", "b: 30, 2, active"));
  service.confirm("tx", "b", true, "");
  EXPECT_FALSE(service.report("tx", "b", 30, 2)) << "it is done";
}

TEST_F(ChunkServiceTest, AConfirmationIsWorthAllBytes) {
  service.add("tx", {counting(25)}, {"a", "b"});
  service.confirm("tx", "b", true, "");
  EXPECT_THAT(told(), ElementsAre("b: 25, 1, completed"));
}

TEST_F(ChunkServiceTest, AReceiverNamedTwiceIsOne) {
  service.add("tx", {counting(0), counting(10)}, {"a", "a"});
  serve(0, 10, "a", 1);
  const auto progress = service.progress("tx");
  EXPECT_EQ(progress->items_done, 2);
  EXPECT_EQ(progress->items_total, 2);
  EXPECT_EQ(progress->bytes_total, 10);
  service.confirm("tx", "a", true, "");
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, AnIdMayBeUsedAgainAndKeepsItsLastOutcome) {
  for (int i = 0; i < 2; ++i) {
    service.add("tx", {counting(10)}, {});
    service.cancel("tx", FLARE_ABORTED, "again");
  }
  for (const char *id : {"b", "c"}) {
    service.add(id, {}, {});
    service.cancel(id, FLARE_ABORTED, "x");
  }
  EXPECT_TRUE(service.progress("tx")) << "three outcomes are remembered";
  EXPECT_EQ(service.take_settled().size(), 4u);
}

TEST_F(ChunkServiceTest, TellsAnIdInUseFromTooMany) {
  Limits limits;
  limits.max_transactions = 1;
  ChunkService full(limits);
  full.add("tx", {}, {});
  const auto status_of_adding = [&](const std::string &id) -> flare_status {
    try {
      full.add(id, {}, {});
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
  service.add("tx", std::vector<Bytes>(count, object), {});
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
    fresh.add("tx", {counting(size)}, {});
    std::set<uint64_t> distinct;
    for (int i = 0; i < 100; ++i) {
      const uint64_t offset = on_the_grid ? below(7) * 10 : below(size + 2);
      const auto length = static_cast<uint32_t>(below(12));
      const auto bytes = fresh.serve({"tx", 0, offset, length}, "", &refusal);
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
