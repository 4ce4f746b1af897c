#include "transfer/download_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <random>

#include "base/failure.h"

namespace flare {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Service : public testing::Test {
 protected:
  using What = DownloadService::Produced::What;

  struct Describe {
    std::string operator()(const DownloadService::Progress &a) const {
      return "progress " + a.receiver + " " + std::to_string(a.bytes) + " " + std::string(name_of(a.state));
    }
    std::string operator()(const DownloadService::DownloadedToOne &a) const {
      return "one " + a.receiver + " " + std::string(name_of(a.status));
    }
    std::string operator()(const DownloadService::DownloadedToAll &a) const { return "all " + a.object.ref; }
    std::string operator()(const DownloadService::Finishable &a) const { return "finishable " + a.transaction; }
    std::string operator()(const DownloadService::Settle &a) const { return "settle " + a.transaction; }
    std::string operator()(const DownloadService::ObjectDone &a) const { return "done " + a.object.ref; }
    std::string operator()(const DownloadService::TransactionDone &a) const {
      return "transaction " + std::string(name_of(a.status));
    }
    std::string operator()(const DownloadService::OutcomeKnown &a) const {
      return "outcome " + std::string(name_of(a.outcome.state)) + " " + std::string(a.outcome.reason);
    }
    std::string operator()(const DownloadService::Release &a) const { return "release " + a.object.ref; }
  };
  std::vector<std::string> actions() {
    std::vector<std::string> texts;
    for (const auto &action : service_.take_actions()) texts.push_back(std::visit(Describe{}, action));
    return texts;
  }
  void begin(const std::string &id, std::vector<std::string> receivers = {"a"}, bool progress = false) {
    DownloadService::TransactionOptions options;
    options.id = id;
    options.timeout = 100;
    options.receivers = std::move(receivers);
    options.progress = progress;
    service_.new_transaction(options, now_);
  }
  DownloadService::Reply pull(const std::string &ref, const std::string &receiver, What what, bool confirms = true) {
    const auto pull = service_.pull(ref, receiver, now_);
    return pull.ticket == 0 ? pull.reply : service_.served(pull.ticket, {what, 10, {}}, confirms, now_);
  }

