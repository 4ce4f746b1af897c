#include "base/copies.h"

#include <algorithm>

#include "base/copy.h"

namespace flare {

size_t Copies::make(size_t most) {
  size_t left = most;
  while (left > 0 && !waiting_.empty()) {
    auto &[to, from] = waiting_.front();
    const size_t count = std::min(left, from.size - made_);
    copy_past_caches(to.data() + made_, from.data + made_, count);
    made_ += count;
    left -= count;
    if (made_ < from.size) break;
    waiting_.pop_front();
    made_ = 0;
  }
  return most - left;
}

}  // namespace flare
