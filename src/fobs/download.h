// What a cell asks of another one's download service, and what that answers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "fobs/message.h"

namespace flare::fobs {

// What a state says of the answer that it came with: its first item, and how many there are.
struct ItemRange {
  uint64_t start = 0;
  uint64_t count = 0;

  uint64_t end() const { return start + count; }
};
Object state_of(const ItemRange &range);
// Nothing for a state of another kind. No number is more than an int64_t.
std::optional<ItemRange> range_of(const Object &state);

struct DownloadRequest {
  std::string ref_id;
  Object state;  // that of the reply before, as it was; none at first
};

struct DownloadReply {
  enum class Status { kOk, kEof, kError };

  Status status = Status::kOk;
  Object state;
  std::vector<Object> items;  // bytes: archives of an array (npz.h)
};

Message write_request(const DownloadRequest &request);
Message write_reply(DownloadReply reply);

// Throw Failure: FLARE_PROTOCOL for what is none, FLARE_TOO_LARGE for more than limits.max_tensors items.
DownloadRequest read_request(const Message &message);
DownloadReply read_reply(const Message &message, const Limits &limits);

}  // namespace flare::fobs
