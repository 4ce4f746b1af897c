#include "transfer/download_consumer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transfer/upload_plan.h"

namespace flare {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Consumer : public testing::Test {
 protected:
  using What = DownloadConsumer::Reply::What;

  struct Describe {
    std::string operator()(const DownloadConsumer::Request &a) const { return "request " + a.state.value_or("first"); }
    std::string operator()(const DownloadConsumer::Consume &a) const { return "consume " + a.state; }
    std::string operator()(const DownloadConsumer::Completed &) const { return "completed"; }
    std::string operator()(const DownloadConsumer::Confirm &a) const {
      return "confirm " + std::string(name_of(a.status)) + " " + a.nonce;
    }
    std::string operator()(const DownloadConsumer::Failed &a) const { return "failed: " + a.reason; }
    std::string operator()(const DownloadConsumer::Done &) const { return "done"; }
  };
  std::vector<std::string> actions() {
    std::vector<std::string> texts;
    for (const auto &action : consumer_.take_actions()) texts.push_back(std::visit(Describe{}, action));
    return texts;
  }
  DownloadConsumer consumer_{DownloadConsumer::Options()};
};

TEST_F(Consumer, DS_21_AsksChunkByChunkAndConfirmsTheEnd) {
  consumer_.begin();
  consumer_.on_reply({What::kData, "1", {}});
  EXPECT_THAT(actions(), ElementsAre("request first", "consume 1"));
  consumer_.on_consumed("1b");
  consumer_.on_reply({What::kEof, "", "n"});
  EXPECT_THAT(actions(), ElementsAre("request 1b", "completed"));
  consumer_.on_completed(true);
  EXPECT_THAT(actions(), ElementsAre("confirm success n", "done"));
}

TEST_F(Consumer, DS_21_AnEndThatFailsHereIsConfirmedAsFailed) {
  consumer_.begin();
  consumer_.on_reply({What::kEof, "", "n"});
  consumer_.on_completed(false);
  EXPECT_THAT(actions(),
              ElementsAre("request first", "completed", "confirm failed n", "failed: the consumer failed at the end"));
}

TEST_F(Consumer, DS_21_AnErrorIsConfirmedBeforeTheConsumerHears) {
  consumer_.begin();
  consumer_.on_reply({What::kError, "", "n"});
  EXPECT_THAT(actions(),
              ElementsAre("request first", "confirm failed n", "failed: the owner cannot produce the object"));
}

TEST_F(Consumer, DS_21_TimeoutsAreRetriedLaterEachTimeAndForgottenAfterAnAnswer) {
  consumer_.begin();
  double now = 0;
  for (const double backoff : {2.0, 4.0, 8.0}) {
    consumer_.on_timeout(now);
    EXPECT_EQ(consumer_.deadline(), now + backoff);
    consumer_.on_time(now + backoff / 2);
    now += backoff;
    consumer_.on_time(now);
  }
  consumer_.on_reply({What::kData, "1", {}});
  consumer_.on_consumed("1");
  EXPECT_THAT(actions(), ElementsAre("request first", "request first", "request first", "request first", "consume 1",
                                     "request 1"));
  for (int i = 0; i < 3; ++i) {
    consumer_.on_timeout(now);
    now = *consumer_.deadline();
    consumer_.on_time(now);
  }
  actions();
  consumer_.on_timeout(now);
  EXPECT_THAT(actions(), ElementsAre("failed: the owner did not answer 4 times"));
}

TEST_F(Consumer, DS_21_ACodeOtherThanOkFailsAtOnceAndUnconfirmed) {
  consumer_.begin();
  consumer_.on_refused("invalid request");
  EXPECT_THAT(actions(), ElementsAre("request first", "failed: invalid request"));
  consumer_.on_reply({What::kEof, "", "n"});
  EXPECT_THAT(actions(), IsEmpty());
}

TEST_F(Consumer, DS_21_TheNextChunkIsAskedForBeforehandWhenTheStateIsPromised) {
  DownloadConsumer::Options options;
  options.unchanged_state = true;
  consumer_ = DownloadConsumer(options);
  consumer_.begin();
  consumer_.on_reply({What::kData, "1", {}});
  EXPECT_THAT(actions(), ElementsAre("request first", "request 1", "consume 1"));
  consumer_.on_reply({What::kEof, "", "n"});  // before the chunk is consumed
  EXPECT_THAT(actions(), IsEmpty());
  consumer_.on_consumed("1");
  EXPECT_THAT(actions(), ElementsAre("completed"));
}

TEST_F(Consumer, DS_21_ABrokenPromiseFails) {
  DownloadConsumer::Options options;
  options.unchanged_state = true;
  consumer_ = DownloadConsumer(options);
  consumer_.begin();
  consumer_.on_reply({What::kData, "1", {}});
  consumer_.on_consumed("2");
  EXPECT_EQ(actions().back(), "failed: the consumer changed the state that it promised to keep");
}

TEST_F(Consumer, DS_21_AnAbortEndsABackoff) {
  consumer_.begin();
  consumer_.on_timeout(0);
  consumer_.abort("the job is over");
  EXPECT_EQ(consumer_.deadline(), std::nullopt);
  EXPECT_TRUE(consumer_.over());
  EXPECT_EQ(actions().back(), "failed: aborted: the job is over");
}

// The answer to a request that was given up comes too late: there is another one, or will be.
TEST_F(Consumer, DS_21_ALateAnswerDoesNotCount) {
  consumer_.begin();
  consumer_.on_timeout(0);
  consumer_.on_timeout(1);  // the same request, once more
  EXPECT_EQ(consumer_.deadline(), 2);
  consumer_.on_reply({What::kData, "late", {}});
  consumer_.on_refused("late");
  consumer_.on_time(2);
  EXPECT_THAT(actions(), ElementsAre("request first", "request first"));
  consumer_.on_reply({What::kData, "1", {}});
  consumer_.on_reply({What::kData, "twice", {}});
  consumer_.on_time(100);
  EXPECT_THAT(actions(), ElementsAre("consume 1"));
}

TEST_F(Consumer, DS_21_AConsumerThatFailsEndsItWithoutAConfirmation) {
  consumer_.begin();
  consumer_.on_reply({What::kData, "1", {}});
  consumer_.on_consumed(std::nullopt);
  EXPECT_THAT(actions(), ElementsAre("request first", "consume 1", "failed: the consumer failed"));
}

TEST_F(Consumer, DS_21_WithoutANonceNothingIsConfirmed) {
  consumer_.begin();
  consumer_.on_reply({What::kEof, "", {}});
  consumer_.on_completed(true);
  EXPECT_THAT(actions(), ElementsAre("request first", "completed", "done"));
}

TEST_F(Consumer, DS_21_ThePipelineGoesOnWhenTheConsumerIsFasterThanTheOwner) {
  DownloadConsumer::Options options;
  options.unchanged_state = true;
  consumer_ = DownloadConsumer(options);
  consumer_.begin();
  consumer_.on_reply({What::kData, "1", {}});
  consumer_.on_consumed("1");  // before the next chunk is here
  consumer_.on_reply({What::kData, "2", {}});
  EXPECT_THAT(actions(), ElementsAre("request first", "request 1", "consume 1", "request 2", "consume 2"));
}

TEST_F(Consumer, DS_21_BackoffsGrowToTheLongestAndNotBeyond) {
  DownloadConsumer::Options options;
  options.max_retries = 8;
  consumer_ = DownloadConsumer(options);
  consumer_.begin();
  double now = 0;
  for (const double backoff : {2, 4, 8, 16, 32, 60, 60, 60}) {
    consumer_.on_timeout(now);
    EXPECT_EQ(*consumer_.deadline() - now, backoff);
    now = *consumer_.deadline();
    consumer_.on_time(now);
  }
}

TEST_F(Consumer, NothingFollowsTheEnd) {
  const auto disturb = [&] {
    actions();
    consumer_.on_reply({What::kData, "1", {}});
    consumer_.on_timeout(1);
    consumer_.on_refused("no");
    consumer_.on_consumed("1");
    consumer_.on_completed(true);
    consumer_.on_time(1e9);
    consumer_.abort("again");
    EXPECT_TRUE(consumer_.over());
    EXPECT_THAT(actions(), IsEmpty());
  };
  consumer_.begin();
  consumer_.abort("the job is over");
  disturb();
  consumer_ = DownloadConsumer(DownloadConsumer::Options());
  consumer_.begin();
  consumer_.on_reply({What::kEof, "", "n"});
  consumer_.on_completed(true);
  disturb();
}

TEST(UploadPlan, VD_01_AnEmptyOrWrongListOfReceiversIsNoKnowledge) {
  UploadPlanInput input;
  input.refs = {"x"};
  input.progress_wanted = true;
  input.receivers = std::vector<std::string>();
  EXPECT_TRUE(plan_upload(input).unknown_receivers);
  EXPECT_TRUE(plan_upload(input).receivers.empty());
  input.receivers = {{"a", "b", "a"}};
  input.receiver_count = 2;  // of those that differ
  EXPECT_FALSE(plan_upload(input).unknown_receivers);
  input.receiver_count = 1;
  EXPECT_TRUE(plan_upload(input).unknown_receivers);
  EXPECT_EQ(plan_upload(input).receiver_count, 1);
  EXPECT_TRUE(plan_upload(input).pairs.empty());
}

TEST(UploadPlan, VD_01_OneUnnamedReceiverIsEnoughToTrackSeveralAreNot) {
  UploadPlanInput input;
  input.refs = {"x", "y"};
  input.progress_wanted = true;
  const UploadPlan one = plan_upload(input);
  EXPECT_TRUE(one.trackable);
  ASSERT_EQ(one.pairs.size(), 2u);
  EXPECT_EQ(one.pairs[0].receiver, std::nullopt);
  input.receiver_count = 2;
  EXPECT_TRUE(plan_upload(input).unknown_receivers);
  EXPECT_FALSE(plan_upload(input).trackable);
}

TEST(UploadPlan, VD_01_VD_03_EveryRefWithEveryReceiverOnce) {
  UploadPlanInput input;
  input.refs = {"x", "y"};
  input.progress_wanted = true;
  input.receivers = {{"a", "b", "a"}};
  input.receiver_count = 3;
  const UploadPlan plan = plan_upload(input);
  EXPECT_TRUE(plan.repeated_receivers);
  EXPECT_EQ(plan.receiver_count, 2);
  std::vector<std::string> pairs;
  for (const auto &pair : plan.pairs) pairs.push_back(pair.ref + pair.receiver.value_or("nobody"));
  EXPECT_THAT(pairs, ElementsAre("xa", "xb", "ya", "yb"));
  input.receiver_count = 5;
  EXPECT_TRUE(plan_upload(input).unknown_receivers);
}

TEST(UploadPlan, VD_02_TheTimeoutIsNeverBelowTheMinimum) {
  UploadPlanInput input;
  input.idle_timeout = 10;
  input.message_ttl = 1800;
  input.min_timeout = 60;
  EXPECT_EQ(plan_upload(input).timeout, 1800);
  input.progress_wanted = true;
  EXPECT_EQ(plan_upload(input).timeout, 60);
  input.idle_timeout = 600;
  EXPECT_EQ(plan_upload(input).timeout, 600);
}

}  // namespace
}  // namespace flare
