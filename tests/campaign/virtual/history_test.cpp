// The checker of the virtual campaign sees each kind of violation: a history that keeps every promise, then the same
// with one thing changed.
#include "history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace flare_world {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using What = Entry::What;

class VirtualHistory : public testing::Test {
 protected:
  VirtualHistory() {
    expected_.tasks = 2;
    expected_.mild = true;
    expected_.most_messages = 100;
    history_.messages = 50;
    history_.lives = {{Role::kSite, false, true}, {Role::kTrainer, false, true}};
    add(What::kSent, 0, 0);
    add(What::kSent, 0, 1);
    task(0);
    answered(0, 10, "result");
    add(What::kSubmitted, 1, -1, 10);
    metric(0);
    metric(1);
    outcome(0, 10, "OK");
    add(What::kAccepted, 1, -1, 10);
    add(What::kSettled, 1, -1, 10);
    task(1);
    answered(1, 11, "fail");
    outcome(1, -1, "EXECUTION_EXCEPTION");
  }

  Entry &add(What what, int life, int task = -1, int64_t answer = -1) {
    Entry &entry = history_.entries.emplace_back();
    entry.what = what;
    entry.life = life;
    entry.task = task;
    entry.answer = answer;
    return entry;
  }
  void task(int index) {
    Entry &entry = add(What::kTask, 1, index);
    entry.other = 0;
    entry.attempt = 1;
  }
  void answered(int index, int64_t answer, const std::string &how) {
    add(What::kAnswered, 1, index, answer).code = how;
  }
  void metric(int64_t step) {
    Entry &entry = add(What::kMetric, 0);
    entry.other = 1;
    entry.step = step;
  }
  void outcome(int index, int64_t answer, const std::string &code) {
    add(What::kOutcome, 0, index, answer).code = code;
  }

  // The entry of this kind, the first or the nth.
  Entry &find(What what, int nth = 0) {
    for (Entry &entry : history_.entries) {
      if (entry.what == what && nth-- == 0) return entry;
    }
    ADD_FAILURE() << "there is none";
    return history_.entries.front();
  }
  void erase(What what) {
    std::erase_if(history_.entries, [&](const Entry &entry) { return entry.what == what; });
  }
  void repeat(What what) { history_.entries.push_back(Entry(find(what))); }
  // With faults: only promises that hold whatever happens.
  void rough() { expected_.mild = false; }
  std::vector<std::string> check() { return check_history(expected_, history_, &tally_); }

  Expectations expected_;
  History history_;
  Tally tally_;
};

TEST_F(VirtualHistory, AGoodOneIsGood) {
  EXPECT_THAT(check(), IsEmpty());
  EXPECT_EQ(tally_.handed_out, 2);
  EXPECT_EQ(tally_.answered, 2);
  EXPECT_EQ(tally_.delivered, 1);
  EXPECT_EQ(tally_.replies, 2);
  EXPECT_EQ(tally_.metrics, 2);
}

TEST_F(VirtualHistory, AHangIsSeen) {
  history_.lives[1].closed = false;
  EXPECT_THAT(check(), ElementsAre("trainer 1 hung"));
}

