// One blob coming in: its chunks, in any order and more than once, each put into its place in memory that is there
// before the first byte, and when to acknowledge them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/block_pool.h"
#include "base/bytes.h"
#include "base/time.h"
#include "cellnet/cell_limits.h"
#include "model/value.h"

namespace flare {

// Where large blobs go.
struct BlobPlaces {
  BlockPool *pool = nullptr;
  // What of a blob that begins so should lie at a multiple of 64; 0 when it makes no difference.
  std::function<size_t(const Bytes &beginning)> aligned_at;
};

class StreamIn {
 public:
  // By the headers of whichever chunk comes first: all have the same but for place and size. Throws
  // Failure(FLARE_TOO_LARGE) for a blob beyond the limits, std::bad_alloc, Failure(FLARE_PROTOCOL).
  // `places` are for more than a chunk, and stay where they are.
  StreamIn(Map headers, const CellLimits &limits, TimePoint now, const BlobPlaces &places);

  // True for news. Throws Failure when the chunks cannot be those of one blob; then it is over.
  bool on_chunk(const Map &headers, const Bytes &payload, TimePoint now);

  bool whole() const { return last_ && next_ > *last_; }
  // Of a whole one.
  Bytes content() const;
  const Map &headers() const { return headers_; }

  // How far to acknowledge, when it is time to.
  std::optional<int64_t> take_ack();

  uint64_t reserved_bytes() const { return block_.size(); }
  TimePoint deadline() const { return last_news_ + limits_.read_timeout; }

 private:
  struct Piece {
    uint64_t offset;
    uint64_t size;
  };

  bool can_align() const;
  void align(const Bytes &beginning);
  void place(const Piece &piece, const std::byte *data);
  void line_up(int64_t sequence, const Piece &piece);
  void reserve(uint64_t size);

  Map headers_;
  CellLimits limits_;
  const BlobPlaces *places_;
  uint64_t announced_ = 0;  // 0: unknown, or empty
  Block block_;
  size_t begin_ = 0;         // in block_
  uint64_t end_ = 0;         // of the bytes that were placed, with gaps
  uint64_t contiguous_ = 0;  // bytes from the beginning without a gap
  uint64_t acknowledged_ = 0;
  int64_t next_ = 0;                // the first chunk that is missing
  std::map<int64_t, Piece> ahead_;  // those behind it that are here
  std::optional<int64_t> last_;     // the number of the final one
  TimePoint last_news_;
};

}  // namespace flare
