// Settings and NVFlare's own pipe: what a job's file says of options, and what options say of the pipe.
#pragma once

#include <map>
#include <string>

#include "config/client_api_config.h"
#include "config/settings.h"

namespace flare {

inline constexpr std::string_view kCellUrl = "cell+";  // begins the URL of a cell; NVFlare's own address follows

// The options that the file decides, with their values, for with_more().
std::map<std::string, std::string> options_of(const ClientApiConfig &config);

// The pipe of an agent whose URL is that of a cell: what NVFlare's FlareAgentWithCellPipe is given, and what it needs
// where messages are authenticated. Throws Failure(FLARE_INVALID_ARGUMENT) that names the option that is missing.
ClientApiConfig client_api_of(const Settings &settings);

}  // namespace flare
