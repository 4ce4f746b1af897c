#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report_json.h"
#include "report_svg.h"
#include "report_text.h"

namespace flare_tool {
namespace {

using testing::HasSubstr;
using testing::Not;

Score score(int64_t round, double one, double two) {
  return {round, (one + two) / 2, {{"site-1", one}, {"site-2", two}}, 0.125};
}

Report report() {
  Report report;
  report.together = {"together", {score(0, 0.1, 0.1), score(1, 0.5, 0.5), score(2, 0.9375, 0.953125)}};
  report.alone = {{"site-1 alone", {score(0, 0.1, 0.1), score(1, 0.3, 0.3), score(2, 0.468, 0.468)}},
                  {"site-2 alone", {score(0, 0.1, 0.1), score(1, 0.3, 0.3), score(2, 0.529, 0.529)}}};
  report.logged = {{"site-1", {{"loss", 0, 2.5}, {"end", FLARE_NO_STEP, 1}}}};
  return report;
}

size_t count(const std::string &text, const std::string &part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ReportText, ShowsARoundInALine) {
  EXPECT_EQ(score_line(score(5, 0.926, 0.93), 20), "round  5/20  accuracy 0.928  (site-1 0.93, site-2 0.93)  0.12 s");
}

TEST(ReportText, ShowsASiteAloneInALine) {
  EXPECT_EQ(alone_line(report().alone[0]), "site-1 alone  2 rounds  accuracy 0.468  0.38 s");
}

TEST(ReportText, ComparesAloneAndTogether) {
  EXPECT_EQ(final_table(report()),
            "site     alone  together\n"
            "site-1  0.4680    0.9375\n"
            "site-2  0.5290    0.9531\n");
}

TEST(ReportText, LeavesAloneOutWhereNobodyWas) {
  Report together = report();
  together.alone.clear();
  EXPECT_EQ(final_table(together), "site    together\nsite-1    0.9375\nsite-2    0.9531\n");
}

TEST(ReportText, EndsWithTheMeanOfTheSites) { EXPECT_EQ(final_line(report()), "final accuracy 0.9453"); }

TEST(ReportSvg, HasACurveAndALegendForEachRun) {
  const std::string picture = svg(report(), "title");
  EXPECT_EQ(count(picture, "<polyline "), 3u);
  EXPECT_THAT(picture, HasSubstr(">together  0.945<"));
  EXPECT_THAT(picture, HasSubstr(">site-2 alone  0.529<"));
}

TEST(ReportSvg, SpansThePlotFromRoundNullToTheLast) {
  EXPECT_THAT(svg(report(), "title"), HasSubstr("points=\"64.0,344.0 304.0,216.0 544.0,73.5\""));
}

TEST(ReportSvg, TicksAreFewAndRound) {
  Report many = report();
  many.together.scores = {score(0, 0, 0), score(50, 1, 1)};
  const std::string picture = svg(many, "title");
  EXPECT_THAT(picture, HasSubstr(">45<"));
  EXPECT_THAT(picture, Not(HasSubstr(">44<")));
}

TEST(ReportSvg, TextCannotBreakOutOfIt) {
  EXPECT_THAT(svg(report(), "a < b & c"), HasSubstr("<title>a &lt; b &amp; c</title>"));
}

TEST(ReportJson, HoldsAllNumbers) {
  const std::string text = json(report());
  EXPECT_THAT(text, HasSubstr("\"final_accuracy\": 0.9453125"));
  EXPECT_THAT(text, HasSubstr("\"name\": \"site-2 alone\""));
  EXPECT_THAT(text, HasSubstr("\"step\": null"));
}

}  // namespace
}  // namespace flare_tool
