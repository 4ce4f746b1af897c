#include "config/discover.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/failure.h"
#include "config/client_api_settings.h"
#include "config/profile.h"

namespace flare {

namespace {

constexpr const char *kBootstrap = "NVFLARE_CLIENT_API_BOOTSTRAP";
constexpr const char *kClientApi = "config/client_api_config.json";
constexpr const char *kFound = "found in the working directory";

bool is_there(const char *path) { return ::access(path, F_OK) == 0; }

void refuse_bootstrap() {
  const char *bootstrap = std::getenv(kBootstrap);  // NOLINT(concurrency-mt-unsafe): the library sets nothing
  if (bootstrap == nullptr || *bootstrap == '\0') return;
  throw Failure(FLARE_INVALID_ARGUMENT, "this trainer was started by the client API of NVFlare 2.9 (" +
                                            std::string(kBootstrap) + "=" + bootstrap +
                                            "), which this library does not speak yet: let the job use AgentExecutor "
                                            "(docs/nvflare.md), or set FLARE_AGENT_URL");
}

Resolved with_own_profile(const Options &options, bool asked) {
  Options found = options;
  found.set("profile", kOwnProfile);
  if (asked) {  // the word stands where the profile's URL belongs
    const std::map<std::string, std::string> profile = read_profile(kOwnProfile);
    const auto url = profile.find("url");
    if (url == profile.end()) {
      throw Failure(FLARE_INVALID_ARGUMENT, std::string("profile ") + kOwnProfile + ": it has no url");
    }
    found.set("url", url->second);
  }
  Resolved resolved = resolve(found);
  resolved.sources["profile"] = kFound;
  if (asked) resolved.sources["url"] = std::string("profile ") + kOwnProfile;
  return resolved;
}

Resolved with_client_api(Resolved resolved, const std::string &path) {
  auto config = std::make_shared<const ClientApiConfig>(read_client_api_config(path));
  resolved = with_more(std::move(resolved), options_of(*config), "client API configuration " + path);
  std::error_code error;
  const std::string url = std::string(kDiscover) + std::filesystem::absolute(path, error).string();
  resolved.settings.url = resolved.values["url"] = url;
  resolved.settings.client_api = std::move(config);
  return resolved;
}

Resolved with_cell(Resolved resolved) {
  resolved.settings.client_api = std::make_shared<const ClientApiConfig>(client_api_of(resolved.settings));
  return resolved;
}

}  // namespace

Resolved resolve_for_agent(const Options &options) {
  Resolved resolved = resolve(options);
  const std::string &url = resolved.settings.url;
  if (url.starts_with(kCellUrl)) return with_cell(std::move(resolved));
  const bool asked = url == kDiscover;
  if (!asked && url.starts_with(kDiscover)) return with_client_api(resolved, url.substr(kDiscover.size()));
  if (!asked && (!url.empty() || resolved.chosen("profile") || resolved.chosen("rendezvous_dir"))) return resolved;
  refuse_bootstrap();
  if (is_there(kOwnProfile)) {
    resolved = with_own_profile(options, asked);
    return resolved.settings.url.starts_with(kCellUrl) ? with_cell(std::move(resolved)) : resolved;
  }
  if (is_there(kClientApi)) {
    resolved = with_client_api(std::move(resolved), kClientApi);
    resolved.sources["url"] = kFound;
    return resolved;
  }
  if (!asked) return resolved;
  throw Failure(FLARE_INVALID_ARGUMENT, "the URL 'nvflare:' finds nothing: there is neither " +
                                            std::string(kBootstrap) + " in the environment, nor " + kOwnProfile +
                                            " or " + kClientApi + " in the working directory");
}

}  // namespace flare
