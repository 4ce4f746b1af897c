#include "report_svg.h"

#include <algorithm>
#include <array>

#include "report_text.h"

namespace flare_tool {

namespace {

// In pixels.
constexpr int kLeft = 64, kTop = 56, kPlotWidth = 480, kPlotHeight = 320, kBelow = 56, kLegendWidth = 208;
constexpr int kLegendStep = 20;
constexpr int kTicksMax = 10;

// Told apart by most colour-blind people as well (Okabe and Ito).
constexpr const char *kTogether = "#0072b2";
constexpr std::array kAlone = {"#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string escape(const std::string &text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string at(const char *name, double pixels) { return std::string(" ") + name + "=\"" + fixed(pixels, 1) + "\""; }

std::string line(double x1, double y1, double x2, double y2, const std::string &attributes) {
  return "  <line" + at("x1", x1) + at("y1", y1) + at("x2", x2) + at("y2", y2) + " " + attributes + "/>\n";
}

std::string text(double x, double y, const std::string &attributes, const std::string &content) {
  return "  <text" + at("x", x) + at("y", y) + (attributes.empty() ? "" : " " + attributes) + ">" + escape(content) +
         "</text>\n";
}

double y_of(double accuracy) { return kTop + kPlotHeight * (1 - std::clamp(accuracy, 0.0, 1.0)); }

double x_of(int64_t round, int64_t rounds) {
  return kLeft + kPlotWidth * static_cast<double>(round) / static_cast<double>(rounds);
}

// 1, 2 or 5 times a power of ten.
int64_t tick_step(int64_t rounds) {
  for (int64_t power = 1;; power *= 10)
    for (const int64_t factor : {1, 2, 5})
      if (rounds / (power * factor) <= kTicksMax) return power * factor;
}

std::string axes(int64_t rounds) {
  std::string out;
  for (int i = 0; i <= 5; ++i) {
    const double accuracy = i / 5.0;
    out += line(kLeft, y_of(accuracy), kLeft + kPlotWidth, y_of(accuracy), "stroke=\"#e0e0e0\"");
    out += text(kLeft - 8, y_of(accuracy) + 4, "text-anchor=\"end\"", fixed(accuracy, 1));
  }
  for (int64_t round = 0; round <= rounds; round += tick_step(rounds)) {
    out += line(x_of(round, rounds), y_of(0), x_of(round, rounds), y_of(0) + 5, "stroke=\"#404040\"");
    out += text(x_of(round, rounds), y_of(0) + 20, "text-anchor=\"middle\"", std::to_string(round));
  }
  out += line(kLeft, y_of(0), kLeft + kPlotWidth, y_of(0), "stroke=\"#404040\"");
  out += line(kLeft, y_of(0), kLeft, y_of(1), "stroke=\"#404040\"");
  out += text(kLeft + kPlotWidth / 2.0, y_of(0) + 42, "text-anchor=\"middle\"", "round");
  const std::string middle = fixed(y_of(0.5), 1);
  out += text(20, y_of(0.5), "text-anchor=\"middle\" transform=\"rotate(-90 20 " + middle + ")\"", "accuracy");
  return out;
}

std::string curve_and_legend(const Curve &curve, size_t index, const std::string &style) {
  const int64_t rounds = curve.scores.back().round;
  std::string points;
  for (const Score &score : curve.scores)
    points += (points.empty() ? "" : " ") + fixed(x_of(score.round, rounds), 1) + "," + fixed(y_of(score.accuracy), 1);
  const double x = kLeft + kPlotWidth + 20, y = kTop + 8 + static_cast<double>(index) * kLegendStep;
  return "  <polyline points=\"" + points + "\" fill=\"none\" stroke-linejoin=\"round\" " + style + "/>\n" +
         line(x, y, x + 24, y, style) +
         text(x + 32, y + 4, "", curve.name + "  " + fixed(curve.scores.back().accuracy, 3));
}

}  // namespace

std::string svg(const Report &report, const std::string &title) {
  const int64_t rounds = report.together.scores.back().round;
  const int width = kLeft + kPlotWidth + kLegendWidth;
  const int legend_height = static_cast<int>(report.alone.size() + 1) * kLegendStep;
  const int height = kTop + std::max(kPlotHeight, legend_height) + kBelow;
  const std::string size = std::to_string(width) + "\" height=\"" + std::to_string(height) + "\"";
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + " viewBox=\"0 0 " +
                    std::to_string(width) + " " + std::to_string(height) +
                    "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#202020\">\n";
  out += "  <title>" + escape(title) + "</title>\n";
  out += "  <rect width=\"" + size + " fill=\"#ffffff\"/>\n";
  out += text(kLeft, 30, "font-size=\"16\" font-weight=\"bold\"", title);
  out += axes(rounds);
  for (size_t i = 0; i < report.alone.size(); ++i)
    out += curve_and_legend(
        report.alone[i], i + 1,
        std::string("stroke-width=\"2\" stroke-dasharray=\"6 3\" stroke=\"") + kAlone[i % kAlone.size()] + "\"");
  out += curve_and_legend(report.together, 0, std::string("stroke-width=\"3\" stroke=\"") + kTogether + "\"");
  return out + "</svg>\n";
}

}  // namespace flare_tool
