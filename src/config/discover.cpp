#include "config/discover.h"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "base/failure.h"
#include "config/profile.h"

namespace flare {

namespace {

constexpr const char *kBootstrap = "NVFLARE_CLIENT_API_BOOTSTRAP";
constexpr const char *kClientApi = "config/client_api_config.json";

[[noreturn]] void not_spoken(const std::string &what) {
  throw Failure(FLARE_INVALID_ARGUMENT, "this trainer was started by " + what +
                                            ", which this library does not speak yet: let the job use AgentExecutor "
                                            "(docs/nvflare.md), or set FLARE_AGENT_URL");
}

bool is_there(const char *path) { return ::access(path, F_OK) == 0; }

// The path of a profile, or nothing.
std::optional<std::string> find() {
  const char *bootstrap = std::getenv(kBootstrap);  // NOLINT(concurrency-mt-unsafe): the library sets nothing
  if (bootstrap != nullptr && *bootstrap != '\0') {
    not_spoken("the client API of NVFlare 2.9 (" + std::string(kBootstrap) + "=" + bootstrap + ")");
  }
  if (is_there(kOwnProfile)) return kOwnProfile;
  if (is_there(kClientApi)) not_spoken("the client API of NVFlare 2.8 (" + std::string(kClientApi) + ")");
  return std::nullopt;
}

}  // namespace

Resolved resolve_for_agent(const Options &options) {
  Resolved resolved = resolve(options);
  const bool asked = resolved.settings.url == kDiscover;
  if (!asked && (!resolved.settings.url.empty() || resolved.sources.at("profile") != "default")) return resolved;
  if (!asked && !resolved.settings.rendezvous_dir.empty()) return resolved;
  const std::optional<std::string> path = find();
  if (!path && asked) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the URL 'nvflare:' finds nothing: there is neither " +
                                              std::string(kBootstrap) + " in the environment, nor " + kOwnProfile +
                                              " or " + kClientApi + " in the working directory");
  }
  if (!path) return resolved;
  Options found = options;
  found.set("profile", *path);
  if (asked) {  // the word stands where the profile's URL belongs
    const std::map<std::string, std::string> profile = read_profile(*path);
    const auto url = profile.find("url");
    if (url == profile.end()) throw Failure(FLARE_INVALID_ARGUMENT, "profile " + *path + ": it has no url");
    found.set("url", url->second);
  }
  resolved = resolve(found);
  resolved.sources["profile"] = "found in the working directory";
  if (asked) resolved.sources["url"] = "profile " + *path;
  return resolved;
}

}  // namespace flare
