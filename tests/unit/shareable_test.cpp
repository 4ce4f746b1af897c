#include "model/shareable.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "map_of.h"

namespace flare {
namespace {

Tensor tensor_of(int64_t elements) { return {FLARE_FLOAT32, {elements}, {}}; }

Shareable with_headers(std::vector<std::pair<std::string, Value>> entries) {
  Shareable shareable;
  shareable.headers = map_of(std::move(entries));
  return shareable;
}

TEST(TensorsOf, WalksDepthFirstInTheOrderOfTheSender) {
  Shareable shareable;
  shareable.body = map_of({
      {"z", tensor_of(1)},
      {"encoder", map_of({{"w", tensor_of(2)}, {"inner", map_of({{"b", tensor_of(3)}})}, {"v", tensor_of(4)}})},
      {"epochs", 3},
      {"a", tensor_of(5)},
  });
  shareable.meta.set("not_a_parameter", tensor_of(6));
  std::vector<std::pair<std::string, int64_t>> seen;
  for (const NamedTensor &named : tensors_of(shareable)) seen.emplace_back(named.name, named.tensor->shape[0]);
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, int64_t>>{
                      {"z", 1}, {"encoder/w", 2}, {"encoder/inner/b", 3}, {"encoder/v", 4}, {"a", 5}}));
}

TEST(TensorsOf, RefersToTheTensorsThemselves) {
  Shareable shareable;
  shareable.body = map_of({{"w", tensor_of(1)}});
  EXPECT_EQ(tensors_of(shareable).at(0).tensor, shareable.body.find("w")->tensor());
}

TEST(TensorsOf, LeavesOutListsAndBytes) {
  Shareable shareable;
  shareable.body = map_of({{"list", List{tensor_of(1)}}, {"model", copy_bytes("123", 3)}, {"nothing", Map()}});
  EXPECT_TRUE(tensors_of(shareable).empty());
}

TEST(TensorsOf, NamesThoseOfAnFlModelByItsFields) {
  Shareable shareable;
  shareable.kind = "FL_MODEL";
  shareable.body = map_of({{"params_type", "FULL"},
                           {"params", map_of({{"w", tensor_of(2)}})},
                           {"optimizer_params", map_of({{"momentum", tensor_of(3)}})},
                           {"metrics", map_of({{"loss", 0.5}})}});
  std::vector<std::string> names;
  for (const NamedTensor &named : tensors_of(shareable)) names.push_back(named.name);
  EXPECT_EQ(names, (std::vector<std::string>{"params/w", "optimizer_params/momentum"}));
}

TEST(MetricOf, LooksInTheBodyOfMetrics) {
  Shareable shareable;
  shareable.kind = "METRICS";
  shareable.body = map_of({{"accuracy", 0.5}, {"correct", 7}, {"note", "x"}, {"good", true}});
  shareable.meta.set("initial_metrics", map_of({{"accuracy", 0.1}, {"loss", 2.0}}));
  EXPECT_EQ(metric_of(shareable, "accuracy"), 0.5);
  EXPECT_EQ(metric_of(shareable, "correct"), 7.0);
  EXPECT_EQ(metric_of(shareable, "note"), std::nullopt);
  EXPECT_EQ(metric_of(shareable, "good"), std::nullopt);
  EXPECT_EQ(metric_of(shareable, "loss"), std::nullopt);
}

TEST(MetricOf, LooksInTheInitialMetricsOfEveryOtherKind) {
  for (const char *kind : {"WEIGHTS", "WEIGHT_DIFF", "ANALYTIC", ""}) {
    Shareable shareable;
    shareable.kind = kind;
    shareable.body = map_of({{"accuracy", 0.1}});
    EXPECT_EQ(metric_of(shareable, "accuracy"), std::nullopt) << kind;
    shareable.meta.set("initial_metrics", "none yet");
    EXPECT_EQ(metric_of(shareable, "accuracy"), std::nullopt) << kind;
    shareable.meta.set("initial_metrics", map_of({{"accuracy", 0.5}}));
    EXPECT_EQ(metric_of(shareable, "accuracy"), 0.5) << kind;
    EXPECT_EQ(metric_of(shareable, "loss"), std::nullopt) << kind;
  }
}

TEST(AdoptRounds, LetsHeadersWinOverStaleMeta) {  // AG-11
  Shareable task = with_headers({{"current_round", 3}, {"num_rounds", 10}});
  task.meta = map_of({{"current_round", 1}, {"total_rounds", 5}, {"other", "kept"}});
  adopt_rounds(task);
  EXPECT_EQ(value_to_json(task.meta), R"({"current_round":3,"total_rounds":10,"other":"kept"})");
  EXPECT_EQ(value_to_json(task.headers), R"({"current_round":3,"num_rounds":10})");
}

