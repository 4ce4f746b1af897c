#include "fed_avg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

namespace flare_tool {
namespace {

using testing::ElementsAre;

Model model(double value) {
  ModelTensor tensor = {"w", FLARE_FLOAT64, {}, std::vector<std::byte>(sizeof value)};
  std::memcpy(tensor.elements.data(), &value, sizeof value);
  return {tensor};
}

double value(const Model &model) {
  double value = 0;
  std::memcpy(&value, model.at(0).elements.data(), sizeof value);
  return value;
}

// Two sites: the one adds 1 in training, the other 3; "accuracy" is the model's value.
class FakeSites : public Sites {
 public:
  std::vector<Answer> ask_all(const Order &order) override {
    orders_.push_back(describe(order));
    const double received = value(*order.model);
    return {{"site-1", model(received + 1), received, 1}, {"site-2", model(received + 3), received + 0.5, steps_}};
  }
  Answer ask_first(const Order &order) override {
    orders_.push_back(describe(order));
    return {"site-1", initial_, std::nullopt, std::nullopt};
  }

  std::vector<std::string> orders_;
  Model initial_ = model(0);
  std::optional<int64_t> steps_ = 1;
};

void ignore(const Score &) {}

TEST(FedAvg, AsksForTheStartThenTrainsAndAtLastValidates) {
  FakeSites sites;
  fed_avg(sites, 2, ignore);
  EXPECT_THAT(sites.orders_, ElementsAre("submit_model", "train of round 1 of 2", "train of round 2 of 2", "validate"));
}

TEST(FedAvg, ScoresTheInitialModelAndEachRoundByTheModelReceivedNext) {
  FakeSites sites;
  std::vector<int64_t> shown;
  const std::vector<Score> scores = fed_avg(sites, 2, [&](const Score &score) { shown.push_back(score.round); });
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_THAT(shown, ElementsAre(0, 1, 2));
  EXPECT_EQ(scores[0].accuracy, 0.25);
  EXPECT_EQ(scores[1].accuracy, 2.25);
  EXPECT_EQ(scores[2].accuracy, 4.25);
  EXPECT_EQ(scores[2].sites[1].site, "site-2");
  EXPECT_EQ(scores[2].sites[1].accuracy, 4.5);
}

TEST(FedAvg, GivesTheLastModelAway) {
  FakeSites sites;
  Model learned;
  fed_avg(sites, 2, ignore, &learned);
  EXPECT_EQ(value(learned), 4);
  EXPECT_EQ(flare_tool::model_text(learned), "w 0 4\n");
  learned[0].dtype = FLARE_INT64;
  EXPECT_THROW(flare_tool::model_text(learned), std::runtime_error);
}

TEST(FedAvg, NeedsAModelToStartFrom) {
  FakeSites sites;
  sites.initial_.clear();
  EXPECT_THROW(fed_avg(sites, 1, ignore), std::runtime_error);
}

TEST(FedAvg, NeedsTheWeightOfEachSite) {
  FakeSites sites;
  sites.steps_.reset();
  EXPECT_THROW(fed_avg(sites, 1, ignore), std::runtime_error);
}

}  // namespace
}  // namespace flare_tool
