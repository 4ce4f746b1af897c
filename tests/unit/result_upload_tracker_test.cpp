#include "transfer/result_upload_tracker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "base/failure.h"

namespace flare {
namespace {

using Cause = ResultUploadTracker::Cause;

ResultUploadTracker::Progress event(std::string_view ref, int64_t sequence,
                                    TransferState state = TransferState::kActive) {
  ResultUploadTracker::Progress progress;
  progress.transaction = "tx";
  progress.ref = ref;
  progress.sequence = sequence;
  progress.bytes = sequence;
  progress.state = state;
  return progress;
}

TEST(ResultUploadTracker, RUT_04_AnUnknownTransactionIsFoundByItsRefUnlessThereAreTwo) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("a", {{"ref", {}}}, 0);
  EXPECT_EQ(*tracker.resolve("wrong", "ref", {}).transaction, "a");
  tracker.register_pairs("b", {{"ref", {}}}, 0);
  EXPECT_EQ(tracker.resolve({}, "ref", {}).transaction, std::nullopt);
  EXPECT_TRUE(tracker.resolve({}, "ref", {}).ambiguous);
  EXPECT_EQ(*tracker.resolve("b", "ref", {}).transaction, "b");
}

TEST(ResultUploadTracker, RUT_05_UnexpectedPairsAreRejectedBeforeTheirCountersAreLookedAt) {
  ResultUploadTracker tracker(10);
  EXPECT_EQ(tracker.update(event("ref", -1), 0).reason, "unexpected_pair");
  tracker.register_pairs("tx", {{"ref", {}}}, 0);
  EXPECT_THROW(tracker.update(event("ref", -1), 0), Failure);
  EXPECT_THROW(tracker.update(event("ref", 1), std::nan("")), Failure);
  EXPECT_THROW(tracker.register_pairs("tx", {{"x", {}}}, std::nan("")), Failure);
  EXPECT_TRUE(tracker.bound().empty());
}

TEST(ResultUploadTracker, RUT_07_PairsThatShareARecordEndTogether) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("a", {{"ref", {}}}, 0);
  tracker.register_pairs("b", {{"ref", {}}}, 0);
  auto progress = event("ref", 1);
  progress.job = "job";
  progress.transaction = "a";
  tracker.update(progress, 1);
  progress.transaction = "b";
  progress.sequence = 2;
  progress.bytes = 2;
  EXPECT_TRUE(tracker.update(progress, 2).accepted);
  EXPECT_EQ(tracker.bound().size(), 2u);
  EXPECT_EQ(tracker.records().records({}).size(), 1u);
  progress.sequence = 3;
  progress.state = TransferState::kCompleted;
  tracker.update(progress, 3);
  EXPECT_TRUE(tracker.all_succeeded());
}

TEST(ResultUploadTracker, RUT_10_AFailureIsNotHiddenByWhatIsComplete) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("tx", {{"a", {}}, {"b", {}}, {"c", {}}}, 0);
  tracker.update(event("c", 1, TransferState::kFailed), 1);
  tracker.update(event("b", 1, TransferState::kAborted), 1);
  tracker.update(event("a", 1, TransferState::kCompleted), 1);
  const auto decision = tracker.decide(false, {}, 1);
  EXPECT_EQ(decision.reason, "result_upload transfer b ended with state=aborted");
  EXPECT_EQ(decision.cause, Cause::kTransferFailed);
  EXPECT_TRUE(tracker.decide(true, "FINISHED", 1).success);
  EXPECT_EQ(tracker.decide(true, {}, 1).reason, "download transaction ended with status=None");
  EXPECT_EQ(tracker.decide(true, "finishe1", 1).cause, Cause::kOwnerEnded);
  EXPECT_EQ(tracker.decide(true, "finished ", 1).cause, Cause::kOwnerEnded);
}

