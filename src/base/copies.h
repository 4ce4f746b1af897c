// Copies that are put off, to be made a piece at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "base/bytes.h"

namespace flare {

class Copies {
 public:
  // `to` has room for all of `from`, which are kept until it is made.
  void add(Block to, const Bytes &from) { waiting_.emplace_back(std::move(to), from); }
  // Makes at most so many bytes, and says how many: within a tensor a multiple of 64.
  size_t make(size_t most);
  bool all_made() const { return waiting_.empty(); }

 private:
  std::deque<std::pair<Block, Bytes>> waiting_;
  size_t made_ = 0;  // of the first
};

}  // namespace flare
