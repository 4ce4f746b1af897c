#include "cellnet/stream_in.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/copy.h"
#include "base/failure.h"
#include "cellnet/cell_message.h"

namespace flare {
namespace {

constexpr size_t kAlignment = 64;  // of a block

[[noreturn]] void break_off(const std::string &what) { throw Failure(FLARE_PROTOCOL, what); }

}  // namespace

StreamIn::StreamIn(Map headers, const CellLimits &limits, TimePoint now, const BlobPlaces &places)
    : headers_(std::move(headers)), limits_(limits), places_(&places), last_news_(now) {
  const Value *size = headers_.find(stream_key::kSize);
  if (!size) return;
  const int64_t bytes = number_of(headers_, stream_key::kSize);
  if (bytes < 0) break_off("a blob of a size that is no size");
  announced_ = static_cast<uint64_t>(bytes);
  if (announced_ > 0) reserve(announced_);
}

bool StreamIn::can_align() const { return places_->aligned_at && announced_ > limits_.chunk_bytes; }

// What is not known in advance grows by doubling. What is gets room to be moved a bit.
void StreamIn::reserve(uint64_t size) {
  if (size <= block_.size()) return;
  if (size > limits_.max_blob_bytes) {
    too_large("a blob of " + std::to_string(size) + " bytes, and " + std::to_string(limits_.max_blob_bytes) +
              " are the most");
  }
  const uint64_t wanted =
      announced_ > 0 ? size : std::min(std::max(size, 2 * uint64_t{block_.size()}), limits_.max_blob_bytes);
  const uint64_t with_room = can_align() ? wanted + kAlignment : wanted;
  Block block = places_->pool && wanted > limits_.chunk_bytes ? places_->pool->take(with_room) : Block(with_room);
  if (end_ > 0) std::memcpy(block.data(), block_.data(), end_);
  block_ = std::move(block);
}

bool StreamIn::on_chunk(const Map &headers, const Bytes &payload, TimePoint now) {
  const int64_t sequence = number_of(headers, stream_key::kSequence);
  const int64_t offset = number_of(headers, stream_key::kOffset);
  const int64_t kind = number_of(headers, stream_key::kKind);
  if (sequence < 0 || offset < 0) break_off("a chunk without number or place");
  if (kind != stream_kind::kChunk && kind != stream_kind::kFinal) break_off("a chunk that is neither one nor the last");
  if (sequence < next_ || ahead_.contains(sequence)) return false;
  if (last_ && sequence > *last_) break_off("a chunk behind the last one");
  if (kind == stream_kind::kFinal) {
    if (last_ || (!ahead_.empty() && ahead_.rbegin()->first > sequence)) break_off("a second last chunk");
    last_ = sequence;
  }
  const Piece piece{static_cast<uint64_t>(offset), payload.size};
  const uint64_t most = announced_ > 0 ? announced_ : limits_.max_blob_bytes;
  if (piece.offset > most || piece.size > most - piece.offset) {
    break_off("more bytes than the " + std::to_string(most) + " that the blob may have");
  }
  if (sequence > next_) {
    if (ahead_.size() >= limits_.max_out_of_order) break_off("too many chunks before an earlier one");
    if (announced_ == 0 && piece.offset > contiguous_ + limits_.max_ahead_bytes) break_off("a chunk too far ahead");
  } else if (piece.offset != contiguous_) {
    break_off("chunk " + std::to_string(sequence) + " begins at " + std::to_string(piece.offset) + " instead of " +
              std::to_string(contiguous_));
  }
  if (sequence == 0 && can_align()) align(payload);
  place(piece, payload.data);
  line_up(sequence, piece);
  last_news_ = now;
  if (whole() && announced_ > 0 && contiguous_ != announced_) {
    break_off("the blob has " + std::to_string(contiguous_) + " bytes and was announced with " +
              std::to_string(announced_));
  }
  return true;
}

// What came before is moved; it is no more than what may come out of order.
void StreamIn::align(const Bytes &beginning) {
  begin_ = (kAlignment - places_->aligned_at(beginning) % kAlignment) % kAlignment;
  if (end_ > 0) std::memmove(block_.data() + begin_, block_.data(), end_);
}

void StreamIn::place(const Piece &piece, const std::byte *data) {
  if (piece.size == 0) return;
  reserve(piece.offset + piece.size);
  copy_past_caches(block_.data() + begin_ + piece.offset, data, piece.size);
  end_ = std::max(end_, piece.offset + piece.size);
}

void StreamIn::line_up(int64_t sequence, const Piece &piece) {
  if (sequence > next_) {
    ahead_.emplace(sequence, piece);
    return;
  }
  contiguous_ += piece.size;
  ++next_;
  while (!ahead_.empty() && ahead_.begin()->first == next_) {
    const Piece &following = ahead_.begin()->second;
    if (following.offset != contiguous_) break_off("a chunk that came early is not where it belongs");
    contiguous_ += following.size;
    ++next_;
    ahead_.erase(ahead_.begin());
  }
}

Bytes StreamIn::content() const {
  Bytes bytes = block_.share();
  bytes.data += begin_;
  bytes.size = contiguous_;
  return bytes;
}

std::optional<int64_t> StreamIn::take_ack() {
  if (last_ || contiguous_ - acknowledged_ <= limits_.acknowledge_after) return std::nullopt;
  acknowledged_ = contiguous_;
  return static_cast<int64_t>(contiguous_);
}

}  // namespace flare