TEST_F(VirtualHistory, AKillIsNoHang) {
  history_.lives[1] = {Role::kTrainer, true, false};
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(VirtualHistory, AFalseSuccessIsSeen) {
  rough();
  find(What::kOutcome).status = FLARE_PEER_GONE;
  EXPECT_THAT(check(), ElementsAre(HasSubstr("answer 10 to task 0 was called delivered, and no site has it")));
}

TEST_F(VirtualHistory, ASiteThatWasKilledMayHaveHadIt) {
  rough();
  history_.lives[0] = {Role::kSite, true, false};
  erase(What::kOutcome);
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(VirtualHistory, OneThatTakesItsRequestBackMayHaveHadIt) {
  rough();
  find(What::kOutcome).status = FLARE_ABORTED;
  EXPECT_THAT(check(), Contains(HasSubstr("no site has it")));
  Entry aborting = find(What::kSent);
  aborting.what = What::kAborting;
  history_.entries.insert(history_.entries.begin() + 2, aborting);
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(VirtualHistory, WrongContentIsSeen) {
  rough();
  find(What::kOutcome).right = false;
  find(What::kTask).right = false;
  EXPECT_THAT(check(), ElementsAre("task 0 of site 0 is not what was sent",
                                   "the reply to task 0 of site 0 is not what was sent"));
}

TEST_F(VirtualHistory, AReplyOfSomebodyElseIsSeen) {
  rough();
  find(What::kOutcome).answer = 99;
  EXPECT_THAT(check(), Contains(HasSubstr("none that a trainer gave: answer 99")));
  find(What::kOutcome).answer = 10;
  find(What::kOutcome, 1).answer = 10;
  EXPECT_THAT(check(), Contains(HasSubstr("was given to another: answer 10")));
}

TEST_F(VirtualHistory, ATaskHandedOutTwiceIsSeen) {
  repeat(What::kTask);
  EXPECT_THAT(check(), ElementsAre("attempt 1 of task 0 of site 0 was handed out twice to trainer 1"));
}

TEST_F(VirtualHistory, ATaskThatWasNeverSentIsSeen) {
  find(What::kTask).other = 1;
  EXPECT_THAT(check(), ElementsAre("task 0 of trainer 1 was never sent"));
}

TEST_F(VirtualHistory, TwoOutcomesAreSeen) {
  repeat(What::kOutcome);
  EXPECT_THAT(check(), ElementsAre("task 0 of site 0 had two outcomes", "site 0 received answer 10 twice"));
}

TEST_F(VirtualHistory, NoOutcomeIsSeen) {
  rough();
  erase(What::kSettled);
  erase(What::kSubmitted);
  erase(What::kOutcome);
  EXPECT_THAT(check(), ElementsAre("task 0 of site 0 had no outcome", "task 1 of site 0 had no outcome"));
}

TEST_F(VirtualHistory, AnUploadThatNeverSettlesIsSeen) {
  rough();
  erase(What::kSettled);
  EXPECT_THAT(check(), ElementsAre(HasSubstr("was accepted and neither delivered nor reported")));
  erase(What::kAccepted);
  EXPECT_THAT(check(), ElementsAre(HasSubstr("was submitted and neither delivered nor reported")));
}

TEST_F(VirtualHistory, AnUploadThatSettlesTwiceIsSeen) {
  repeat(What::kSettled);
  EXPECT_THAT(check(), ElementsAre("answer 10 was settled twice"));
}

TEST_F(VirtualHistory, WordsThatWereLostAreCounted) {
  rough();
  find(What::kSettled).status = FLARE_PEER_GONE;
  EXPECT_THAT(check(), IsEmpty());
  EXPECT_EQ(tally_.lost_words, 1);
}

TEST_F(VirtualHistory, MetricsOutOfOrderAreSeen) {
  std::swap(find(What::kMetric).step, find(What::kMetric, 1).step);
  EXPECT_THAT(check(), ElementsAre("step 0 of the metrics of trainer 1 came to site 0 after 1"));
  expected_.metrics_in_order = false;
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(VirtualHistory, AMetricThatCameTwiceOrWrongIsSeen) {
  expected_.metrics_in_order = false;
  repeat(What::kMetric);
  find(What::kMetric, 1).right = false;
  EXPECT_THAT(check(), ElementsAre("a metric of trainer 1 is wrong at step 1",
                                   "step 0 of the metrics of trainer 1 came to site 0 twice"));
}

TEST_F(VirtualHistory, InMildnessEverythingMustSucceed) {
  find(What::kSettled).status = FLARE_STALLED;
  EXPECT_THAT(check(), ElementsAre("the result of task 0 was not delivered although little was done"));
  find(What::kOutcome, 1).status = FLARE_PEER_GONE;
  EXPECT_THAT(check(), Contains("task 1 failed although little was done"));
}

TEST_F(VirtualHistory, InMildnessEveryTaskIsAnsweredAsItSays) {
  find(What::kOutcome).code = "EXECUTION_EXCEPTION";
  EXPECT_THAT(check(), ElementsAre("task 0 was answered with EXECUTION_EXCEPTION"));
  expected_.tasks = 3;
  EXPECT_THAT(check(), Contains("2 of 3 tasks were answered"));
}

TEST_F(VirtualHistory, DefectsAreSeen) {
  rough();
  add(What::kOver, 1).status = FLARE_INTERNAL;
  add(What::kDefect, 0).code = "something is wrong";
  EXPECT_THAT(check(), ElementsAre(HasSubstr("trainer 1 was told of a defect"), "site 0: something is wrong"));
}

TEST_F(VirtualHistory, StormsAndLeaksAreSeen) {
  history_.messages = 101;
  history_.borrowed = 3;
  history_.held = 2;
  history_.spins = true;
  EXPECT_THAT(check(),
              ElementsAre("somebody takes turns without end", HasSubstr("101 messages, more than 100"),
                          "3 payloads were sent in lent memory", "2 loops, alarms or descriptors were left behind"));
}

}  // namespace
}  // namespace flare_world
