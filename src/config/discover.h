// How an agent finds its connection by what NVFlare gave the trainer.
#pragma once

#include <string_view>

#include "config/settings.h"

namespace flare {

inline constexpr std::string_view kDiscover = "nvflare:";  // a URL that says: find it, or the path of what is there
inline constexpr const char *kOwnProfile = "config/flare_agent.json";

// resolve(); and when that gives neither a URL nor a profile nor a rendezvous, or the URL "nvflare:", then what NVFlare
// left for the trainer, in this order:
//   NVFLARE_CLIENT_API_BOOTSTRAP      a variable of NVFlare 2.9's client API, which is not spoken here yet: refused
//   config/flare_agent.json           a profile of ours, in the working directory
//   config/client_api_config.json     the file of NVFlare up to 2.8, in the working directory
// A file of NVFlare's, found or named by a URL "nvflare:PATH", decides the options that nobody gave. With it, and with
// the URL of a cell, settings.client_api is there. Throws Failure as resolve() and read_client_api_config() do.
Resolved resolve_for_agent(const Options &options);

}  // namespace flare
