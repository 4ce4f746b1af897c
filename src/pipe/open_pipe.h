// Makes the pipe that a URL asks for.
#pragma once

#include <memory>
#include <string>

#include "pipe/zmq/frame_pipe.h"

namespace flare {

// In the loop thread. Throws Failure for a bad URL or an address that cannot be had.
std::unique_ptr<FramePipe> open_pipe(FramePipe::Role role, const Settings &settings, Loop *loop, const Log &log,
                                     PipeListener *listener);

}  // namespace flare
