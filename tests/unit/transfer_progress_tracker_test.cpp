#include "transfer/transfer_progress_tracker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/failure.h"
#include "transfer/streaming_timeouts.h"

namespace flare {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const TransferKey kUpload{"job", "task", "ref", TransferDirection::kResultUpload, "site-1"};

TransferProgressTracker::Update counters(int64_t sequence, int64_t bytes,
                                         TransferState state = TransferState::kActive) {
  return {sequence, bytes, {}, state, {}};
}

TEST(TransferProgressTracker, TRK_02_TheReceiverCountsForUploadsOnly) {
  TransferProgressTracker tracker(10);
  TransferKey task = kUpload;
  task.direction = TransferDirection::kTaskPayloadDownload;
  tracker.update(task, counters(1, 1), 0);
  task.receiver = "site-2";
  EXPECT_EQ(tracker.update(task, counters(1, 1), 0).reason, "stale_sequence");
  EXPECT_EQ(tracker.records({}).front()->receiver, std::nullopt);
  tracker.update(kUpload, counters(1, 1), 0);
  TransferKey other = kUpload;
  other.receiver = "site-2";
  EXPECT_TRUE(tracker.update(other, counters(1, 1), 0).accepted);
}

TEST(TransferProgressTracker, TRK_03_TimeoutsArePositiveAndFinite) {
  TransferProgressTracker tracker(10);
  for (const double bad : {0.0, -1.0, kNan, kInfinity}) {
    EXPECT_THROW(tracker.set_idle_timeout(bad), Failure);
    EXPECT_THROW(TransferProgressTracker{bad}, Failure);
  }
  EXPECT_EQ(tracker.idle_timeout(), 10);
}

TEST(TransferProgressTracker, TRK_04_BadCountersAndTimesChangeNothing) {
  TransferProgressTracker tracker(10);
  EXPECT_THROW(tracker.update(kUpload, counters(-1, 0), 0), Failure);
  EXPECT_THROW(tracker.update(kUpload, counters(0, -1), 0), Failure);
  EXPECT_THROW(tracker.update(kUpload, {0, 0, -1, TransferState::kActive, {}}, 0), Failure);
  EXPECT_THROW(tracker.update(kUpload, counters(0, 0), kNan), Failure);
  EXPECT_THROW(tracker.update(kUpload, counters(0, 0), kInfinity), Failure);
  EXPECT_TRUE(tracker.records({}).empty());
  EXPECT_THROW(state_of("ACTIVE"), Failure);
  EXPECT_THROW(direction_of("sideways"), Failure);
}

TEST(TransferProgressTracker, TRK_07_TheFirstReasonToRejectWins) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, {5, 100, 3, TransferState::kActive, {}}, 1);
  EXPECT_EQ(tracker.update(kUpload, {5, 1, 1, TransferState::kActive, {}}, 2).reason, "stale_sequence");
  EXPECT_EQ(tracker.update(kUpload, {6, 1, 1, TransferState::kActive, {}}, 2).reason, "bytes_regressed");
  EXPECT_EQ(tracker.update(kUpload, {6, 100, 1, TransferState::kActive, {}}, 2).reason, "items_regressed");
  EXPECT_EQ(tracker.find(kUpload)->last_progress, 1);
  tracker.update(kUpload, counters(6, 100, TransferState::kFailed), 3);
  EXPECT_EQ(tracker.update(kUpload, counters(1, 1), 4).reason, "terminal");
}

TEST(TransferProgressTracker, TRK_08_TRK_09_WithoutNewBytesOrItemsThereIsNoProgress) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, counters(1, 100), 1);
  const auto same = tracker.update(kUpload, {2, 100, 0, TransferState::kActive, {}}, 2);
  EXPECT_TRUE(same.accepted);
  EXPECT_FALSE(same.progressed);
  EXPECT_EQ(same.record->sequence, 2);
  EXPECT_EQ(same.record->items, 0);
  EXPECT_TRUE(tracker.update(kUpload, {3, 100, 1, TransferState::kActive, {}}, 3).progressed);
}

TEST(TransferProgressTracker, TRK_08_KnownItemsAreKeptAndMayStayTheSame) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, {1, 0, 3, TransferState::kActive, {}}, 1);
  EXPECT_EQ(tracker.update(kUpload, counters(2, 0), 2).record->items, 3);
  EXPECT_TRUE(tracker.update(kUpload, {3, 0, 3, TransferState::kActive, {}}, 3).accepted);
  EXPECT_EQ(tracker.update(kUpload, {4, 0, 2, TransferState::kActive, {}}, 4).reason, "items_regressed");
}

TEST(TransferProgressTracker, TRK_10_OnlyProgressAndTheEndMoveTheTime) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, counters(1, 1), 1);
  EXPECT_EQ(tracker.update(kUpload, counters(2, 1), 2).record->last_progress, 1);
  EXPECT_EQ(tracker.update(kUpload, counters(3, 1, TransferState::kCompleted), 3).record->last_progress, 3);
}