TEST(ResultUploadTracker, RUT_10_TheFirstRegisteredStalledPairIsNamed) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("tx", {{"a", "s"}, {"b", {}}}, 0);
  auto progress = event("a", 1);
  progress.receiver = "s";
  tracker.update(progress, 5);
  EXPECT_FALSE(tracker.decide(false, {}, std::nextafter(10.0, 0.0)).done);
  EXPECT_EQ(tracker.deadline(), 10);
  EXPECT_EQ(tracker.decide(false, {}, 10).reason, "result_upload transfer b receiver=None did not start");
  EXPECT_EQ(tracker.decide(false, {}, 15).reason, "result_upload transfer a stalled");
}

TEST(ResultUploadTracker, RUT_10_TheGraceBeginsWhenSuccessIsSeenAndLastsHalfAMinute) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("tx", {{"a", {}}}, 0);
  tracker.update(event("a", 1, TransferState::kCompleted), 1);
  EXPECT_EQ(tracker.decide(false, {}, 7).reason, ResultUploadTracker::kInGrace);
  EXPECT_EQ(tracker.grace_remaining(8), 29);
  EXPECT_EQ(tracker.deadline(), 37);
  EXPECT_FALSE(tracker.decide(false, {}, std::nextafter(37.0, 0.0)).done);
  EXPECT_TRUE(tracker.decide(false, {}, 37).success);
}

TEST(ResultUploadTracker, RUT_12_WithoutPairsNothingEverEnds) {
  ResultUploadTracker tracker(10);
  EXPECT_EQ(tracker.deadline(), std::nullopt);
  EXPECT_EQ(tracker.grace_remaining(1), std::nullopt);
  EXPECT_FALSE(tracker.decide(false, {}, 1e9).done);
  EXPECT_FALSE(tracker.mark_abandoned(1e9));
  EXPECT_FALSE(tracker.all_succeeded());
}

TEST(ResultUploadTracker, RUT_14_AbandoningTwiceIsHarmless) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("tx", {{"a", {}}, {"b", {}}}, 0);
  tracker.update(event("a", 1), 1);
  EXPECT_FALSE(tracker.mark_abandoned(2));
  EXPECT_FALSE(tracker.mark_abandoned(3));
  ASSERT_EQ(tracker.bound().size(), 2u);
  EXPECT_EQ(tracker.bound()[0]->record->sequence, 2);
  EXPECT_EQ(tracker.bound()[1]->record->last_progress, 2);
}

// RUT-07 again: the record of the one pair has the name that the abandon would give to that of the other.
TEST(ResultUploadTracker, RUT_14_AnAbandonedPairMayShareARecordThatIsOver) {
  for (const TransferState end : {TransferState::kCompleted, TransferState::kFailed, TransferState::kActive}) {
    ResultUploadTracker tracker(10);
    tracker.register_pairs("b", {{"ref", {}}}, 0);
    tracker.register_pairs("a", {{"ref", {}}}, 0);
    auto progress = event("ref", 1, end);
    progress.transaction = "a";
    progress.job = "b";
    tracker.update(progress, 1);
    EXPECT_FALSE(tracker.mark_abandoned(2));
    ASSERT_EQ(tracker.bound().size(), 2u);
    EXPECT_EQ(tracker.bound()[0]->record, tracker.bound()[1]->record);
    EXPECT_EQ(tracker.all_succeeded(), end == TransferState::kCompleted);
    if (end != TransferState::kCompleted) {
      EXPECT_EQ(tracker.decide(false, {}, 3).cause, Cause::kTransferFailed);
    }
    EXPECT_EQ(tracker.deadline(), std::nullopt);  // nothing left to watch
  }
}

TEST(ResultUploadTracker, RUT_14_WhatIsDeliveredCannotBeAbandoned) {
  ResultUploadTracker tracker(10);
  tracker.register_pairs("tx", {{"a", {}}}, 0);
  tracker.update(event("a", 1, TransferState::kCompleted), 1);
  EXPECT_EQ(tracker.deadline(), std::nullopt);  // nobody has looked yet
  EXPECT_TRUE(tracker.mark_abandoned(2));
  EXPECT_EQ(tracker.bound().front()->record->sequence, 1);
}

