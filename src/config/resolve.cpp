// Where the value of each option comes from.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/failure.h"
#include "config/profile.h"
#include "config/settings.h"

namespace flare {

namespace {

constexpr const char *kDefault = "default";

constexpr std::string_view kPrefix = "FLARE_AGENT_";
// Variables with our prefix that the bindings and build scripts read.
constexpr std::array<std::string_view, 3> kNotOurs = {"FLARE_AGENT_LIBRARY", "FLARE_AGENT_LIB_DIR",
                                                      "FLARE_AGENT_LIBRARY_PATH"};

struct Given {
  std::string value;
  std::string source;
};
using GivenOptions = std::map<std::string, Given>;

std::string variable_of(std::string_view name) {
  std::string variable(kPrefix);
  for (const char letter : name) {
    variable += letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  }
  return variable;
}

GivenOptions from_call(const Options &options) {
  GivenOptions given;
  for (const auto &[name, value] : options.values()) given[name] = {value, std::string(kSetByCall)};
  return given;
}

GivenOptions from_environment(std::vector<std::string> *unknown) {
  std::map<std::string, std::string, std::less<>> names;  // of options, by variable
  for (size_t i = 0; i < option_count(); ++i) names[variable_of(option_at(i).name)] = option_at(i).name;
  GivenOptions given;
  for (char **entry = ::environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    const size_t end = text.find('=');
    if (!text.starts_with(kPrefix) || end == std::string_view::npos || end + 1 == text.size()) continue;
    const std::string variable(text.substr(0, end));
    if (const auto name = names.find(variable); name != names.end()) {
      given.insert({name->second, {std::string(text.substr(end + 1)), "environment variable " + variable}});
    } else if (std::count(kNotOurs.begin(), kNotOurs.end(), variable) == 0) {
      unknown->push_back(variable);
    }
  }
  std::sort(unknown->begin(), unknown->end());
  return given;
}

// Every value is checked, also one that another source overrides: the file is wrong in any case.
GivenOptions from_profile(const std::string &path) {
  const std::string source = "profile " + path;
  GivenOptions given;
  for (const auto &[name, value] : read_profile(path)) {
    if (name == "profile") throw Failure(FLARE_INVALID_ARGUMENT, source + ": a profile cannot name another one");
    Settings scratch;
    apply_option(&scratch, name, value, source);
    given[name] = {value, source};
  }
  return given;
}

}  // namespace

bool Resolved::chosen(const std::string &option) const {
  const auto found = sources.find(option);
  return found != sources.end() && found->second != kDefault;
}

Resolved resolve(const Options &options) {
  Resolved resolved;
  GivenOptions given = from_call(options);  // what stands in it first wins
  given.merge(from_environment(&resolved.unknown));
  if (const auto profile = given.find("profile"); profile != given.end() && !profile->second.value.empty()) {
    Settings scratch;
    apply_option(&scratch, "profile", profile->second.value, profile->second.source);
    given.merge(from_profile(profile->second.value));
  }
  for (size_t i = 0; i < option_count(); ++i) {
    const Option &option = option_at(i);
    const Given &choice = given.insert({option.name, {option.default_value, kDefault}}).first->second;
    apply_option(&resolved.settings, option.name, choice.value, choice.source);
    resolved.sources[option.name] = choice.source;
    resolved.values[option.name] = choice.value;
  }
  const Settings &settings = resolved.settings;
  if (settings.heartbeat_timeout && *settings.heartbeat_timeout <= settings.heartbeat_interval) {  // PH-01
    const auto described = [&](const std::string &name) {
      return name + " '" + given[name].value + "' (" + given[name].source + ")";
    };
    throw Failure(FLARE_INVALID_ARGUMENT, described("heartbeat_timeout") + " must be greater than " +
                                              described("heartbeat_interval") + ", or 'none'");
  }
  return resolved;
}

Resolved with_more(Resolved resolved, const std::map<std::string, std::string> &values, const std::string &source) {
  for (const auto &[name, value] : values) {
    if (resolved.chosen(name)) continue;
    apply_option(&resolved.settings, name, value, source);
    resolved.sources[name] = source;
    resolved.values[name] = value;
  }
  return resolved;
}

}  // namespace flare
