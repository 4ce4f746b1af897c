// Finds the frames in a stream of bytes, whichever pieces it comes in. A frame may be as large as a chunk of a blob
// with its headers; a larger one costs no memory: its bytes are skipped and the connection goes on.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "cellnet/cell_limits.h"
#include "cellnet/prefix.h"

namespace flare {

// Views into the parser, good until its next room().
struct Frame {
  Prefix prefix;
  std::string_view headers;
  Bytes payload;
  bool skipped = false;  // it is beyond the limit: its headers and its payload are not kept
};

class FrameParser {
 public:
  explicit FrameParser(const CellLimits &limits);

  // Where the next bytes of the connection go, at least one. Call it when next() has no more frames.
  std::span<std::byte> room();
  void filled(size_t count);

  // The next whole frame. Throws Failure(FLARE_PROTOCOL) when what comes cannot be a frame: nothing behind it can be
  // found any more.
  std::optional<Frame> next();

  // Another connection: what was left of the last one goes.
  void reset();

 private:
  size_t held() const { return end_ - begin_; }
  void resize(size_t capacity);

  CellLimits limits_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;  // of what is not yet a frame given out
  size_t end_ = 0;
  size_t wanted_ = kPrefixBytes;  // bytes of the frame that begins there
  uint64_t skipping_ = 0;         // bytes to come of one that is beyond the limit
};

}  // namespace flare
