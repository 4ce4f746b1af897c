#include "pipe/cell/name_watch.h"

#include <gtest/gtest.h>

namespace flare {
namespace {

using namespace std::chrono_literals;

// Connects and loses the connection after so long.
bool lost_after(NameWatch *watch, Duration lasted) {
  watch->on_ready(TimePoint());
  return watch->on_lost(TimePoint() + lasted);
}

TEST(NameWatch, ManyShortConnectionsInARowAreSomebodyElse) {
  NameWatch watch;
  for (int i = 1; i < NameWatch::kMost; ++i) EXPECT_FALSE(lost_after(&watch, 100ms)) << i;
  EXPECT_TRUE(lost_after(&watch, 100ms));
}

TEST(NameWatch, OneThatLastsBeginsAnew) {
  NameWatch watch;
  for (int i = 1; i < NameWatch::kMost; ++i) lost_after(&watch, 100ms);
  EXPECT_FALSE(lost_after(&watch, NameWatch::kLasting));
  EXPECT_FALSE(lost_after(&watch, 100ms));
}

TEST(NameWatch, WhatCannotBeMadeIsNobodysDoing) {
  NameWatch watch;
  for (int i = 1; i < NameWatch::kMost; ++i) lost_after(&watch, 100ms);
  EXPECT_FALSE(watch.on_lost(TimePoint() + 1s));
  EXPECT_TRUE(lost_after(&watch, 100ms)) << "nor does it speak for the peer";
}

}  // namespace
}  // namespace flare
