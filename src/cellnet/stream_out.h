// One blob on its way out in chunks, never more of it unacknowledged than the window.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/chain.h"
#include "base/time.h"
#include "cellnet/cell_limits.h"
#include "cellnet/cell_message.h"

namespace flare {

// What a cell sends to another. The content is not copied: whoever owns it keeps it until the stream ends.
struct Blob {
  std::string destination;
  std::string channel;
  std::string topic;
  std::string encoding = std::string(encoding::kNone);  // of the content
  Map headers;
  Chain content;
  bool optional = false;
};

class StreamOut {
 public:
  // `headers` are those of the blob with all that the layers above add.
  StreamOut(int64_t id, Blob blob, Map headers, const CellLimits &limits, TimePoint now);

  int64_t id() const { return id_; }
  const std::string &destination() const { return blob_.destination; }
  bool done() const { return done_; }
  // A blob of one chunk never waits.
  bool is_small() const { return blob_.content.size() <= limits_.chunk_bytes; }

  // The next chunk, while the window lets one through.
  bool may_send() const { return !done_ && offset_ - acknowledged_ <= limits_.window_bytes; }
  OutgoingMessage next_chunk(TimePoint now);
  // That no more comes, and why.
  OutgoingMessage error_chunk(const std::string &reason) const;

  // Whether it tells of progress.
  bool on_ack(int64_t offset, TimePoint now);

  // When it is over for lack of acknowledgements; nullopt while it need not wait for any.
  std::optional<TimePoint> deadline() const;

 private:
  OutgoingMessage message(Chain payload) const;

  int64_t id_;
  Blob blob_;
  Map headers_;
  CellLimits limits_;
  uint64_t offset_ = 0;  // sent
  uint64_t acknowledged_ = 0;
  int64_t sequence_ = 0;
  bool done_ = false;
  TimePoint last_progress_;
};

}  // namespace flare
