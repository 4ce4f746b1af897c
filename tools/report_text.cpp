#include "report_text.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace flare_tool {

namespace {

constexpr int kFinalDecimals = 4;

std::string left(const std::string &text, size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

std::string right(const std::string &text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

}  // namespace

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string score_line(const Score &score, int64_t rounds) {
  const std::string total = std::to_string(rounds);
  std::string sites;
  for (const Score::Of &site : score.sites)
    sites += (sites.empty() ? "" : ", ") + site.site + " " + fixed(site.accuracy, 2);
  return "round " + right(std::to_string(score.round), total.size()) + "/" + total + "  accuracy " +
         fixed(score.accuracy, 3) + "  (" + sites + ")  " + fixed(score.seconds, 2) + " s";
}

std::string alone_line(const Curve &curve) {
  const double seconds = std::accumulate(curve.scores.begin(), curve.scores.end(), 0.0,
                                         [](double sum, const Score &score) { return sum + score.seconds; });
  const Score &last = curve.scores.back();
  return curve.name + "  " + std::to_string(last.round) + (last.round == 1 ? " round" : " rounds") + "  accuracy " +
         fixed(last.accuracy, 3) + "  " + fixed(seconds, 2) + " s";
}

std::string final_table(const Report &report) {
  const std::vector<Score::Of> &together = report.together.scores.back().sites;
  size_t width = 4;
  for (const Score::Of &site : together) width = std::max(width, site.site.size());
  std::string text = left("site", width) + (report.alone.empty() ? "" : "   alone") + "  together\n";
  for (size_t i = 0; i < together.size(); ++i) {
    text += left(together[i].site, width);
    if (!report.alone.empty()) text += "  " + fixed(report.alone[i].scores.back().accuracy, kFinalDecimals);
    text += "  " + right(fixed(together[i].accuracy, kFinalDecimals), 8) + "\n";
  }
  return text;
}

std::string final_line(const Report &report) {
  return "final accuracy " + fixed(report.together.scores.back().accuracy, kFinalDecimals);
}

}  // namespace flare_tool
