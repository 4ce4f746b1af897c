// A metric as a program prints it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flare_tool {

struct MetricLine {
  std::string name;
  double value = 0;
  std::optional<int64_t> step;
};

// "metric NAME VALUE [STEP]"; none when the line is something else.
std::optional<MetricLine> parse_metric_line(std::string_view line);

}  // namespace flare_tool
