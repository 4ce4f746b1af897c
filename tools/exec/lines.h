// Text of a program as lines; what has no end is bounded. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace flare_tool {

constexpr size_t kLineMax = size_t{16} << 20;

// Puts lines together. One beyond kLineMax is cut there.
class Lines {
 public:
  void add(std::string_view text);
  // The next whole line, without its end.
  std::optional<std::string> take();
  // What has no end yet, at the end of all.
  std::optional<std::string> take_rest();

 private:
  std::string text_;
  std::deque<std::string> lines_;
};

// The end of a text: its last lines, as UTF-8.
class LastWords {
 public:
  void add(std::string_view text);
  // Each line indented and on a new line; "" when nothing was said.
  std::string text() const;
  void clear() { text_.clear(); }

 private:
  std::string text_;
};

// What is no UTF-8 is replaced: others would refuse the text.
std::string as_utf8(std::string text);

}  // namespace flare_tool