TEST(TransferProgressTracker, TRK_11_TheFirstKindThatSaysAnythingStays) {
  TransferProgressTracker tracker(10);
  const auto kind_after = [&](int64_t sequence, std::optional<std::string_view> kind) {
    return tracker.update(kUpload, {sequence, 0, {}, TransferState::kActive, kind}, 0).record->kind;
  };
  EXPECT_EQ(kind_after(1, ""), "");
  EXPECT_EQ(kind_after(2, {}), "");
  EXPECT_EQ(kind_after(3, "first"), "first");
  EXPECT_EQ(kind_after(4, "second"), "first");
}

TEST(TransferProgressTracker, TRK_14_FiltersNarrowAndKeepTheOrder) {
  TransferProgressTracker tracker(10);
  const TransferDirection up = TransferDirection::kResultUpload, down = TransferDirection::kTaskPayloadDownload;
  tracker.update({"j", "t", "1", up, "a"}, counters(1, 1), 0);
  tracker.update({"j", "t", "2", up, {}}, counters(1, 1), 5);
  tracker.update({"j", "u", "3", down, "a"}, counters(1, 1), 0);
  tracker.update({"k", "t", "4", up, "a"}, counters(1, 1, TransferState::kFailed), 0);
  using Filter = TransferProgressTracker::Filter;
  const auto found = [&](const Filter &filter) {
    std::string refs;
    for (const TransferRecord *record : tracker.records(filter)) refs += record->transfer;
    return refs;
  };
  EXPECT_EQ(found({}), "1234");
  EXPECT_EQ(found({"j", {}, {}, {}}), "123");
  EXPECT_EQ(found({{}, "t", up, {}}), "124");
  EXPECT_EQ(found(Filter{{}, {}, {}, std::optional<std::string_view>("a")}), "14");
  EXPECT_EQ(found(Filter{{}, {}, {}, std::optional<std::string_view>()}), "23");
  EXPECT_EQ(found(Filter{{}, {}, down, std::optional<std::string_view>("a")}), "3");
  EXPECT_EQ(tracker.stalled_records({}, 10).size(), 2u);  // neither the later one nor the one that is over
}

TEST(TransferProgressTracker, TRK_10_ProgressNeverMovesBackInTime) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, counters(1, 1), 5);
  EXPECT_EQ(tracker.update(kUpload, counters(2, 2), 3).record->last_progress, 5);
  EXPECT_EQ(tracker.find(kUpload)->started, 5);
}

TEST(TransferProgressTracker, TRK_13_StallsAtTheTimeoutAndNotBefore) {
  TransferProgressTracker tracker(10);
  const TransferRecord *record = tracker.update(kUpload, counters(1, 1), 0).record;
  EXPECT_FALSE(tracker.stalled(*record, std::nextafter(10.0, 0.0)));
  EXPECT_TRUE(tracker.stalled(*record, 10));
  tracker.mark_terminal(kUpload, TransferState::kAborted, {}, 11);
  EXPECT_FALSE(tracker.stalled(*record, 100));
}

TEST(TransferProgressTracker, TRK_15_AtTheEndOfTheNumbersThereIsNoNextSequence) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, counters(std::numeric_limits<int64_t>::max(), 1), 0);
  EXPECT_EQ(tracker.mark_terminal(kUpload, TransferState::kAborted, {}, 1).reason, "stale_sequence");
  TransferKey other = kUpload;
  other.transfer = "other";
  tracker.update(other, counters(4, 9), 0);
  const auto ended = tracker.mark_terminal(other, TransferState::kAborted, {}, 1);
  EXPECT_EQ(ended.record->sequence, 5);
  EXPECT_EQ(ended.record->bytes, 9);
  EXPECT_THROW(tracker.mark_terminal(kUpload, TransferState::kActive, {}, 1), Failure);
}

TEST(TransferProgressTracker, TRK_16_ARemovedKeyStartsAfresh) {
  TransferProgressTracker tracker(10);
  tracker.update(kUpload, counters(5, 5, TransferState::kCompleted), 0);
  EXPECT_EQ(tracker.prune(0, false, TransferDirection::kTaskPayloadDownload), 0u);
  EXPECT_EQ(tracker.prune(0, false, {}), 1u);
  EXPECT_TRUE(tracker.update(kUpload, counters(1, 1), 1).accepted);
  EXPECT_TRUE(tracker.remove(kUpload));
  EXPECT_FALSE(tracker.remove(kUpload));
  tracker.update(kUpload, counters(1, 1), 5);
  EXPECT_EQ(tracker.prune(std::nextafter(5.0, 0.0), true, {}), 0u);
  EXPECT_EQ(tracker.prune(5, false, {}), 0u);
  EXPECT_EQ(tracker.prune(5, true, {}), 1u);
  tracker.update(kUpload, counters(1, 1), 5);
  tracker.clear();
  EXPECT_EQ(tracker.find(kUpload), nullptr);
}

TEST(StreamingTimeouts, TRK_17_SilenceGrowsWithAGivenIdleTimeout) {
  EXPECT_EQ(resolve_timeouts({}, {}).max_silence, 900);
  EXPECT_EQ(resolve_timeouts({1200, {}}, {30, {}}).max_silence, 1800);
  EXPECT_EQ(resolve_timeouts({{}, 50}, {1200, 2000}).max_silence, 50);
  EXPECT_THROW(resolve_timeouts({0, {}}, {30, {}}), Failure);
}

}  // namespace
}  // namespace flare
