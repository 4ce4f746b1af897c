#include "transfer/chunk_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/failure.h"

namespace flare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
  EXPECT_THAT(told(), IsEmpty());
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

TEST_F(ChunkServiceTest, TheFirstRequestIsTheStartAndReportsAreTheProgress) {
  service.add("tx", {counting(25)}, {});
  serve(0, 10);
  serve(10, 10);
  EXPECT_THAT(told(), ElementsAre(": 0, 0, active"));
  service.report("tx", "", 10, 0);
  serve(20, 5);
  service.report("tx", "", 25, 1);
  EXPECT_THAT(told(), ElementsAre(": 10, 0, active", ": 25, 1, active"));
  service.confirm("tx", "", true, "");
  service.confirm("tx", "", true, "");
  EXPECT_THAT(told(), ElementsAre(": 25, 1, completed"));
}

TEST_F(ChunkServiceTest, CountsTheEventsOfEachReceiver) {
  service.add("tx", {counting(25)}, {"a", "b"});
  serve(0, 10, "a");
  serve(0, 10, "b");
  service.report("tx", "a", 10, 0);
  std::vector<int64_t> sequences;
  for (const TransferEvent &event : service.take_progress()) sequences.push_back(event.sequence);
  EXPECT_THAT(sequences, ElementsAre(1, 1, 2));
}

TEST_F(ChunkServiceTest, AReceiverNamedTwiceIsOne) {
  service.add("tx", {counting(10)}, {"a", "a"});
  service.confirm("tx", "a", true, "");
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

TEST_F(ChunkServiceTest, AnIdMayBeUsedAgainAndIsRemembered) {
  for (int i = 0; i < 2; ++i) {
    service.add("tx", {counting(10)}, {});
    service.cancel("tx", FLARE_ABORTED, "again");
  }
  for (const char *id : {"b", "c"}) {
    service.add(id, {}, {});
    service.cancel(id, FLARE_ABORTED, "x");
  }
  EXPECT_TRUE(service.confirm("tx", "", true, "")) << "three outcomes are remembered";
  EXPECT_EQ(service.take_settled().size(), 4u);
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

}  // namespace
}  // namespace flare
