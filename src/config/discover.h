// How an agent finds its connection by what NVFlare gave the trainer.
#pragma once

#include <string_view>

#include "config/settings.h"

namespace flare {

inline constexpr std::string_view kDiscover = "nvflare:";  // a URL that says: find it
inline constexpr const char *kOwnProfile = "config/flare_agent.json";

// resolve(); and when that gives neither a URL nor a profile nor a rendezvous, or the URL "nvflare:", then what NVFlare
// left for the trainer, in this order:
//   NVFLARE_CLIENT_API_BOOTSTRAP      a variable of NVFlare 2.9's client API
//   config/flare_agent.json           a profile of ours, in the working directory
//   config/client_api_config.json     a file of NVFlare 2.8's client API, in the working directory
// The client API is not spoken here yet, so it is refused by name: Failure(FLARE_INVALID_ARGUMENT).
Resolved resolve_for_agent(const Options &options);

}  // namespace flare