// The rules word for word, with a look at every pair for every answer.
class Model {
 public:
  struct Pair {
    std::string ref;
    double since;
    bool started = false;
    TransferState state = TransferState::kActive;
    int64_t sequence = -1;
  };
  std::string decide(double now, double idle) {
    for (const Pair &pair : pairs) {
      if (pair.state == TransferState::kFailed || pair.state == TransferState::kAborted) return "failed " + pair.ref;
    }
    bool all = !pairs.empty();
    for (const Pair &pair : pairs) all = all && pair.state == TransferState::kCompleted;
    if (all) {
      if (!grace) {
        grace = now;
        return "grace";
      }
      return now - *grace >= 30 ? "done" : "grace";
    }
    for (const Pair &pair : pairs) {
      if (pair.state == TransferState::kActive && now - pair.since >= idle) {
        return (pair.started ? "stalled " : "absent ") + pair.ref;
      }
    }
    return "";
  }
  std::vector<Pair> pairs;
  std::optional<double> grace;
};

std::string said(const ResultUploadTracker::Decision &decision) {
  const size_t begin = std::string("result_upload transfer ").size();
  const auto ref = [&] { return decision.reason.substr(begin, decision.reason.find(' ', begin) - begin); };
  switch (decision.cause) {
    case Cause::kTransferFailed: return "failed " + ref();
    case Cause::kStalled: return "stalled " + ref();
    case Cause::kDidNotStart: return "absent " + ref();
    case Cause::kAllCompleted: return "done";
    default: return decision.reason.empty() ? "" : "grace";
  }
}

TEST(ResultUploadTracker, AgreesWithTheRulesInRandomSequences) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int count) { return static_cast<int>(random() % static_cast<unsigned>(count)); };
    ResultUploadTracker tracker(5);
    Model model;
    double now = 100;
    for (int step = 0; step < 120; ++step) {
      now += pick(8) / 4.0;
      const int what = pick(10);
      if (what == 0 || model.pairs.empty()) {
        const std::string ref = "r" + std::to_string(model.pairs.size());
        const double created = now - pick(3);
        tracker.register_pairs("tx", {{ref, {}}}, created);
        model.pairs.push_back({ref, created});
      } else if (what < 8) {
        auto &pair = model.pairs[static_cast<size_t>(pick(static_cast<int>(model.pairs.size())))];
        const double time = now - pick(3);  // also back in time
        const int64_t sequence = pair.sequence + pick(3);
        const TransferState state = pick(6) == 0    ? TransferState::kCompleted
                                    : pick(40) == 0 ? TransferState::kFailed
                                                    : TransferState::kActive;
        if (sequence < 0) continue;
        const bool accepted = pair.state == TransferState::kActive && sequence > pair.sequence;
        ASSERT_EQ(tracker.update(event(pair.ref, sequence, state), time).accepted, accepted) << "seed " << seed;
        if (accepted) {
          pair.since = pair.started ? std::max(pair.since, time) : time;
          pair.started = true;
          pair.sequence = sequence;
          pair.state = state;
          for (const auto &each : model.pairs) {
            if (each.state != TransferState::kCompleted) model.grace.reset();
          }
        }
      }
      ASSERT_EQ(said(tracker.decide(false, {}, now)), model.decide(now, 5)) << "seed " << seed << " step " << step;
      ASSERT_EQ(tracker.grace_start(), model.grace) << "seed " << seed << " step " << step;
    }
  }
}

// W-27: the cost of an event and a decision does not grow with the pairs.
TEST(ResultUploadTracker, AMillionRefsAreNoProblem) {
  ResultUploadTracker tracker(600);
  std::vector<ResultUploadTracker::Pair> pairs;
  for (int i = 0; i < 200'000; ++i) pairs.push_back({"ref-" + std::to_string(i), "site-" + std::to_string(i % 5)});
  tracker.register_pairs("tx", pairs, 0);
  int64_t rejected = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    auto progress = event(pairs[i].ref, 1, TransferState::kCompleted);
    progress.receiver = pairs[i].receiver;
    rejected += !tracker.update(progress, 1).accepted;
    if (i + 1 < pairs.size()) {
      ASSERT_FALSE(tracker.decide(false, {}, 2).done);
    }
  }
  EXPECT_EQ(rejected, 0);
  EXPECT_TRUE(tracker.all_succeeded());
}

}  // namespace
}  // namespace flare
