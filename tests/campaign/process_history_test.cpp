// The checker of the process campaign sees each kind of violation: a history that keeps every promise, then the same
// with one line changed.
#include "process_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace flare_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ProcessHistory : public testing::Test {
 protected:
  ProcessHistory() {
    exchanger_.role = Role::kExchanger;
    exchanger_.run = 1;
    exchanger_.output =
        "1.0 url zmq+ipc:///x\n1.1 usage 19 4 600\n1.2 send 0\n1.3 send 1\n"
        "2026-01-01T00:00:00.000Z I flare_agent: agent connected agent=agent library=0.1.0\n"
        "3.0 metric 77/1 0 0\n3.1 metric 77/1 1 0.5\n4.0 reply 0 right OK 77 1\n"
        "6.0 reply 1 right EXECUTION_EXCEPTION -1 -1\n7.0 usage 20 4 700\n7.1 closing\n7.2 closed\n";
    trainer_.role = Role::kTrainer;
    trainer_.output =
        "1.5 open 77\n1.6 usage 19 4 600\n2.0 task 0 1 1 right\n3.2 answer 0 1 result\n3.3 submitted 0 1\n"
        "3.9 accepted 0 1\n4.1 delivered 0 1\n5.0 task 1 1 1 right\n5.1 answer 1 2 fail\n"
        "7.0 over 2 the job ended\n7.1 usage 19 4 600\n7.2 closed\n";
    expected_.tasks = 2;
    expected_.calm = true;
  }

  static void replace(Life *life, const std::string &old, const std::string &with) {
    const size_t found = life->output.find(old);
    ASSERT_NE(found, std::string::npos) << old;
    life->output.replace(found, old.size(), with);
  }
  // With faults: only promises that hold whatever happens.
  void rough() { expected_.calm = false; }
  std::vector<std::string> check() { return check_history(expected_, {exchanger_, trainer_}, &tally_); }

  Expectations expected_;
  Life exchanger_, trainer_;
  Tally tally_;
};

TEST_F(ProcessHistory, AGoodOneIsGood) {
  EXPECT_THAT(check(), IsEmpty());
  EXPECT_EQ(tally_.handed_out, 2);
  EXPECT_EQ(tally_.answered, 2);
  EXPECT_EQ(tally_.delivered, 1);
  EXPECT_EQ(tally_.replies, 2);
  EXPECT_EQ(tally_.metrics, 2);
}

TEST_F(ProcessHistory, AHangIsSeen) {
  trainer_.hung = true;
  EXPECT_THAT(check(), ElementsAre("a trainer hung"));
}

TEST_F(ProcessHistory, ACrashIsSeen) {
  exchanger_.status = 128 + 11;
  EXPECT_THAT(check(), ElementsAre("exchanger 1 ended with status 139"));
}

TEST_F(ProcessHistory, AKillIsNoCrash) {
  exchanger_.status = 128 + 9;
  exchanger_.killed = true;
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ProcessHistory, AFalseSuccessIsSeen) {
  rough();
  replace(&exchanger_, "reply 0 right OK 77 1", "gone 0 -3 the peer is gone");
  EXPECT_THAT(check(), ElementsAre(HasSubstr("the result of task 0 was called delivered, and no exchanger has it")));
}

TEST_F(ProcessHistory, AReplyThatDiedWithItsExchangerIsNoFalseSuccess) {
  rough();
  replace(&exchanger_, "4.0 reply 0 right OK 77 1\n", "");
  exchanger_.killed = true;
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ProcessHistory, AReplyThatWasJustAbortedIsNoFalseSuccess) {
  rough();
  replace(&exchanger_, "reply 0 right OK 77 1", "aborting 0\n4.1 gone 0 -4 aborted");
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ProcessHistory, AResultThatIsNeitherDeliveredNorReportedIsSeen) {
  rough();
  replace(&trainer_, "4.1 delivered 0 1\n", "");
  EXPECT_THAT(check(), ElementsAre("the result of task 0 was accepted and neither delivered nor reported"));
}

TEST_F(ProcessHistory, AReportIsEnough) {
  rough();
  replace(&trainer_, "delivered 0 1", "undelivered 0 1 -3 the peer is gone");
  EXPECT_THAT(check(), IsEmpty());
  EXPECT_EQ(tally_.lost_words, 1);
}

TEST_F(ProcessHistory, AResultSettledTwiceIsSeen) {
  replace(&trainer_, "4.1 delivered 0 1\n", "4.1 delivered 0 1\n4.2 delivered 0 1\n");
  EXPECT_THAT(check(), ElementsAre("answer 1 was settled twice"));
}

TEST_F(ProcessHistory, ATaskWithoutOutcomeIsSeen) {
  rough();
  replace(&exchanger_, "6.0 reply 1 right EXECUTION_EXCEPTION -1 -1\n", "");
  EXPECT_THAT(check(), ElementsAre("task 1 had no outcome (exchanger 1)"));
}

