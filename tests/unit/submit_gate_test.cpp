#include "agent/submit_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "agent/launch_mode.h"
#include "base/failure.h"

namespace flare {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Abandon = SubmitGate::Abandon;
using Sent = SubmitGate::Sent;

std::string text_of(const SubmitGate::Action &action) {
  struct Describe {
    std::string operator()(const SubmitGate::Watch &a) const { return a.progress ? "watch progress" : "watch"; }
    std::string operator()(const SubmitGate::Send &a) const { return a.download_ttl ? "send with ttl" : "send"; }
    std::string operator()(const SubmitGate::Unwatch &) const { return "unwatch"; }
    std::string operator()(const SubmitGate::Delete &a) const { return "delete " + a.transaction; }
    std::string operator()(const SubmitGate::CleanUp &) const { return "clean up"; }
    std::string operator()(const SubmitGate::Finished &a) const {
      return (a.success ? "delivered" : "failed") + (a.reason.empty() ? "" : ": " + a.reason);
    }
  };
  return std::visit(Describe{}, action);
}

class Gate : public testing::Test {
 protected:
  std::vector<std::string> actions() {
    std::vector<std::string> texts;
    for (const auto &action : gate_.take_actions()) texts.push_back(text_of(action));
    return texts;
  }
  UploadProgress progress(int64_t sequence, TransferState state = TransferState::kActive) {
    UploadProgress progress;
    progress.transaction = "tx";
    progress.ref = "ref";
    progress.sequence = sequence;
    progress.bytes = sequence;
    progress.state = state;
    return progress;
  }
  // Sent at 100 s with one pair, and an idle timeout of 10 s.
  void track() {
    gate_.begin();
    gate_.on_transaction({"tx", {{"ref", {}}}, 100});
    gate_.on_sent(Sent::kAccepted, true, {}, 100);
    actions();
  }
  static SubmitGate::Options options() {
    SubmitGate::Options options;
    options.idle_timeout = 10;
    options.download_complete_timeout = 60;
    return options;
  }
  void restart(const SubmitGate::Options &options) { gate_ = SubmitGate(options); }

