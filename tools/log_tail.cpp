#include "log_tail.h"

#include <deque>
#include <fstream>

namespace flare_tool {

std::string log_tail(const std::filesystem::path &path, size_t lines_max) {
  constexpr std::streamoff kBytesMax = 16'384;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  if (size > kBytesMax) {
    file.seekg(size - kBytesMax);
  } else {
    file.seekg(0);
  }
  std::deque<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    if (lines.size() > lines_max) lines.pop_front();
  }
  std::string text;
  for (const std::string &line : lines) text += "\n    " + line;
  return text;
}

}  // namespace flare_tool
