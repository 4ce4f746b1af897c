#include "cellnet/frame_parser.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/failure.h"

namespace flare {
namespace {

// For a chunk with its headers and the beginning of the next one. A larger frame gets a larger buffer for its time.
constexpr size_t kUsualCapacity = (size_t{2} << 20) + (size_t{128} << 10);

}  // namespace

FrameParser::FrameParser(const CellLimits &limits) : limits_(limits) {}

void FrameParser::resize(size_t capacity) {
  std::unique_ptr<std::byte[]> buffer(new std::byte[capacity]);  // not set to 0, as make_unique would
  if (held() > 0) std::memcpy(buffer.get(), buffer_.get() + begin_, held());
  end_ = held();
  begin_ = 0;
  buffer_ = std::move(buffer);
  capacity_ = capacity;
}

std::span<std::byte> FrameParser::room() {
  const size_t needed = std::max(wanted_, kUsualCapacity);
  if (capacity_ < needed || (capacity_ > kUsualCapacity && needed == kUsualCapacity && held() <= kUsualCapacity / 2)) {
    resize(needed);
  } else if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (capacity_ - begin_ < wanted_ || end_ == capacity_) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, held());
    end_ = held();
    begin_ = 0;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

void FrameParser::filled(size_t count) {
  if (count > capacity_ - end_) throw Failure(FLARE_INTERNAL, "more bytes than there was room for");
  end_ += count;
}

std::optional<Frame> FrameParser::next() {
  if (skipping_ > 0) {
    const auto here = static_cast<size_t>(std::min<uint64_t>(skipping_, held()));
    begin_ += here;
    skipping_ -= here;
    if (skipping_ > 0) return std::nullopt;
  }
  wanted_ = kPrefixBytes;
  if (held() < wanted_) return std::nullopt;
  Frame frame;
  const std::byte *const start = buffer_.get() + begin_;
  frame.prefix = read_prefix(start);
  const size_t length = frame.prefix.length;
  if (length < kPrefixBytes || frame.prefix.header_bytes > length - kPrefixBytes) {
    throw Failure(FLARE_PROTOCOL, "not a frame of NVFlare: " + std::to_string(length) + " bytes with headers of " +
                                      std::to_string(frame.prefix.header_bytes));
  }
  if (length > limits_.max_frame_bytes) {
    begin_ += kPrefixBytes;
    skipping_ = length - kPrefixBytes;
    frame.skipped = true;
    return frame;
  }
  if (held() < length) {
    wanted_ = length;
    return std::nullopt;
  }
  frame.headers = {reinterpret_cast<const char *>(start) + kPrefixBytes, frame.prefix.header_bytes};
  const size_t behind = kPrefixBytes + frame.prefix.header_bytes;
  frame.payload = {nullptr, start + behind, length - behind};
  begin_ += length;
  return frame;
}

void FrameParser::reset() {
  begin_ = end_ = 0;
  wanted_ = kPrefixBytes;
  skipping_ = 0;
}

}  // namespace flare
