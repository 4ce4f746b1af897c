#include "exec/lines.h"

#include <algorithm>

#include "exec/bounded_json.h"

namespace flare_tool {

namespace {

constexpr size_t kWordsMax = 4096;  // bytes
constexpr size_t kWordsLinesMax = 20;

}  // namespace

std::string as_utf8(std::string text) {
  std::replace(text.begin(), text.end(), '\0', ' ');
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

void Lines::add(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view part = text.substr(0, end);
    text_.append(part.substr(0, kLineMax - std::min(kLineMax, text_.size())));
    if (end == std::string_view::npos) return;
    lines_.push_back(std::move(text_));
    text_.clear();
    text.remove_prefix(end + 1);
  }
}

std::optional<std::string> Lines::take() {
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

std::optional<std::string> Lines::take_rest() {
  if (text_.empty()) return std::nullopt;
  return std::exchange(text_, {});
}

void LastWords::add(std::string_view text) {
  text_.append(text.substr(text.size() - std::min(text.size(), kWordsMax)));
  if (text_.size() > kWordsMax) text_.erase(0, text_.size() - kWordsMax);
}

std::string LastWords::text() const {
  std::string_view left = text_;
  while (!left.empty() && left.back() == '\n') left.remove_suffix(1);
  std::string words;
  for (size_t lines = 0; lines < kWordsLinesMax && !left.empty(); ++lines) {
    const size_t begin = left.rfind('\n');
    words.insert(0, "\n    " + std::string(left.substr(begin + 1)));  // npos + 1 is 0
    left = left.substr(0, begin == std::string_view::npos ? 0 : begin);
  }
  return as_utf8(words);
}

}  // namespace flare_tool
