// Makes the pipe that a URL asks for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipe/message.h"
#include "pipe/zmq/frame_pipe.h"

namespace flare {

// In the loop thread. Throws Failure for a bad URL or an address that cannot be had.
std::unique_ptr<FramePipe> open_pipe(FramePipe::Role role, const Settings &settings, Loop *loop, const Log &log,
                                     PipeListener *listener);
// The same of an agent, which may also talk to NVFlare itself.
std::unique_ptr<Pipe> open_agent_pipe(const Settings &settings, Loop *loop, const Log &log, PipeListener *listener);

// The bytes of each thing that receivers of this message will fetch. Throws Failure for a message that the pipe of
// these settings cannot carry. Any thread may call it.
std::vector<uint64_t> payload_sizes(const Settings &settings, const Message &message);

// The options that a trainer needs to reach an exchanger with these settings, at this URL: all but its secret key.
std::map<std::string, std::string> profile_for_trainer(const Settings &settings, const std::string &url);

}  // namespace flare
