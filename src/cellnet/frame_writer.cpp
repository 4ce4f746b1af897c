#include "cellnet/frame_writer.h"

#include <algorithm>
#include <array>
#include <utility>

namespace flare {

FrameWriter::FrameWriter(OutFrame frame) : head_(std::move(frame.head)), payload_(std::move(frame.payload)) {}

CellChannel::Step FrameWriter::write(CellChannel *channel) {
  std::array<CellChannel::Part, CellChannel::kMostParts> parts;
  size_t count = 0;
  if (sent_ < head_.size()) parts[count++] = std::as_bytes(std::span(head_)).subspan(sent_);
  const std::vector<Bytes> &pieces = payload_.pieces();
  for (size_t at = piece_; at < pieces.size() && count < parts.size(); ++at) {
    const size_t gone = at == piece_ ? of_piece_ : 0;
    parts[count++] = {pieces[at].data + gone, pieces[at].size - gone};
  }
  const CellChannel::Step step = channel->write({parts.data(), count});
  size_t left = step.bytes - std::min(step.bytes, head_.size() - std::min(sent_, head_.size()));
  sent_ += step.bytes;
  while (left > 0) {
    const size_t taken = std::min(left, pieces[piece_].size - of_piece_);
    left -= taken;
    of_piece_ += taken;
    if (of_piece_ == pieces[piece_].size) {
      ++piece_;
      of_piece_ = 0;
    }
  }
  return step;
}

}  // namespace flare
