#include "agent/metric_queue.h"

#include <gtest/gtest.h>

#include "base/failure.h"

namespace flare {
namespace {

Limits batches_of(size_t records) {
  Limits limits;
  limits.metrics_per_batch = records;
  return limits;
}

Metric metric(int step) { return {"SCALAR", "loss", 0.5, step, "", 0}; }

TEST(MetricQueue, BatchesInOrder) {
  MetricQueue queue(100, batches_of(3));
  for (int i = 0; i < 5; ++i) queue.push(metric(i));
  const auto first = queue.take_batch(false), second = queue.take_batch(false);
  ASSERT_EQ(first.size(), 3u);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(first[0].step, 0);
  EXPECT_EQ(second[1].step, 4);
  EXPECT_TRUE(queue.take_batch(false).empty());
}

TEST(MetricQueue, ABatchIsBoundedInBytes) {
  MetricQueue queue(100, batches_of(100));
  const auto text = [](size_t size) { return Metric{"TEXT", "note", std::string(size, 'x'), 0, "", 0}; };
  for (int i = 0; i < 3; ++i) queue.push(text(400'000));
  EXPECT_EQ(queue.take_batch(false).size(), 2u);
  EXPECT_EQ(queue.take_batch(false).size(), 1u);
  try {
    queue.push(text(2'000'000));
    FAIL() << "a metric that fits no batch was taken";
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_TOO_LARGE);
  }
  EXPECT_TRUE(queue.empty() || queue.take_batch(false).empty());
}

TEST(MetricQueue, TheOldestGiveWayAndAreCounted) {
  MetricQueue queue(3, batches_of(10));
  for (int i = 0; i < 5; ++i) queue.push(metric(i));
  EXPECT_EQ(queue.dropped(), 2);
  EXPECT_EQ(queue.take_batch(false).front().step, 2);
}

TEST(MetricQueue, FewBatchesAreUnderWayUnlessAResultFollows) {
  MetricQueue queue(100, batches_of(1));
  for (int i = 0; i < 8; ++i) queue.push(metric(i));
  int sent = 0;
  for (auto batch = queue.take_batch(false); !batch.empty(); batch = queue.take_batch(false)) {
    queue.sent("m" + std::to_string(sent++), batch.size());
  }
  EXPECT_LT(sent, 8);
  const auto more = queue.take_batch(true);
  EXPECT_EQ(more.size(), 1u);
  EXPECT_TRUE(queue.done("m0", true));
  EXPECT_FALSE(queue.take_batch(true).empty());
}

TEST(MetricQueue, CountsWhatBecameOfThem) {
  MetricQueue queue(100, batches_of(2));
  for (int i = 0; i < 5; ++i) queue.push(metric(i));
  queue.sent("a", queue.take_batch(false).size());
  queue.sent("b", queue.take_batch(false).size());
  EXPECT_TRUE(queue.done("a", true));
  EXPECT_TRUE(queue.done("b", false));
  EXPECT_FALSE(queue.done("b", true)) << "once";
  EXPECT_FALSE(queue.done("result", true)) << "not a batch";
  EXPECT_EQ(queue.accepted(), 2);
  EXPECT_EQ(queue.dropped(), 2);
  EXPECT_FALSE(queue.empty());
  queue.drop_all();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.dropped(), 3);
}

TEST(Metrics, SurviveTheMessage) {
  const auto message =
      to_message({{"SCALAR", "loss", 0.25, 7, "", 12.5}, {"TEXT", "note", "h\xc3\xa9llo", -1, "/tmp/x", 13.0}});
  const auto metrics = to_metrics(*message);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].value.number(), 0.25);
  EXPECT_EQ(metrics[0].step, 7);
  EXPECT_EQ(metrics[1].step, -1);
  EXPECT_EQ(*metrics[1].value.text(), "h\xc3\xa9llo");
  EXPECT_EQ(metrics[1].path, "/tmp/x");
}

TEST(Metrics, BadRecordsAreLeftOut) {
  Message message;
  EXPECT_TRUE(to_metrics(message).empty());
  message.data.body.set("records", "no list");
  EXPECT_TRUE(to_metrics(message).empty());
  Map unknown, nameless;
  unknown.set("type", "NOISE");
  unknown.set("name", "x");
  nameless.set("type", "SCALAR");
  message.data.body.set("records", List{Value(1.0), Value(unknown), Value(nameless)});
  EXPECT_TRUE(to_metrics(message).empty());
}

}  // namespace
}  // namespace flare
