#include "average.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>

namespace flare_tool {
namespace {

template <typename T>
ModelTensor tensor(const std::string &name, const std::vector<T> &elements) {
  ModelTensor tensor = {name, flare::dtype_of<T>(), {static_cast<int64_t>(elements.size())}, {}};
  tensor.elements.resize(elements.size() * sizeof(T));
  std::memcpy(tensor.elements.data(), elements.data(), tensor.elements.size());
  return tensor;
}

template <typename T>
std::vector<T> elements(const ModelTensor &tensor) {
  std::vector<T> elements(tensor.elements.size() / sizeof(T));
  std::memcpy(elements.data(), tensor.elements.data(), tensor.elements.size());
  return elements;
}

std::string refusal(const std::vector<Contribution> &contributions) {
  try {
    average(contributions);
  } catch (const std::runtime_error &error) {
    return error.what();
  }
  return "";
}

TEST(Average, CountsEachSiteByItsSteps) {
  const Model one = {tensor<float>("w", {1, 2}), tensor<double>("b", {10})};
  const Model two = {tensor<float>("w", {5, 10}), tensor<double>("b", {20})};
  const Model mean = average({{"site-1", &one, 3}, {"site-2", &two, 1}});
  EXPECT_EQ(elements<float>(mean[0]), (std::vector<float>{2, 4}));
  EXPECT_EQ(elements<double>(mean[1]), (std::vector<double>{12.5}));
}

TEST(Average, RoundsOnce) {
  const Model large = {tensor<float>("w", {16777216.0f})}, small = {tensor<float>("w", {1.0f})};
  const Model mean = average({{"site-1", &large, 1}, {"site-2", &small, 1}, {"site-3", &small, 1}});
  EXPECT_EQ(elements<float>(mean[0])[0], static_cast<float>(16777218.0 / 3));
}

TEST(Average, OfOneSiteIsItsModel) {
  const Model model = {tensor<float>("w", {0.1f, -0.7f})};
  EXPECT_EQ(average({{"site-1", &model, 733}})[0].elements, model[0].elements);
}

TEST(Average, FindsTensorsByNameInAnyOrder) {
  const Model one = {tensor<float>("a", {1}), tensor<float>("b", {2})};
  const Model two = {tensor<float>("b", {4}), tensor<float>("a", {3})};
  const Model mean = average({{"site-1", &one, 1}, {"site-2", &two, 1}});
  EXPECT_EQ(elements<float>(mean[0]), std::vector<float>{2});
  EXPECT_EQ(elements<float>(mean[1]), std::vector<float>{3});
}

TEST(Average, ASiteWithoutStepsCountsNothing) {
  const Model one = {tensor<float>("w", {1})}, two = {tensor<float>("w", {9})};
  EXPECT_EQ(elements<float>(average({{"site-1", &one, 5}, {"site-2", &two, 0}})[0]), std::vector<float>{1});
}

TEST(Average, RefusesModelsThatDiffer) {
  const Model model = {tensor<float>("w", {1, 2})};
  const Model renamed = {tensor<float>("v", {1, 2})};
  const Model longer = {tensor<float>("w", {1, 2, 3})};
  const Model wider = {tensor<double>("w", {1, 2})};
  const Model more = {tensor<float>("w", {1, 2}), tensor<float>("b", {1})};
  const auto against = [&](const Model &other) { return refusal({{"site-1", &model, 1}, {"site-2", &other, 1}}); };
  EXPECT_EQ(against(renamed), "site-2 sent no tensor 'w', site-1 did");
  EXPECT_EQ(against(longer), "tensor 'w' has another type or shape at site-2 than at site-1");
  EXPECT_EQ(against(wider), "tensor 'w' has another type or shape at site-2 than at site-1");
  EXPECT_EQ(against(more), "site-2 sent 2 tensors, site-1 sent 1");
}

TEST(Average, RefusesElementsWithoutAnAverage) {
  const Model model = {tensor<float>("w", {1}), tensor<int64_t>("count", {1})};
  EXPECT_EQ(refusal({{"site-1", &model, 1}}), "tensor 'count' is neither float32 nor float64, so it has no average");
}

TEST(Average, RefusesWhenNobodyTrained) {
  const Model model = {tensor<float>("w", {1})};
  EXPECT_EQ(refusal({{"site-1", &model, 0}}), "no site made a training step, so there is nothing to average");
}

}  // namespace
}  // namespace flare_tool
