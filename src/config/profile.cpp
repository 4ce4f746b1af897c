#include "config/profile.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "config/settings.h"
#include "config/small_file.h"

namespace flare {

namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string &path, const std::string &text) { refuse_file("profile " + path, text); }

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
  const SmallFile file = read_small_file("profile", path);
  const json profile = parse(path, file.content);
  if (!profile.is_object()) refuse(path, "not a JSON object");
  std::map<std::string, std::string> values;
  for (const auto &[name, value] : profile.items()) values[name] = text_of(path, name, value);
  for (const auto &[name, value] : values) {
    if (!is_secret(name) || (file.mode & 077u) == 0) continue;
    refuse(path, std::string("it holds the ")
                     .append(name)
                     .append(", and others than its owner may use it: run chmod 600 ")
                     .append(path));
  }
  if (values.count("curve_exchanger_key") > 0 && (file.mode & 022u) != 0) {
    refuse(path, "it says whom to trust, and others than its owner may change it: run chmod go-w " + path);
  }
  return values;
}

}  // namespace flare
