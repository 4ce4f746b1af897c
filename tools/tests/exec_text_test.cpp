// What a program prints: lines, metrics, last words.
#include <gtest/gtest.h>

#include "exec/lines.h"
#include "exec/metric_line.h"

namespace flare_tool {
namespace {

TEST(Lines, ArePutTogether) {
  Lines lines;
  lines.add("on");
  EXPECT_EQ(lines.take(), std::nullopt);
  lines.add("e\n\ntwo\nre");
  EXPECT_EQ(lines.take(), "one");
  EXPECT_EQ(lines.take(), "");
  EXPECT_EQ(lines.take(), "two");
  EXPECT_EQ(lines.take(), std::nullopt);
  EXPECT_EQ(lines.take_rest(), "re");
  EXPECT_EQ(lines.take_rest(), std::nullopt);
}

TEST(Lines, WithoutAnEndAreBounded) {
  Lines lines;
  const std::string mebibyte(size_t{1} << 20, 'x');
  for (int i = 0; i < 20; ++i) lines.add(mebibyte);
  lines.add("\nnext\n");
  EXPECT_EQ(lines.take()->size(), kLineMax);
  EXPECT_EQ(lines.take(), "next");
}

TEST(LastWords, AreTheLastLines) {
  LastWords words;
  EXPECT_EQ(words.text(), "");
  for (int i = 0; i < 1'000; ++i) words.add("line " + std::to_string(i) + "\n");
  EXPECT_EQ(words.text().find("\n    line 980\n"), 0u);
  EXPECT_EQ(words.text().substr(words.text().size() - 8), "line 999");
  words.add(std::string(100'000, 'x'));
  EXPECT_LT(words.text().size(), 5'000u);
}

TEST(LastWords, AreUtf8WhateverWasPrinted) {
  LastWords words;
  words.add(std::string("caf\xc3\xa9 \xff\0!", 9));
  EXPECT_EQ(words.text(), "\n    caf\xc3\xa9 \xef\xbf\xbd !");
}

TEST(MetricLine, HasANameAValueAndPerhapsAStep) {
  const auto plain = parse_metric_line("metric loss 0.25");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->name, "loss");
  EXPECT_EQ(plain->value, 0.25);
  EXPECT_FALSE(plain->step);
  const auto step = parse_metric_line("metric  val/acc\t-1e-3 12\r");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->name, "val/acc");
  EXPECT_EQ(step->value, -1e-3);
  EXPECT_EQ(step->step, 12);
}

TEST(MetricLine, EverythingElseIsText) {
  for (const char *line : {"", "metric", "metric loss", "metric loss high", "metric loss 1 two", "metric loss 1 2 3",
                           "metrics loss 1", "loss 1", "metric loss 1x", "metric loss 1 2.5"})
    EXPECT_FALSE(parse_metric_line(line)) << line;
}

}  // namespace
}  // namespace flare_tool
