#include "exchanger/task_patience.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr TimePoint kSent{1h};

TaskPatience patience(std::optional<Duration> idle, std::optional<Duration> read, bool chosen = false) {
  return {{idle, read, chosen}, kSent};
}

TEST(TaskPatience, TX_07_TheBeginningHasTheReadTimeoutWithinThirtySecondsAndTheIdleTimeout) {
  EXPECT_EQ(patience(600s, 60s).deadline(), kSent + 60s);
  EXPECT_EQ(patience(600s, 5s).deadline(), kSent + 30s);
  EXPECT_EQ(patience(20s, 60s).deadline(), kSent + 20s);
  EXPECT_EQ(patience(600s, std::nullopt).deadline(), std::nullopt);
  EXPECT_THAT(patience(600s, 5s).reason(), HasSubstr("did not begin to fetch it within 30 s"));
}

TEST(TaskPatience, TX_07_WhatMovesIsWaitedFor) {
  TaskPatience task = patience(600s, 60s);
  task.on_progress(kSent + 59s);
  EXPECT_EQ(task.deadline(), kSent + 659s);
  task.on_progress(kSent + 600s);
  EXPECT_EQ(task.deadline(), kSent + 1200s);
  EXPECT_THAT(task.reason(), HasSubstr("nothing of it for 600 s (option streaming_idle_timeout)"));
}

TEST(TaskPatience, TX_06_AShorterTimeThatWasChosenIsForAllOfIt) {
  TaskPatience task = patience(600s, 10s, true);
  EXPECT_EQ(task.deadline(), kSent + 10s);
  task.on_progress(kSent + 9s);
  EXPECT_EQ(task.deadline(), kSent + 10s);
  EXPECT_THAT(task.reason(), HasSubstr("did not fetch it within 10 s (option peer_read_timeout)"));
  EXPECT_EQ(patience(600s, 700s, true).deadline(), kSent + 600s) << "longer than idle is not";
}

TEST(TaskPatience, TX_07_WithoutAnIdleTimeoutTheReadTimeoutIsForAllOfIt) {
  TaskPatience task = patience(std::nullopt, 60s);
  task.on_progress(kSent + 59s);
  EXPECT_EQ(task.deadline(), kSent + 60s);
  TaskPatience endless = patience(std::nullopt, std::nullopt);
  endless.on_progress(kSent + 59s);
  EXPECT_EQ(endless.deadline(), std::nullopt);
}

TEST(TaskPatience, WithoutAReadTimeoutOnlyAPauseEndsIt) {
  TaskPatience task = patience(600s, std::nullopt, true);
  task.on_progress(kSent + 5000s);
  EXPECT_EQ(task.deadline(), kSent + 5600s);
}

}  // namespace
}  // namespace flare
