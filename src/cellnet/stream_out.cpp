#include "cellnet/stream_out.h"

#include <algorithm>
#include <utility>

namespace flare {

StreamOut::StreamOut(int64_t id, Blob blob, Map headers, const CellLimits &limits, TimePoint now)
    : id_(id), blob_(std::move(blob)), headers_(std::move(headers)), limits_(limits), last_progress_(now) {}

OutgoingMessage StreamOut::message(Chain payload) const {
  OutgoingMessage message;
  message.destination = blob_.destination;
  message.channel = kStreamChannel;
  message.topic = kDataTopic;
  message.optional = blob_.optional;
  message.headers = headers_;
  message.payload = std::move(payload);
  return message;
}

OutgoingMessage StreamOut::next_chunk(TimePoint now) {
  const uint64_t size = std::min<uint64_t>(blob_.content.size() - offset_, limits_.chunk_bytes);
  done_ = offset_ + size == blob_.content.size();
  OutgoingMessage chunk = message(blob_.content.part(offset_, size));
  Map &headers = chunk.headers;
  headers.set(stream_key::kChannel, blob_.channel);
  headers.set(stream_key::kTopic, blob_.topic);
  headers.set(stream_key::kSize, static_cast<int64_t>(blob_.content.size()));
  headers.set(stream_key::kId, id_);
  headers.set(stream_key::kKind, done_ ? stream_kind::kFinal : stream_kind::kChunk);
  headers.set(stream_key::kSequence, sequence_++);
  headers.set(stream_key::kOffset, static_cast<int64_t>(offset_));
  headers.set(stream_key::kOptional, blob_.optional);
  offset_ += size;
  last_progress_ = now;
  return chunk;
}

OutgoingMessage StreamOut::error_chunk(const std::string &reason) const {
  OutgoingMessage chunk = message({});
  chunk.optional = true;
  chunk.headers.set(stream_key::kId, id_);
  chunk.headers.set(stream_key::kKind, stream_kind::kError);
  chunk.headers.set(stream_key::kOffset, static_cast<int64_t>(offset_));
  chunk.headers.set(stream_key::kError, reason);
  return chunk;
}

bool StreamOut::on_ack(int64_t offset, TimePoint now) {
  if (offset < 0 || static_cast<uint64_t>(offset) > offset_) return false;  // of what was never sent
  if (static_cast<uint64_t>(offset) <= acknowledged_) return false;         // late
  acknowledged_ = static_cast<uint64_t>(offset);
  last_progress_ = now;
  return true;
}

std::optional<TimePoint> StreamOut::deadline() const {
  if (done_ || may_send()) return std::nullopt;
  return last_progress_ + limits_.ack_progress_timeout;
}

}  // namespace flare
