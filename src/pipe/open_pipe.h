// Makes the pipe that a URL asks for.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "pipe/zmq/frame_pipe.h"

namespace flare {

// In the loop thread. Throws Failure for a bad URL or an address that cannot be had.
std::unique_ptr<FramePipe> open_pipe(FramePipe::Role role, const Settings &settings, Loop *loop, const Log &log,
                                     PipeListener *listener);

// The options that a trainer needs to reach an exchanger with these settings, at this URL: all but its secret key.
std::map<std::string, std::string> profile_for_trainer(const Settings &settings, const std::string &url);

}  // namespace flare
