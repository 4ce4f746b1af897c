#include "config/profile.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>

#include "base/descriptor.h"
#include "base/failure.h"

namespace flare {

namespace {

using nlohmann::json;

constexpr size_t kLargest = 1u << 20;

struct File {
  std::string content;
  mode_t mode = 0;
};

[[noreturn]] void refuse(const std::string &path, const std::string &text) {
  throw Failure(FLARE_INVALID_ARGUMENT, "profile " + path + ": " + text);
}

[[noreturn]] void unreadable(const std::string &path) {
  throw Failure(FLARE_IO, "profile " + path + " cannot be read: " + std::generic_category().message(errno));
}

// Mode and content come from one descriptor, so that they belong to the same file.
File read_file(const std::string &path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO would block
  struct stat status {};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) unreadable(path);
  if (!S_ISREG(status.st_mode)) refuse(path, "not a regular file");
  File file;
  file.mode = status.st_mode & 07777u;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t size = ::read(descriptor.get(), part.data(), part.size());
    if (size == 0) return file;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) unreadable(path);
    file.content.append(part.data(), static_cast<size_t>(size));
    if (file.content.size() > kLargest) refuse(path, "larger than a mebibyte");
  }
}

// The library's own words quote the text around an error, which may be the token.
std::string place_of(size_t byte, std::string_view content) {
  const std::string_view before = content.substr(0, byte == 0 ? 0 : byte - 1);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " + std::to_string(before.size() - line_start + 1);
}

json parse(const std::string &path, const std::string &content) {
  std::set<std::string> names;
  const auto see = [&](int depth, json::parse_event_t event, const json &parsed) {
    if (depth == 1 && event == json::parse_event_t::key && !names.insert(parsed.get<std::string>()).second) {
      refuse(path, "'" + parsed.get<std::string>() + "' is there twice");
    }
    return true;
  };
  try {
    return json::parse(content, see);
  } catch (const json::parse_error &error) {
    refuse(path, "not valid JSON at " + place_of(error.byte, content));
  } catch (const json::exception &) {
    refuse(path, "a number in it is beyond the range of numbers");
  }
}

std::string text_of(const std::string &path, const std::string &name, const json &value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return value.dump();
  refuse(path, "the value of '" + name + "' must be a string, a number, true or false");
}

}  // namespace

std::map<std::string, std::string> read_profile(const std::string &path) {
  const File file = read_file(path);
  const json profile = parse(path, file.content);
  if (!profile.is_object()) refuse(path, "not a JSON object");
  std::map<std::string, std::string> values;
  for (const auto &[name, value] : profile.items()) values[name] = text_of(path, name, value);
  if (values.count("token") > 0 && (file.mode & 077u) != 0) {
    refuse(path, "it holds the token, and others than its owner may use it: run chmod 600 " + path);
  }
  return values;
}

}  // namespace flare
