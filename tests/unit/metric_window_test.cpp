#include "pipe/cell/metric_window.h"

#include <gtest/gtest.h>

#include <set>

namespace flare {
namespace {

// The batches and indices of those to ask now.
std::string asked(MetricWindow *window) {
  std::string all;
  while (const auto metric = window->next()) all += metric->batch + std::to_string(metric->index) + " ";
  return all;
}

TEST(MetricWindow, AsksForSoManyAtOnceInOrder) {
  MetricWindow window(3);
  window.begin("a", 2);
  window.begin("b", 3);
  EXPECT_EQ(asked(&window), "a0 a1 b0 ");
  EXPECT_FALSE(window.on_answer("a", 1, ""));
  EXPECT_EQ(asked(&window), "b1 ");
  const auto attempt = window.on_answer("a", 0, "");
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->failure, "");
  EXPECT_EQ(asked(&window), "b2 ");
  EXPECT_EQ(window.under_way(), 3u);
}

TEST(MetricWindow, WhatWasTakenIsNotAskedAgain) {
  MetricWindow window(2);
  window.begin("a", 4);
  std::set<std::string> first = {window.next()->id, window.next()->id};
  EXPECT_FALSE(window.on_answer("a", 0, ""));
  const auto attempt = window.on_answer("a", 1, "no");
  ASSERT_TRUE(attempt) << "the rest waits for the next attempt";
  EXPECT_EQ(attempt->failure, "no");
  EXPECT_EQ(window.under_way(), 0u);
  window.begin("a", 4);
  const auto again = window.next();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->index, 1u);
  EXPECT_TRUE(first.contains(again->id)) << "the peer knows it by its id";
  EXPECT_EQ(asked(&window), "a2 ");
}

TEST(MetricWindow, AnAttemptThatIsGivenUpMakesRoom) {
  MetricWindow window(2);
  window.begin("a", 3);
  window.begin("b", 1);
  EXPECT_EQ(asked(&window), "a0 a1 ");
  window.stop("a");
  EXPECT_FALSE(window.on_answer("a", 0, "")) << "too late";
  EXPECT_EQ(asked(&window), "b0 ");
  window.begin("a", 3);
  EXPECT_EQ(asked(&window), "a0 ") << "one place is left";
  window.forget("a");
  EXPECT_FALSE(window.on_answer("a", 0, ""));
  EXPECT_TRUE(window.on_answer("b", 0, ""));
  EXPECT_EQ(window.under_way(), 0u);
}

}  // namespace
}  // namespace flare
