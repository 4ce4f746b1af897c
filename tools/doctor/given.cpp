// What this process was given: options, and versions of what it runs on.
#include <dlfcn.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <set>
#include <stdexcept>
#include <string_view>

#include "doctor/gather.h"

namespace flare_tool::doctor {

namespace {

constexpr std::string_view kPrefix = "FLARE_AGENT_";
// Those that bindings, plugin and build scripts read.
constexpr std::array<std::string_view, 3> kNotOptions = {"FLARE_AGENT_LIBRARY", "FLARE_AGENT_LIB_DIR",
                                                         "FLARE_AGENT_LIBRARY_PATH"};

std::set<std::string> option_names() {
  std::set<std::string> names;
  const char *name = nullptr;
  for (size_t i = 0; flare_option_describe(i, &name, nullptr, nullptr) == FLARE_OK; ++i) names.insert(name);
  return names;
}

std::string lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

// With the name that was probably meant.
std::string unknown(const std::string &variable, const std::string &option) {
  try {
    flare::Options().set(option, "");
  } catch (const flare::Error &error) {
    return variable + ": " + error.what();
  }
  return variable;
}

void look_at_environment(Given *given) {
  const std::set<std::string> names = option_names();
  for (char **entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t end = text.find('=');
    if (!text.starts_with(kPrefix) || end == std::string_view::npos || end + 1 == text.size()) continue;
    const std::string variable(text.substr(0, end)), option = lower(variable.substr(kPrefix.size()));
    if (names.contains(option)) {
      given->variables.push_back(variable);
    } else if (std::count(kNotOptions.begin(), kNotOptions.end(), variable) == 0) {
      given->unknown_variables.push_back(unknown(variable, option));
    }
  }
}

void take(const std::string &argument, Given *given, flare::Options *options) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) throw std::runtime_error("--option " + argument + ": write NAME=VALUE");
  const std::string name = argument.substr(0, equals);
  options->set(name, argument.substr(equals + 1));
  given->arguments.push_back(name);
}

std::vector<Setting> resolve(const flare::Options &options) {
  flare_settings *handle = nullptr;
  flare::call(flare_options_resolve, options.handle(), &handle);
  const std::unique_ptr<flare_settings, void (*)(flare_settings *)> owner(handle, flare_settings_free);
  std::vector<Setting> settings;
  const char *name = nullptr, *value = nullptr, *source = nullptr;
  for (size_t i = 0; flare_settings_at(handle, i, &value, &source) == FLARE_OK; ++i) {
    [[maybe_unused]] const flare_status described = flare_option_describe(i, &name, nullptr, nullptr);
    const bool argument = std::string_view(source) == "set by flare_options_set";
    settings.push_back({name, value, argument ? "argument" : source});
  }
  return settings;
}

}  // namespace

Given gather_given(const std::vector<std::string> &arguments, flare::Options *options) {
  Given given;
  look_at_environment(&given);
  try {
    for (const std::string &argument : arguments) take(argument, &given, options);
    given.settings = resolve(*options);
  } catch (const flare::Error &error) {
    given.failed = Failed{error.status(), error.what()};
  }
  return given;
}

Versions gather_versions() {
  Versions versions;
  versions.header = FLARE_VERSION;
  versions.library = flare_version();
  Dl_info info = {};
  if (::dladdr(reinterpret_cast<const void *>(&flare_version), &info) != 0) versions.library_path = info.dli_fname;
  int major = 0, minor = 0, patch = 0;
  ::zmq_version(&major, &minor, &patch);
  versions.zmq = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  versions.curve = ::zmq_has("curve") != 0;
  return versions;
}

}  // namespace flare_tool::doctor
