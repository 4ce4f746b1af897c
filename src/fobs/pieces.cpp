#include "fobs/pieces.h"

#include <cstring>
#include <memory>
#include <utility>

namespace flare::fobs {
namespace {

// Up to here a copy costs less than a piece of its own.
constexpr size_t kCopied = 4096;

}  // namespace

void Pieces::flush() {
  if (words_.empty()) return;
  auto words = std::make_shared<const std::string>(std::exchange(words_, {}));
  const auto *data = reinterpret_cast<const std::byte *>(words->data());
  const size_t size = words->size();
  pieces_.push_back({std::move(words), data, size});
  referred_ += size;
}

void Pieces::refer(const Bytes &bytes) {
  if (bytes.size <= kCopied) {
    words_ += bytes.text();
    return;
  }
  flush();
  pieces_.push_back(bytes);
  referred_ += bytes.size;
}

void Pieces::refer(const Pieces &pieces) {
  for (const Bytes &piece : pieces.pieces_) refer(piece);
  words_ += pieces.words_;
}

void Pieces::refer(const Joined &joined) {
  write(joined.head);
  refer(joined.bytes);
  write(joined.tail);
}

std::vector<Bytes> Pieces::take() && {
  flush();
  return std::move(pieces_);
}

Bytes Pieces::join() const {
  Block block(size());
  std::byte *to = block.data();
  for (const Bytes &piece : pieces_) {
    std::memcpy(to, piece.data, piece.size);
    to += piece.size;
  }
  if (!words_.empty()) std::memcpy(to, words_.data(), words_.size());
  return block.share();
}

Bytes join(const Joined &joined) {
  Pieces pieces;
  pieces.refer(joined);
  return pieces.join();
}

}  // namespace flare::fobs
