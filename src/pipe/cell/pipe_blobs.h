// Messages of NVFlare's pipes as blobs of a cell, and back. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "cellnet/stream_cell.h"
#include "fobs/message.h"
#include "pipe/message.h"

namespace flare {

Chain chain_of(const fobs::Message &message);
std::string channel_of(const std::string &name);  // by its name in the configuration

// In NVFlare's encoding.
Blob fobs_blob(const std::string &destination, std::string_view channel, std::string_view topic, Chain content);
Blob heartbeat_blob(const std::string &destination, const std::string &channel, int64_t number, double wall_time);

// What a message is to its pipe; `root_ttl`: for how long what a reply refers to is there.
Map headers_of(const Message &message, Duration root_ttl, bool pass_through, double wall_time);
// Without its data.
std::shared_ptr<Message> message_of(const StreamCell::Received &received);

// One for each, as NVFlare has no batches.
std::vector<Chain> metric_contents(const Message &batch, const Limits &limits);

}  // namespace flare