TEST(AdoptRounds, AddsEachThatIsThereAndKeepsTheMetaOtherwise) {  // AG-11
  Shareable task = with_headers({{"num_rounds", 10}});
  task.meta = map_of({{"current_round", 1}});
  adopt_rounds(task);
  EXPECT_EQ(value_to_json(task.meta), R"({"current_round":1,"total_rounds":10})");

  task = with_headers({{"current_round", 0}, {"num_rounds", Value()}});  // round 0 is a round, None is none
  task.meta = map_of({{"total_rounds", 5}});
  adopt_rounds(task);
  EXPECT_EQ(value_to_json(task.meta), R"({"total_rounds":5,"current_round":0})");

  task = Shareable();
  adopt_rounds(task);
  EXPECT_TRUE(task.meta.empty());
}

TEST(Rounds, ComeFromTheHeaderOrElseFromTheMeta) {  // AG-11
  Shareable task;
  EXPECT_EQ(current_round(task), std::nullopt);
  EXPECT_EQ(total_rounds(task), std::nullopt);
  task.meta = map_of({{"current_round", 1}, {"total_rounds", 5}, {"num_rounds", 77}});
  EXPECT_EQ(current_round(task), 1);
  EXPECT_EQ(total_rounds(task), 5);
  task.headers = map_of({{"current_round", Value()}, {"num_rounds", "many"}, {"total_rounds", 77}});
  EXPECT_EQ(current_round(task), 1);
  EXPECT_EQ(total_rounds(task), 5);
  task.headers = map_of({{"current_round", 0}, {"num_rounds", 10}});
  EXPECT_EQ(current_round(task), 0);
  EXPECT_EQ(total_rounds(task), 10);
}

TEST(ReceiverIds, AreNoneOneOrMany) {  // AG-10
  using Ids = std::vector<std::string>;
  EXPECT_EQ(receiver_ids(Shareable()), Ids());
  const std::vector<std::pair<Value, Ids>> cases = {
      {Value(), {}},
      {"site-1", {"site-1"}},
      {"", {}},
      {List(), {}},
      {List{"site-2", "site-1", "site-2"}, {"site-2", "site-1", "site-2"}},
      {List{"", Value(), "site-1", Value(), ""}, {"site-1"}},
      {List{"", Value()}, {}},
      {List{7, 0, "a"}, {"7", "0", "a"}},
      {7, {}},
      {true, {}},
  };
  for (const auto &[header, ids] : cases) {
    EXPECT_EQ(receiver_ids(with_headers({{"receiver_ids", header}})), ids) << value_to_json(header);
  }
}

TEST(TextHeader, GivesTextOrElseTheOther) {
  const Shareable shareable = with_headers({{"__rc__", "BAD_TASK_DATA"}, {"attempt", 2}, {"empty", ""}});
  EXPECT_EQ(text_header(shareable, header::kReturnCode, "OK"), "BAD_TASK_DATA");
  EXPECT_EQ(text_header(shareable, header::kReason), "");
  EXPECT_EQ(text_header(shareable, header::kReason, "OK"), "OK");
  EXPECT_EQ(text_header(shareable, header::kAttempt, "OK"), "OK");
  EXPECT_EQ(text_header(shareable, "empty", "OK"), "");
}

// These are NVFlare's: another spelling would not be understood there.
TEST(Names, AreThoseOfNvflare) {
  EXPECT_EQ(header::kTaskId, "__task_id__");
  EXPECT_EQ(header::kTaskName, "__task_name__");
  EXPECT_EQ(header::kReturnCode, "__rc__");
  EXPECT_EQ(header::kCurrentRound, "current_round");
  EXPECT_EQ(header::kNumRounds, "num_rounds");
  EXPECT_EQ(header::kReceiverIds, "receiver_ids");
  EXPECT_EQ(header::kJobId, "job_id");
  EXPECT_EQ(header::kSiteName, "site_name");
  EXPECT_EQ(meta::kCurrentRound, "current_round");
  EXPECT_EQ(meta::kTotalRounds, "total_rounds");
  EXPECT_EQ(meta::kInitialMetrics, "initial_metrics");
  EXPECT_EQ(meta::kNumSteps, "NUM_STEPS_CURRENT_ROUND");
}

}  // namespace
}  // namespace flare
