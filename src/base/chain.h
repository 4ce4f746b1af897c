// Bytes in pieces that lie in different places and belong one after the other: what is large need not be copied to be
// together.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"

namespace flare {

class Chain {
 public:
  Chain() = default;
  Chain(Bytes bytes);  // implicit: of one piece
  explicit Chain(std::vector<Bytes> pieces);

  size_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  const std::vector<Bytes> &pieces() const { return pieces_; }
  // Bytes that are there, of the same memory.
  Chain part(size_t offset, size_t size) const;
  // What has no owner is in memory of ours from now on.
  void own();

 private:
  void add(Bytes piece);

  std::vector<Bytes> pieces_;  // none is empty
  std::vector<size_t> ends_;   // of each
};

}  // namespace flare