  SubmitGate gate_{options()};
};

TEST_F(Gate, AG_21_ThePlainPathEndsWithTheAcceptance) {
  SubmitGate::Options plain = options();
  plain.gated = false;
  restart(plain);
  gate_.begin();
  gate_.on_sent(Sent::kAccepted, true, {}, 1);
  EXPECT_THAT(actions(), ElementsAre("send", "delivered"));
  restart(plain);
  gate_.begin();
  gate_.on_sent(Sent::kRefused, false, {}, 1);
  EXPECT_THAT(actions(), ElementsAre("send", "clean up", "failed: the peer did not accept the result"));
  restart(plain);
  gate_.begin();
  gate_.on_sent(Sent::kRaised, false, {}, 1);
  EXPECT_THAT(actions(), ElementsAre("send", "failed: the peer did not accept the result"));
}

TEST_F(Gate, AG_25_ProgressCountsBeforeTheSendReturns) {
  gate_.begin();
  gate_.on_transaction({"tx", {{"ref", {}}}, 100});
  EXPECT_TRUE(gate_.on_progress(progress(1, TransferState::kCompleted), 100.5).accepted);
  gate_.on_completed("finished", 100.6);
  gate_.on_sent(Sent::kAccepted, true, {}, 101);
  EXPECT_THAT(actions(), ElementsAre("watch progress", "send with ttl", "unwatch", "delivered: download_complete_cb"));
}

TEST_F(Gate, AG_26_AFailedSendDeletesItsTransactions) {
  gate_.begin();
  gate_.on_sent(Sent::kRaised, true, {{"tx", {{"ref", {}}}, 100}}, 101);
  EXPECT_THAT(actions(), ElementsAre("watch progress", "send with ttl", "unwatch", "delete tx", "clean up",
                                     "failed: the peer did not accept the result"));
}

TEST_F(Gate, AG_25_OnlyTheSendUnderWayCreatesTransactions) {
  const SubmitGate::Transaction transaction{"tx", {{"ref", {}}}, 100};
  gate_.on_transaction(transaction);
  EXPECT_EQ(gate_.on_progress(progress(1), 100).reason, "not_tracked");
  gate_.on_completed("finished", 100);
  gate_.begin();
  gate_.begin();
  EXPECT_EQ(gate_.on_progress(progress(1), 100).reason, "unexpected_pair");
  EXPECT_THAT(actions(), ElementsAre("watch progress", "send with ttl"));
  gate_.on_sent(Sent::kAccepted, false, {transaction}, 101);
  EXPECT_THAT(actions(), ElementsAre("unwatch", "delivered"));

  SubmitGate::Options plain = options();
  plain.gated = false;
  restart(plain);
  gate_.begin();
  gate_.on_transaction(transaction);
  EXPECT_EQ(gate_.tracker(), nullptr);
  EXPECT_EQ(gate_.on_progress(progress(1), 100).reason, "not_tracked");
  gate_.on_sent(Sent::kRefused, true, {transaction}, 101);
  EXPECT_THAT(actions(), ElementsAre("send", "clean up", "failed: the peer did not accept the result"));
}

TEST_F(Gate, AG_25_AReportedTransactionIsWaitedForWhateverTheSendSays) {
  gate_.begin();
  gate_.on_transaction({"tx", {{"ref", {}}}, 100});
  gate_.on_transaction({"tx", {{"other", {}}}, 100});
  gate_.on_sent(Sent::kAccepted, false, {{"unused", {}, 100}}, 101);
  EXPECT_FALSE(gate_.finished());
  gate_.on_completed("timeout", 102);
  EXPECT_THAT(actions(), ElementsAre("watch progress", "send with ttl", "unwatch", "delete tx", "clean up",
                                     "failed: download transaction ended with status=timeout"));
}

TEST_F(Gate, AG_26_AFailedSendLeavesWhatWasDeliveredAlone) {
  gate_.begin();
  gate_.on_transaction({"tx", {{"ref", {}}}, 100});
  gate_.on_progress(progress(1, TransferState::kCompleted), 101);
  gate_.on_sent(Sent::kRaised, true, {}, 102);
  EXPECT_THAT(actions(), ElementsAre("watch progress", "send with ttl", "unwatch", "clean up",
                                     "failed: the peer did not accept the result"));
}

TEST_F(Gate, AG_27_MetricsOnlyReturnAtOnce) {
  gate_.begin();
  gate_.on_sent(Sent::kAccepted, false, {}, 101);
  EXPECT_TRUE(gate_.finished());
  EXPECT_EQ(gate_.wait().number, 0u);
}

TEST_F(Gate, AG_29_WithoutTrackingAnyEndIsSuccess) {
  SubmitGate::Options untracked = options();
  untracked.idle_timeout.reset();
  for (const bool completes : {true, false}) {
    restart(untracked);
    gate_.begin();
    gate_.on_sent(Sent::kAccepted, true, {{"tx", {}, 100}}, 100);
    gate_.on_progress(progress(1), 102);
    EXPECT_FALSE(gate_.finished());
    EXPECT_EQ(gate_.deadline(), 160);
    if (completes) {
      gate_.on_completed("deleted", 103);
    } else {
      gate_.on_time(160);
    }
    EXPECT_EQ(actions().back(), "delivered");
  }
}

// Upstream would wait for 60 s.
TEST_F(Gate, AnAbandonGivesWhatIsNotTrackedTheLastGraceToo) {
  SubmitGate::Options untracked = options();
  untracked.idle_timeout.reset();
  for (const bool completes : {true, false}) {
    restart(untracked);
    gate_.begin();
    gate_.on_sent(Sent::kAccepted, true, {{"tx", {}, 100}}, 100);
    gate_.on_abandon(Abandon::kAgentStopped, 101);
    EXPECT_EQ(gate_.deadline(), 101.5);
    completes ? gate_.on_completed("finished", 101.4) : gate_.on_time(101.5);
    EXPECT_EQ(actions().back(), completes ? "delivered" : "failed: the agent was stopped during the upload");
  }
}

TEST_F(Gate, AnAbandonGivesASendTheLastGrace) {
  gate_.begin();
  gate_.on_transaction({"tx", {{"ref", {}}}, 100});
  gate_.on_abandon(Abandon::kHandlerStopped, 100);
  EXPECT_EQ(gate_.seen_abandon(), Abandon::kHandlerStopped);
  EXPECT_EQ(gate_.deadline(), 100.5);
  gate_.on_time(100.5);
  EXPECT_EQ(actions().back(), "failed: the pipe ended during the upload");
  gate_.on_sent(Sent::kAccepted, true, {}, 100.6);
  EXPECT_THAT(actions(), IsEmpty());
}

TEST_F(Gate, ASendThatEndsInTheLastGraceIsDecidedByWhatItBrought) {
  const auto abandon = [&] {
    restart(options());
    gate_.begin();
    gate_.on_abandon(Abandon::kAgentStopped, 100);
    actions();
  };
  abandon();
  gate_.on_sent(Sent::kAccepted, false, {}, 100.1);
  EXPECT_EQ(actions().back(), "delivered") << "nothing to fetch";
  abandon();
  gate_.on_sent(Sent::kRefused, false, {}, 100.1);
  EXPECT_EQ(actions().back(), "failed: the peer did not accept the result");
  abandon();
  gate_.on_sent(Sent::kAccepted, true, {{"tx", {{"ref", {}}}, 100}}, 100.1);
  EXPECT_FALSE(gate_.finished());
  gate_.on_completed("finished", 100.2);
  EXPECT_EQ(actions().back(), "delivered: download_complete_cb");
  abandon();
  gate_.on_completed("finished", 100.1);  // faster than the word that it was sent
  EXPECT_FALSE(gate_.finished());
  gate_.on_sent(Sent::kAccepted, true, {{"tx", {{"ref", {}}}, 100}}, 100.2);
  EXPECT_EQ(actions().back(), "delivered: download_complete_cb");
}

TEST_F(Gate, AG_29_WithoutTrackingAnEndBeforeTheSendReturnsIsNotMissed) {
  SubmitGate::Options untracked = options();
  untracked.idle_timeout.reset();
  restart(untracked);
  gate_.begin();
  gate_.on_completed("deleted", 100);
  gate_.on_sent(Sent::kAccepted, true, {}, 101);
  EXPECT_THAT(actions(), ElementsAre("watch", "send with ttl", "unwatch", "delivered"));
  EXPECT_EQ(gate_.deadline(), std::nullopt);
}

// A transaction without pairs is never over by itself (RUT-12).
TEST_F(Gate, AG_30_WithoutPairsOnlyTheCompletionOrAnAbandonEndsTheWait) {
  gate_.begin();
  gate_.on_sent(Sent::kAccepted, true, {{"tx", {}, 100}}, 100);
  EXPECT_EQ(gate_.deadline(), std::nullopt);
  gate_.on_time(1e9);
  EXPECT_FALSE(gate_.finished());
  gate_.on_abandon(Abandon::kAgentStopped, 1e9);
  gate_.on_time(1e9 + 0.5);
  EXPECT_EQ(actions().back(), "failed: the agent was stopped during the upload");
}

TEST_F(Gate, AG_30_WaitsToTheDeadlineAndNotOnePollMore) {
  track();
  EXPECT_EQ(gate_.deadline(), 110);
  gate_.on_progress(progress(1), 105);
  EXPECT_EQ(gate_.deadline(), 115);
  gate_.on_time(std::nextafter(115.0, 0.0));
  EXPECT_FALSE(gate_.finished());
  gate_.on_time(115);
  EXPECT_THAT(actions(), ElementsAre("delete tx", "clean up", "failed: result_upload transfer ref stalled"));
}

TEST_F(Gate, AG_30_ADeadlineMissedByRoundingIsMetSoonAfter) {
  SubmitGate::Options odd = options();
  odd.idle_timeout = 0.1;
  restart(odd);
  gate_.begin();
  gate_.on_transaction({"tx", {{"ref", {}}}, 1e6 + 0.3});
  gate_.on_sent(Sent::kAccepted, true, {}, 1e6 + 0.3);
  int turns = 0;
  while (!gate_.finished() && ++turns < 10) gate_.on_time(*gate_.deadline());
  EXPECT_LE(turns, 3);
}

TEST_F(Gate, AG_34_AnAbandonIsSeenAtOnceAndEndsAfterTheLastGrace) {
  track();
  gate_.on_abandon(Abandon::kPipeClosed, 103);
  EXPECT_EQ(gate_.deadline(), 103.5);
  gate_.on_progress(progress(1), 103.2);  // no news for the last grace
  EXPECT_EQ(gate_.deadline(), 103.5);
  gate_.on_time(103.5);
  EXPECT_THAT(actions(), ElementsAre("delete tx", "clean up", "failed: the pipe was closed during the upload"));
  EXPECT_EQ(gate_.tracker()->bound().front()->record->state, TransferState::kAborted);
}

TEST_F(Gate, AG_31_WhatCompletesBeforeTheSubmissionIsNotOfIt) {
  gate_.on_completed("finished", 99);
  track();
  EXPECT_FALSE(gate_.finished());
}

TEST_F(Gate, AG_32_TheGravestReasonToAbandonIsTheOneThatIsTold) {
  SubmitGate::Options polled = options();
  polled.look_interval = 5;
  restart(polled);
  track();
  gate_.on_abandon(Abandon::kPipeClosed, 101);
  gate_.on_abandon(Abandon::kHandlerStopped, 102);
  gate_.on_abandon(Abandon::kPipeClosed, 103);
  EXPECT_EQ(gate_.seen_abandon(), std::nullopt);  // not before the next look
  gate_.on_time(105);
  EXPECT_EQ(gate_.seen_abandon(), Abandon::kHandlerStopped);
  EXPECT_EQ(gate_.deadline(), 105.5);
  gate_.on_time(105.5);
  EXPECT_EQ(actions().back(), "failed: the pipe ended during the upload");
}

TEST_F(Gate, AG_34_WithoutAnIntervalToLookThereIsNoLastGrace) {
  SubmitGate::Options eager = options();
  eager.look_interval = 0;
  restart(eager);
  gate_.on_abandon(Abandon::kAgentStopped, 99);
  track();
  EXPECT_TRUE(gate_.finished());
}

TEST_F(Gate, AG_34_ACompletionWinsOverAnAbandonUntilTheGraceIsOver) {
  track();
  gate_.on_abandon(Abandon::kAgentStopped, 103);
  gate_.on_completed("finished", 103.49);
  EXPECT_THAT(actions(), ElementsAre("delivered: download_complete_cb"));
}

TEST_F(Gate, AG_34_ACompletionWithAFailureEndsTheGrace) {
  track();
  gate_.on_abandon(Abandon::kAgentStopped, 103);
  gate_.on_completed("timeout", 103.1);
  EXPECT_THAT(actions(),
              ElementsAre("delete tx", "clean up", "failed: download transaction ended with status=timeout"));
}

TEST_F(Gate, AG_34_TheGraceOfACompletionWinsOverAnAbandon) {
  track();
  gate_.on_progress(progress(1, TransferState::kCompleted), 102);
  gate_.on_abandon(Abandon::kHandlerStopped, 103);
  EXPECT_THAT(actions(), ElementsAre("delivered: completion_grace"));
}

TEST_F(Gate, AG_34_ProgressThatCompletesInTheLastGraceIsNotLost) {
  track();
  gate_.on_abandon(Abandon::kAgentStopped, 103);
  gate_.on_progress(progress(1, TransferState::kCompleted), 103.4);
  gate_.on_time(103.5);
  EXPECT_EQ(actions().back().substr(0, 9), "delivered");
}

// Every order, at three distances, of an abandon with the end of the send, the last pair's end and the completion: it
// ends once, when the last grace is over at the latest, and with what was known until then.
TEST_F(Gate, AG_34_EveryRaceWithAnAbandonIsDecidedByWhatWasKnown) {
  enum Event { kSent, kLastPair, kCompletion, kAbandon, kEvents };
  int delivered = 0, failed = 0;
  const auto race = [&](const std::array<int, kEvents> &order, const std::array<double, kEvents> &at, int missing,
                        const std::string &status, Abandon why) {
    const auto place = [&](Event event) { return std::find(order.begin(), order.end(), event) - order.begin(); };
    const auto time = [&](Event event) { return at[static_cast<size_t>(place(event))]; };
    const double over = time(kAbandon) + 0.5;
    const auto came = [&](Event event) { return (missing & 1 << event) == 0 && time(event) < over; };
    restart(options());
    gate_.begin();
    gate_.on_transaction({"tx", {{"ref", {}}}, 0});
    const auto until = [&](double now) {
      while (gate_.deadline() && *gate_.deadline() <= now) gate_.on_time(*gate_.deadline());
    };
    for (size_t i = 0; i < order.size(); ++i) {
      until(at[i]);
      if ((missing & 1 << order[i]) != 0) continue;
      switch (order[i]) {
        case kSent: gate_.on_sent(Sent::kAccepted, true, {}, at[i]); break;
        case kLastPair: gate_.on_progress(progress(1, TransferState::kCompleted), at[i]); break;
        case kCompletion: gate_.on_completed(status, at[i]); break;
        default: gate_.on_abandon(why, at[i]);
      }
    }
    until(over);
    std::vector<bool> ends;
    for (const auto &action : gate_.take_actions()) {
      if (const auto *finished = std::get_if<SubmitGate::Finished>(&action)) ends.push_back(finished->success);
    }
    ASSERT_EQ(ends.size(), 1u);
    const bool in_time = came(kLastPair) || (came(kCompletion) && status == "finished");
    if (ends[0]) {
      EXPECT_TRUE(in_time) << "a false success";
    }
    // A completion with a failure is believed unless the last pair was there before it was looked at.
    const bool too_late =
        status != "finished" && came(kCompletion) && place(kLastPair) > std::max(place(kCompletion), place(kSent));
    if (came(kSent) && in_time && !too_late) {
      EXPECT_TRUE(ends[0]) << "a result was given up that was there";
    }
    ++(ends[0] ? delivered : failed);
  };
  for (const auto why : {Abandon::kAgentStopped, Abandon::kHandlerStopped, Abandon::kPipeClosed}) {
    for (const std::string status : {"finished", "timeout"}) {
      for (const int missing : {0, 1 << kLastPair, 1 << kCompletion, 1 << kLastPair | 1 << kCompletion}) {
        std::array<int, kEvents> order = {kSent, kLastPair, kCompletion, kAbandon};
        do {
          for (int gaps = 0; gaps < 27; ++gaps) {
            const double first = 0.3 * (gaps % 3), second = 0.3 * (gaps / 3 % 3), third = 0.3 * (gaps / 9);
            SCOPED_TRACE(testing::PrintToString(order) + " gaps " + std::to_string(gaps) + " missing " +
                         std::to_string(missing) + " " + status);
            race(order, {1, 1 + first, 1 + first + second, 1 + first + second + third}, missing, status, why);
          }
        } while (std::next_permutation(order.begin(), order.end()));
      }
    }
  }
  EXPECT_GT(delivered, 1000);
  EXPECT_GT(failed, 1000);
}

TEST_F(Gate, AG_42_BadEventsAreCountedAndAreNoNews) {
  track();
  UploadProgress bad = progress(1);
  bad.time = std::nan("");
  EXPECT_EQ(gate_.on_progress(bad, 101).reason, "invalid");
  bad = progress(-1);
  EXPECT_EQ(gate_.on_progress(bad, 101).reason, "invalid");
  bad = progress(1);
  bad.ref = "another";
  EXPECT_EQ(gate_.on_progress(bad, 101).reason, "unexpected_pair");
  EXPECT_EQ(gate_.rejected(), 3);
  EXPECT_EQ(gate_.deadline(), 110);
  SubmitGate::Options wrong = options();
  wrong.idle_timeout = -1;
  EXPECT_THROW(SubmitGate{wrong}, Failure);
}

TEST_F(Gate, NothingFollowsTheEnd) {
  track();
  gate_.on_completed("finished", 101);
  actions();
  gate_.on_completed("deleted", 102);
  EXPECT_FALSE(gate_.on_progress(progress(1, TransferState::kFailed), 102).accepted);
  gate_.on_abandon(Abandon::kAgentStopped, 102);
  gate_.on_time(1e9);
  EXPECT_THAT(actions(), IsEmpty());
  EXPECT_EQ(gate_.deadline(), std::nullopt);
}

// Whatever happens in whatever order: it ends, once, in bounded time, and never well when a receiver failed before
// anybody said otherwise.
TEST_F(Gate, EndsOnceInRandomSequences) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    restart(options());
    gate_.begin();
    gate_.on_transaction({"tx", {{"ref", {}}}, 0});
    double now = 0;
    int64_t sequence = 0;
    bool failed = false, confirmed = false, completed = false;
    if (random() % 2 == 0) gate_.on_sent(Sent::kAccepted, true, {}, now);
    for (int step = 0; step < 12; ++step) {
      now += static_cast<double>(random() % 300) / 100;
      if (gate_.deadline() && *gate_.deadline() <= now) gate_.on_time(now);
      const bool over = gate_.finished();
      switch (random() % 8) {
        case 0: gate_.on_abandon(static_cast<Abandon>(random() % 3), now); break;
        case 1:
          completed = completed || (!over && !failed);
          gate_.on_progress(progress(++sequence, TransferState::kCompleted), now);
          break;
        case 2:
          failed = failed || (!over && !completed);
          gate_.on_progress(progress(++sequence, TransferState::kFailed), now);
          break;
        case 3:
          confirmed = confirmed || !over;
          gate_.on_completed("finished", now);
          break;
        case 4: gate_.on_sent(Sent::kAccepted, true, {}, now); break;
        default: gate_.on_progress(progress(++sequence), now);
      }
    }
    gate_.on_sent(Sent::kAccepted, true, {}, now);
    int turns = 0;
    while (!gate_.finished()) {
      ASSERT_TRUE(gate_.deadline()) << "seed " << seed;
      ASSERT_LT(++turns, 10) << "seed " << seed;
      ASSERT_LE(*gate_.deadline(), now + 31) << "seed " << seed;
      now = std::max(now, *gate_.deadline());
      gate_.on_time(now);
    }
    int ends = 0;
    for (const auto &action : gate_.take_actions()) {
      const auto *finished = std::get_if<SubmitGate::Finished>(&action);
      if (!finished) continue;
      ++ends;
      if (finished->success) {
        EXPECT_TRUE(confirmed || completed) << "seed " << seed;
      }
      if (failed && !confirmed) {
        EXPECT_FALSE(finished->success) << "seed " << seed;
      }
    }
    ASSERT_EQ(ends, 1) << "seed " << seed;
  }
}

TEST(LaunchMode, AG_43_OneTaskPerProcessShouldExitAfterItsDelivery) {
  LaunchMode mode(false);
  EXPECT_FALSE(mode.arrange_cleanup());
  mode.submitted(true, false);
  mode.submitted(false, true);
  EXPECT_FALSE(mode.should_exit());
  mode.submitted(true, true);
  EXPECT_TRUE(mode.should_exit());
}

TEST(LaunchMode, AG_50_AG_52_ArrangesAndCleansUpOnce) {
  LaunchMode mode(true);
  EXPECT_TRUE(mode.arrange_cleanup());
  EXPECT_FALSE(mode.arrange_cleanup());
  EXPECT_TRUE(mode.begin_cleanup());
  EXPECT_FALSE(mode.begin_cleanup());
  mode.submitted(true, true);
  EXPECT_FALSE(mode.should_exit());
}

}  // namespace
}  // namespace flare
