#include "exec/metric_line.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace flare_tool {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string_view> words;
  for (size_t at = line.find_first_not_of(kSpace); at != std::string_view::npos;
       at = line.find_first_not_of(kSpace, at)) {
    const size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

// The whole word is the number.
template <typename T>
bool parse(std::string_view word, T *number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *number);
  return error == std::errc() && end == word.data() + word.size();
}

}  // namespace

std::optional<MetricLine> parse_metric_line(std::string_view line) {
  const std::vector<std::string_view> words = words_of(line);
  if (words.size() < 3 || words.size() > 4 || words[0] != "metric") return std::nullopt;
  MetricLine metric;
  metric.name = words[1];
  if (!parse(words[2], &metric.value)) return std::nullopt;
  if (words.size() == 4 && !parse(words[3], &metric.step.emplace())) return std::nullopt;
  return metric;
}

}  // namespace flare_tool
