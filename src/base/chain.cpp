#include "base/chain.h"

#include <algorithm>
#include <utility>

namespace flare {

Chain::Chain(Bytes bytes) { add(std::move(bytes)); }

Chain::Chain(std::vector<Bytes> pieces) {
  pieces_.reserve(pieces.size());
  ends_.reserve(pieces.size());
  for (Bytes &piece : pieces) add(std::move(piece));
}

void Chain::add(Bytes piece) {
  if (piece.size == 0) return;
  ends_.push_back(size() + piece.size);
  pieces_.push_back(std::move(piece));
}

Chain Chain::part(size_t offset, size_t size) const {
  Chain part;
  auto at = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), offset) - ends_.begin());
  for (size_t left = size; left > 0; ++at) {
    const Bytes &piece = pieces_[at];
    const size_t skipped = offset - (ends_[at] - piece.size);
    const size_t taken = std::min(left, piece.size - skipped);
    part.add({piece.owner, piece.data + skipped, taken});
    offset += taken;
    left -= taken;
  }
  return part;
}

void Chain::own() {
  for (Bytes &piece : pieces_) {
    if (!piece.owner) piece = copy_bytes(piece.data, piece.size);
  }
}

}  // namespace flare