  static Limits limits() {
    Limits limits;
    limits.max_transactions = 3;
    limits.max_outcomes = 2;
    limits.max_tombstones = 2;
    limits.max_receivers = 4;
    return limits;
  }
  double now_ = 1000;
  int nonces_ = 0;
  DownloadService service_{{true, [this] { return "nonce-" + std::to_string(++nonces_); }}, limits()};
};

TEST_F(Service, DS_02_CountsAndBudgetsAreChecked) {
  const auto rejected = [&](auto change) {
    DownloadService::TransactionOptions options;
    options.id = "T";
    options.timeout = 10;
    options.receivers = {"a", "b", "a"};
    change(&options);
    EXPECT_THROW(service_.new_transaction(options, now_), Failure);
  };
  rejected([](auto *options) { options->receiver_count = 3; });
  rejected([](auto *options) { options->min_receivers = 0; });
  rejected([](auto *options) { options->min_receivers = 3; });
  rejected([](auto *options) { options->timeout = 0; });
  rejected([](auto *options) { options->acquire_timeout = -1; });
  rejected([](auto *options) { options->idle_timeout = 0; });
  rejected([](auto *options) { options->progress_interval = -1; });
  rejected([](auto *options) { options->progress_interval = std::nan(""); });
  EXPECT_EQ(service_.sizes().live, 0u);
}

TEST_F(Service, ReceiversThatNobodyDeclaredAreBounded) {
  begin("T", {});
  service_.add_object("T", "ref", now_);
  for (const char *name : {"a", "b", "c", "d"}) {
    EXPECT_EQ(pull("ref", name, What::kData).code, DownloadService::Code::kOk);
  }
  EXPECT_EQ(pull("ref", "e", What::kData).code, DownloadService::Code::kInvalidRequest);
  EXPECT_EQ(service_.rejected(), 1);
  EXPECT_EQ(pull("ref", "d", What::kData).code, DownloadService::Code::kOk);
}

TEST_F(Service, DS_01_AnIdIsTakenUntilItsReceiptIsOld) {
  begin("T");
  EXPECT_THROW(begin("T"), Failure);
  service_.remove("T", now_);
  EXPECT_THROW(begin("T"), Failure);  // it settles yet
  service_.settle("T", now_);
  EXPECT_THROW(begin("T"), Failure);
  now_ += 1801;
  begin("T");
}

TEST_F(Service, DS_01_AfterAShutdownAnIdIsTakenUntilItHasSettled) {
  begin("T");
  service_.shutdown(now_);
  EXPECT_THROW(begin("T"), Failure);
  service_.settle("T", now_);
  begin("T");
}

TEST_F(Service, DS_02_RepeatedReceiversCountOnceAndAllOfThemMayBeNeeded) {
  DownloadService::TransactionOptions options;
  options.id = "T";
  options.timeout = 10;
  options.receivers = {"a", "b", "a"};
  options.receiver_count = 2;
  options.min_receivers = 2;
  service_.new_transaction(options, now_);
  service_.remove("T", now_);
  service_.settle("T", now_);
  EXPECT_EQ(service_.outcome("T", now_)->receivers, (std::vector<std::string>{"a", "b"}));
}

TEST_F(Service, DS_04_UnknownTicketsRefsAndTransactionsAreRejected) {
  EXPECT_EQ(service_.served(7, {What::kData, 10, {}}, true, now_).code, DownloadService::Code::kInvalidRequest);
  EXPECT_EQ(pull("R", "a", What::kData).code, DownloadService::Code::kInvalidRequest);
  EXPECT_THROW(service_.add_object("T", "R", now_), Failure);
  service_.retire_finished("T", now_);
  service_.remove("T", now_);
  service_.settle("T", now_);
  EXPECT_THAT(actions(), IsEmpty());
  EXPECT_TRUE(service_.acquired_receivers("T").empty());
  EXPECT_EQ(service_.deadline(), std::nullopt);
  EXPECT_EQ(service_.rejected(), 2);
}

TEST_F(Service, DS_06_AChunkThatCannotBeProducedEndsOnlyTheProgress) {
  begin("T", {"a"}, true);
  service_.add_object("T", "R", now_);
  EXPECT_EQ(pull("R", "a", What::kThrew).code, DownloadService::Code::kProcessException);
  EXPECT_THAT(actions(), ElementsAre("progress a 0 active", "progress a 0 failed"));
  pull("R", "a", What::kEof, false);
  EXPECT_THAT(actions(), ElementsAre("one a success", "all R", "finishable T"));
}

TEST_F(Service, DS_08_WhoIsThroughGetsNoNonceAndCountsOnce) {
  begin("T", {"a", "b"});
  service_.add_object("T", "R", now_);
  pull("R", "a", What::kEof, false);
  EXPECT_EQ(pull("R", "a", What::kEof, true).nonce, std::nullopt);
  EXPECT_EQ(pull("R", "a", What::kError, false).served, DownloadService::Served::kError);
  service_.retire_finished("T", now_);
  EXPECT_THAT(actions(), ElementsAre("one a success"));  // b is still to come
}

TEST_F(Service, DS_12_ProgressIsReportedInIntervalsAndCountsBytesAndItems) {
  DownloadService::TransactionOptions options;
  options.id = "T";
  options.timeout = 100;
  options.receivers = {"a"};
  options.progress = true;
  options.progress_interval = 5;
  service_.new_transaction(options, now_);
  service_.add_object("T", "R", now_);
  const auto chunk = [&](int64_t bytes, std::optional<int64_t> items) {
    const auto pull = service_.pull("R", "a", now_);
    service_.served(pull.ticket, {What::kData, bytes, items}, true, now_);
  };
  chunk(10, {});
  EXPECT_THAT(actions(), ElementsAre("progress a 0 active"));
  now_ = std::nextafter(now_ + 5, 0.0);
  chunk(10, 2);
  chunk(0, {});
  EXPECT_THAT(actions(), IsEmpty());
  now_ = 1005;
  chunk(0, {});  // nothing new, so nothing to say
  chunk(-1, 0);
  EXPECT_THAT(actions(), IsEmpty());
  chunk(0, 1);  // an empty item is something new
  const auto events = service_.take_actions();
  ASSERT_EQ(events.size(), 1u);
  const auto &event = std::get<DownloadService::Progress>(events.front());
  EXPECT_EQ(event.bytes, 20);
  EXPECT_EQ(event.items, 3);
  EXPECT_EQ(event.sequence, 2);
}

TEST_F(Service, W_07_ALegacyReceiverIsSettledAsSoonAsItsReplyHasLeft) {
  begin("T");
  service_.add_object("T", "R", now_);
  EXPECT_EQ(pull("R", "a", What::kEof, false).nonce, std::nullopt);
  EXPECT_THAT(actions(), ElementsAre("one a success", "all R", "finishable T"));
  service_.retire_finished("T", now_);
  service_.settle("T", now_);
  EXPECT_THAT(actions(), ElementsAre("settle T", "done R", "transaction finished",
                                     "outcome completed all_receivers_succeeded", "release R"));
  EXPECT_EQ(pull("R", "a", What::kEof).served, DownloadService::Served::kEof);
  EXPECT_EQ(pull("R", "b", What::kEof).code, DownloadService::Code::kInvalidRequest);
}

TEST_F(Service, DS_09_OnlyTheRightConfirmationCountsAndOnlyOnce) {
  begin("T", {"a"}, true);
  service_.add_object("T", "R", now_);
  const auto first = pull("R", "a", What::kEof).nonce;
  const auto second = pull("R", "a", What::kEof).nonce;
  actions();
  EXPECT_FALSE(service_.confirm("R", "a", "success", first, now_));     // of an older serve
  EXPECT_FALSE(service_.confirm("R", "b", "success", second, now_));    // for another
  EXPECT_FALSE(service_.confirm("R", "a", "well done", second, now_));  // not a word
  EXPECT_FALSE(service_.confirm("R", "a", "success", {}, now_));
  EXPECT_FALSE(service_.confirm("nothing", "a", "success", second, now_));
  EXPECT_THAT(actions(), IsEmpty());
  EXPECT_TRUE(service_.confirm("R", "a", "failed", second, now_));
  EXPECT_THAT(actions(), ElementsAre("one a failed", "all R", "progress a 0 failed", "settle T"));
  EXPECT_FALSE(service_.confirm("R", "a", "success", second, now_));
  EXPECT_EQ(service_.rejected(), 6);
}

TEST_F(Service, DS_09_AConfirmationIsActivityAndARefusedOneIsNot) {
  begin("T", {"a", "b"});
  service_.add_object("T", "R", now_);
  const auto nonce = pull("R", "a", What::kEof).nonce;
  now_ += 90;
  service_.confirm("R", "a", "success", "another", now_);
  EXPECT_LT(*service_.deadline(), 1101);
  service_.confirm("R", "a", "success", nonce, now_);
  service_.on_monitor(now_ + 100);
  EXPECT_THAT(actions(), ElementsAre("one a success"));
  service_.on_monitor(now_ + 101);
  EXPECT_THAT(actions(), ElementsAre("settle T"));
}

TEST_F(Service, DS_11_StrangersCompleteNothing) {
  begin("T", {"a"});
  service_.add_object("T", "R", now_);
  pull("R", "stranger", What::kEof, false);
  EXPECT_THAT(actions(), ElementsAre("one stranger success"));
}

TEST_F(Service, DS_14_AReceiverThatNeverComesFailsForEveryRef) {
  DownloadService::TransactionOptions options;
  options.id = "T";
  options.timeout = 100;
  options.receivers = {"a", "b"};
  options.acquire_timeout = 5;
  options.idle_timeout = 7;
  service_.new_transaction(options, now_);
  service_.add_object("T", "R1", now_);
  service_.add_object("T", "R2", now_);
  pull("R1", "a", What::kData);
  EXPECT_GT(*service_.deadline(), now_ + 5);
  service_.on_monitor(now_ + 5);
  EXPECT_THAT(actions(), IsEmpty());
  now_ = *service_.deadline();
  service_.on_monitor(now_);
  EXPECT_THAT(actions(), ElementsAre("one b failed", "one b failed"));
  now_ = *service_.deadline();
  EXPECT_GT(now_, 1007);
  service_.on_monitor(now_);
  EXPECT_THAT(actions(), ElementsAre("one a failed", "all R1", "one a failed", "all R2", "settle T"));
}

TEST_F(Service, DS_14_AReceiverMayFailOnAnOldRefAndStillComeForAYoungOne) {
  DownloadService::TransactionOptions options;
  options.id = "T";
  options.timeout = 100;
  options.receivers = {"a", "b"};
  options.acquire_timeout = 5;
  options.idle_timeout = 6;
  service_.new_transaction(options, now_);
  service_.add_object("T", "old", now_);
  pull("old", "a", What::kData);
  service_.add_object("T", "young", now_ + 3);
  EXPECT_EQ(service_.deadline(), std::nextafter(1005.0, 1e9));
  service_.on_monitor(1007);  // a is idle, b never came: for the old ref only
  EXPECT_THAT(actions(), ElementsAre("one a failed", "one b failed", "all old", "one a failed"));
  EXPECT_EQ(service_.deadline(), std::nextafter(1008.0, 1e9));
  service_.on_monitor(*service_.deadline());
  EXPECT_THAT(actions(), ElementsAre("one b failed", "all young", "settle T"));
}

TEST_F(Service, DS_14_ABudgetIsExceededStrictlyAfterItsTime) {
  DownloadService::TransactionOptions options;
  options.id = "T";
  options.timeout = 100;
  options.receivers = {"a"};
  options.idle_timeout = 7;
  service_.new_transaction(options, now_);
  service_.add_object("T", "R", now_);
  service_.on_monitor(now_ + 50);  // without an acquire timeout it may come when it likes
  pull("R", "a", What::kData);
  service_.on_monitor(now_ + 7);
  EXPECT_THAT(actions(), IsEmpty());
  service_.on_monitor(std::nextafter(now_ + 7, 1e9));
  EXPECT_THAT(actions(), ElementsAre("one a failed", "all R", "settle T"));
}

TEST_F(Service, DS_15_TheDriverMaySettleLate) {
  begin("T");
  service_.add_object("T", "R", now_);
  const auto pull = service_.pull("R", "a", now_);
  service_.remove("T", now_);
  EXPECT_THAT(actions(), ElementsAre("settle T"));
  service_.on_monitor(now_ + 61);
  service_.served(pull.ticket, {What::kData, 10, {}}, true, now_ + 61);
  EXPECT_THAT(actions(), IsEmpty());  // it was told, and that it has not begun is its choice
  EXPECT_EQ(service_.deadline(), std::nullopt);
  service_.settle("T", now_ + 62);
  EXPECT_EQ(actions().back(), "release R");
}

TEST_F(Service, DS_15_W_20_SettlingWaitsForChunksWithoutBlockingAnybody) {
  begin("T", {"a"}, true);
  service_.add_object("T", "R", now_);
  const auto slow = service_.pull("R", "a", now_);
  actions();
  service_.remove("T", now_);
  EXPECT_THAT(actions(), ElementsAre("settle T"));
  service_.settle("T", now_);
  EXPECT_THAT(actions(), IsEmpty());
  EXPECT_EQ(pull("R", "a", What::kData).code, DownloadService::Code::kInvalidRequest);
  service_.served(slow.ticket, {What::kData, 10, {}}, true, now_ + 3);
  EXPECT_THAT(actions(), ElementsAre("settle T"));
  service_.settle("T", now_ + 3);
  EXPECT_EQ(actions().back(), "release R");
  EXPECT_EQ(service_.sizes().settling, 0u);
}

TEST_F(Service, DS_15_AChunkThatNeverComesIsWaitedForAMinute) {
  begin("T", {"a"}, true);
  service_.add_object("T", "R", now_);
  const auto stuck = service_.pull("R", "a", now_);
  service_.remove("T", now_);
  service_.settle("T", now_);
  actions();
  EXPECT_EQ(service_.deadline(), now_ + 60);
  service_.on_monitor(now_ + 60);
  EXPECT_THAT(actions(), ElementsAre("settle T"));
  service_.settle("T", now_ + 60);
  EXPECT_EQ(actions().back(), "release R");
  EXPECT_EQ(service_.sizes().settling, 1u);  // the id stays taken while the chunk is out
  service_.settle("T", now_ + 60);
  service_.on_monitor(now_ + 60);
  EXPECT_THAT(actions(), IsEmpty());
  EXPECT_EQ(service_.deadline(), std::nextafter(now_ + 60 + 1800, 1e9));  // that of its receipt
  service_.served(stuck.ticket, {What::kData, 10, {}}, true, now_ + 61);
  EXPECT_EQ(service_.sizes().settling, 0u);
  EXPECT_THAT(actions(), IsEmpty());
}

// Its object is released by then, and its outcome known.
TEST_F(Service, DS_15_WhatIsProducedAfterTheSettlementChangesNothing) {
  for (const bool confirms : {false, true}) {
    const std::string id = confirms ? "T1" : "T0";
    begin(id, {"a"}, true);
    service_.add_object(id, "R", now_);
    const auto stuck = service_.pull("R", "a", now_);
    service_.remove(id, now_);
    service_.settle(id, now_ + 60);
    actions();
    service_.served(stuck.ticket, {What::kEof, 0, {}}, confirms, now_ + 61);
    EXPECT_THAT(actions(), IsEmpty());
    EXPECT_EQ(service_.outcome(id, now_ + 61)->reason, "deleted");
  }
}

TEST_F(Service, DS_17_AllThatSucceededIsCompletedHoweverItEnded) {
  begin("T");
  service_.add_object("T", "R", now_);
  pull("R", "a", What::kEof, false);
  service_.remove("T", now_);
  service_.settle("T", now_);
  EXPECT_EQ(service_.outcome("T", now_)->reason, "all_receivers_succeeded");
}

TEST_F(Service, DS_19_DS_20_AShutdownResolvesWaitersAndRecordsNothing) {
  begin("T");
  const auto waiter = service_.waiter("T");
  EXPECT_FALSE(waiter->done);
  service_.shutdown(now_);
  EXPECT_TRUE(waiter->done);
  service_.settle("T", now_);
  EXPECT_EQ(service_.outcome("T", now_), std::nullopt);
  EXPECT_TRUE(service_.waiter("unknown")->done);
}

TEST_F(Service, DS_19_WaitersHearTheOutcomeWhenItIsRecordedAndLater) {
  begin("T");
  const auto early = service_.waiter("T");
  service_.remove("T", now_);
  EXPECT_FALSE(early->done);
  service_.settle("T", now_);
  for (const auto &waiter : {early, service_.waiter("T")}) {
    EXPECT_TRUE(waiter->done);
    EXPECT_EQ(waiter->outcome->reason, "deleted");
  }
}

TEST_F(Service, DS_19_AnOutcomeIsForgottenAfterItsTimeAndItsIdMayComeAgain) {
  begin("T");
  service_.remove("T", now_);
  service_.settle("T", now_);
  EXPECT_TRUE(service_.outcome("T", now_ + 1800));
  EXPECT_FALSE(service_.outcome("T", std::nextafter(now_ + 1800, 1e9)));
  now_ += 1801;
  begin("T");
  service_.remove("T", now_);
  service_.settle("T", now_);
  service_.on_monitor(now_);  // the end of the first is not the end of the second
  EXPECT_EQ(service_.sizes().receipts, 1u);
  service_.on_monitor(*service_.deadline());
  EXPECT_EQ(service_.sizes().receipts, 0u);
  EXPECT_EQ(service_.deadline(), std::nullopt);
}

TEST_F(Service, DS_13_ATombstoneLivesItsTimeFromTheLastEndOfItsRef) {
  const auto finish = [&](const std::string &id) {
    begin(id);
    service_.add_object(id, "R", now_);
    EXPECT_EQ(service_.sizes().tombstones, 0u);  // it is a live ref again
    pull("R", "a", What::kEof, false);
    service_.retire_finished(id, now_);
    service_.settle(id, now_);
  };
  finish("T1");
  EXPECT_EQ(service_.deadline(), std::nextafter(now_ + 1800, 1e9));
  now_ += 1000;
  finish("T2");
  service_.on_monitor(now_ + 801);
  EXPECT_EQ(service_.sizes().tombstones, 1u);
  now_ += 1800;
  EXPECT_EQ(pull("R", "a", What::kData).served, DownloadService::Served::kEof);
  now_ = std::nextafter(now_, 1e9);
  EXPECT_EQ(pull("R", "a", What::kData).code, DownloadService::Code::kInvalidRequest);
  service_.on_monitor(now_);
  EXPECT_EQ(service_.sizes().tombstones, 0u);
}

TEST_F(Service, W_26_TablesAreBoundedByCount) {
  for (int i = 0; i < 5; ++i) {
    const std::string number = std::to_string(i);
    begin("T" + number);
    service_.add_object("T" + number, "R" + number, now_);
    pull("R" + number, "a", What::kEof, false);
    service_.retire_finished("T" + number, now_);
    service_.settle("T" + number, now_);
  }
  EXPECT_EQ(service_.sizes().receipts, 2u);
  EXPECT_EQ(service_.sizes().tombstones, 2u);
  begin("A");
  begin("B");
  begin("C");
  EXPECT_THROW(begin("D"), Failure);
}

TEST_F(Service, W_31_AnOlderTransactionLeavesARefThatWasTakenOver) {
  begin("old");
  service_.add_object("old", "R", now_);
  begin("new");
  service_.add_object("new", "R", now_);
  service_.remove("old", now_);
  EXPECT_EQ(pull("R", "a", What::kData).served, DownloadService::Served::kData);
}

TEST_F(Service, W_31_NeitherDoesItTouchTheTombstoneOfTheNewer) {
  begin("old");
  service_.add_object("old", "R", now_);
  begin("new");
  service_.add_object("new", "R", now_);
  pull("R", "a", What::kEof, false);
  service_.retire_finished("new", now_);
  service_.remove("old", now_);
  EXPECT_EQ(pull("R", "a", What::kData).served, DownloadService::Served::kEof);
}

TEST(TransferOutcome, DS_17_WithoutReceiversOrObjectsNothingWasDelivered) {
  TransferOutcome outcome;
  judge(&outcome);
  EXPECT_EQ(outcome.reason, "unknown_receiver_count");
  EXPECT_FALSE(outcome.quorum_met());
  outcome.receiver_count = 2;
  judge(&outcome);
  EXPECT_EQ(outcome.reason, "no_objects");
  outcome.min_receivers = 1;
  EXPECT_FALSE(outcome.quorum_met());
}

TEST(TransferOutcome, DS_17_WhoeverTheyAreAsManyAsSaidHaveToSucceed) {
  TransferOutcome outcome;
  outcome.receiver_count = 2;
  outcome.refs = {{"x", {{"a", DownloadStatus::kSuccess}}}};
  judge(&outcome);
  EXPECT_EQ(outcome.reason, "receiver_failed");
  outcome.refs[0].receivers["b"] = DownloadStatus::kFailed;
  judge(&outcome);
  EXPECT_EQ(outcome.reason, "receiver_failed");
  outcome.refs[0].receivers["b"] = DownloadStatus::kSuccess;
  judge(&outcome);
  EXPECT_EQ(outcome.reason, "all_receivers_succeeded");
}

TEST(TransferOutcome, DS_17_AReceiverCountsForTheQuorumWhenItHasEveryObject) {
  TransferOutcome outcome;
  outcome.receiver_count = 2;
  outcome.min_receivers = 1;
  outcome.refs = {{"x", {{"a", DownloadStatus::kSuccess}, {"b", DownloadStatus::kFailed}}},
                  {"y", {{"a", DownloadStatus::kFailed}, {"b", DownloadStatus::kSuccess}}}};
  judge(&outcome);
  EXPECT_EQ(outcome.reason, "receiver_failed");
  EXPECT_FALSE(outcome.quorum_met());
  outcome.refs[1].receivers["a"] = DownloadStatus::kSuccess;
  EXPECT_TRUE(outcome.quorum_met());
  outcome.min_receivers = 2;
  EXPECT_FALSE(outcome.quorum_met());
}

TEST_F(Service, EverySequenceOfRequestsEndsInOneOutcomeEach) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    DownloadService service({true, [this] { return std::to_string(++nonces_); }}, Limits());
    std::map<std::string, int> outcomes, releases, objects;
    int begun = 0;
    double now = 0;
    std::deque<uint64_t> tickets;
    std::vector<std::optional<std::string>> nonces = {std::nullopt};
    const auto drive = [&] {
      for (auto actions = service.take_actions(); !actions.empty(); actions = service.take_actions()) {
        for (const auto &action : actions) {
          if (const auto *settle = std::get_if<DownloadService::Settle>(&action))
            service.settle(settle->transaction, now);
          if (const auto *last = std::get_if<DownloadService::Finishable>(&action)) {
            service.retire_finished(last->transaction, now);
          }
          if (const auto *known = std::get_if<DownloadService::OutcomeKnown>(&action)) {
            ++outcomes[known->outcome.transaction];
          }
          if (const auto *gone = std::get_if<DownloadService::Release>(&action)) ++releases[gone->object.transaction];
        }
      }
    };
    for (int step = 0; step < 200; ++step) {
      now += static_cast<double>(random() % 5);
      const std::string ref = "R" + std::to_string(random() % 6), receiver(1, static_cast<char>('a' + random() % 3));
      const std::string id = "T" + std::to_string(random() % static_cast<unsigned>(begun + 1));
      switch (random() % 8) {
        case 0: {
          DownloadService::TransactionOptions options;
          options.id = "T" + std::to_string(begun++);
          options.timeout = 20;
          options.receivers = {"a", "b"};
          options.progress = true;
          options.idle_timeout = 10;
          if (service.sizes().live < 60) service.new_transaction(options, now);
          break;
        }
        case 1:
          try {
            service.add_object(id, ref, now);
            ++objects[id];
          } catch (const Failure &) {
          }
          break;
        case 2: service.on_monitor(now); break;
        case 3: service.confirm(ref, receiver, random() % 2 ? "success" : "failed", nonces.back(), now); break;
        case 4:
          if (random() % 4 == 0) service.remove(id, now);
          break;
        default:
          if (const auto pull = service.pull(ref, receiver, now); pull.ticket != 0) tickets.push_back(pull.ticket);
          if (!tickets.empty() && random() % 3 != 0) {
            const auto reply = service.served(tickets.front(), {static_cast<What>(random() % 4), 5, {}}, true, now);
            if (reply.nonce) nonces.push_back(reply.nonce);
            tickets.pop_front();
          }
      }
      drive();
    }
    for (const uint64_t ticket : tickets) service.served(ticket, {What::kThrew, 0, {}}, true, now);
    service.shutdown(now);
    drive();
    for (int i = 0; i < begun; ++i) {
      const std::string id = "T" + std::to_string(i);
      ASSERT_EQ(outcomes[id], 1) << "seed " << seed;
      ASSERT_EQ(releases[id], objects[id]) << "seed " << seed;
    }
    const auto sizes = service.sizes();
    ASSERT_EQ(sizes.live + sizes.refs + sizes.settling + sizes.owned, 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace flare