TEST_F(ProcessHistory, TwoOutcomesAreSeen) {
  replace(&exchanger_, "6.0 reply", "5.9 gone 1 -5 stalled\n6.0 reply");
  rough();
  EXPECT_THAT(check(), ElementsAre("task 1 had two outcomes (exchanger 1)"));
}

TEST_F(ProcessHistory, ATaskHandedOutTwiceIsSeen) {
  rough();
  replace(&trainer_, "5.0 task 1 1 1 right", "5.0 task 0 1 1 right");
  EXPECT_THAT(check(), ElementsAre("attempt 1 of task 0 of exchanger 1 was handed out twice"));
}

TEST_F(ProcessHistory, AnotherAttemptIsAllowed) {
  rough();
  replace(&trainer_, "5.0 task 1 1 1 right", "4.5 task 0 1 2 right\n5.0 task 1 1 1 right");
  EXPECT_THAT(check(), IsEmpty());
}

TEST_F(ProcessHistory, ATaskThatNobodySentIsSeen) {
  replace(&trainer_, "5.0 task 1 1 1 right", "5.0 task 1 2 1 right");
  EXPECT_THAT(check(), ElementsAre("task 1 of exchanger 2 was never sent"));
}

TEST_F(ProcessHistory, AWrongTaskIsSeen) {
  replace(&trainer_, "task 0 1 1 right", "task 0 1 1 wrong:element-5");
  EXPECT_THAT(check(), ElementsAre("task 0 is wrong:element-5"));
}

TEST_F(ProcessHistory, AWrongReplyIsSeen) {
  replace(&exchanger_, "reply 0 right", "reply 0 wrong:shape");
  EXPECT_THAT(check(), ElementsAre("the reply to task 0 is wrong:shape (exchanger 1)"));
}

TEST_F(ProcessHistory, AReplyThatNobodyGaveIsSeen) {
  rough();
  replace(&exchanger_, "reply 0 right OK 77 1", "reply 0 right OK 77 9");
  replace(&trainer_, "4.1 delivered 0 1", "4.1 undelivered 0 1 -3 gone");
  EXPECT_THAT(check(), ElementsAre("the reply to task 0 is none that a trainer gave: answer 9 of process 77"));
}

TEST_F(ProcessHistory, AReplyOfAnotherTaskIsSeen) {
  rough();
  replace(&exchanger_, "reply 1 right EXECUTION_EXCEPTION -1 -1", "reply 1 right OK 77 1");
  replace(&exchanger_, "4.0 reply 0 right OK 77 1\n", "4.0 gone 0 -5 stalled\n");
  EXPECT_THAT(check(), ElementsAre("the reply to task 1 was given to task 0"));
}

TEST_F(ProcessHistory, AnAnswerGivenTwiceIsSeen) {
  rough();
  replace(&trainer_, "5.1 answer 1 2 fail", "5.1 answer 1 1 fail");
  EXPECT_THAT(check(), ElementsAre("a trainer gave answer 1 twice"));
}

TEST_F(ProcessHistory, AMetricThatComesTwiceIsSeen) {
  replace(&exchanger_, "metric 77/1 1 0.5", "metric 77/1 0 0");
  EXPECT_THAT(check(), ElementsAre("metric 77/1 of step 0 came twice"));
}

TEST_F(ProcessHistory, AWrongMetricIsSeen) {
  replace(&exchanger_, "metric 77/1 1 0.5", "metric 77/1 1 0.25");
  EXPECT_THAT(check(), ElementsAre("metric 77/1 of step 1 is wrong: 0.25"));
}

TEST_F(ProcessHistory, ADefectIsSeen) {
  rough();
  replace(&trainer_, "over 2 the job ended", "over -10 internal error");
  EXPECT_THAT(check(), ElementsAre("a trainer was told of a defect: over -10"));
}

TEST_F(ProcessHistory, GrowthIsSeen) {
  replace(&exchanger_, "7.0 usage 20 4 700", "7.0 usage 120 40 99000");
  EXPECT_THAT(check(), ElementsAre("exchanger 1 has 120 descriptors", "exchanger 1 has 40 threads",
                                   "exchanger 1 holds 99000 KiB"));
}

TEST_F(ProcessHistory, InCalmEverythingSucceeds) {
  replace(&trainer_, "delivered 0 1", "undelivered 0 1 -3 the peer is gone");
  replace(&exchanger_, "reply 0 right OK 77 1", "gone 0 -3 the peer is gone");
  EXPECT_THAT(check(),
              ElementsAre("task 0 failed although nothing was done to it",
                          "the result of task 0 was not delivered in calm", "task 0 was answered with nothing"));
}

TEST_F(ProcessHistory, InCalmEveryTaskIsAnswered) {
  expected_.tasks = 3;
  EXPECT_THAT(check(), ElementsAre("2 of 3 tasks were answered in calm"));
}

}  // namespace
}  // namespace flare_test
