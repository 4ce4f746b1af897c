#include "base/copies.h"

#include <algorithm>

#include "base/copy.h"

namespace flare {

namespace {

constexpr size_t kAligned = 64;

}  // namespace

size_t Copies::make(size_t most) {
  size_t left = most;
  while (left > 0 && !waiting_.empty()) {
    auto &[to, from] = waiting_.front();
    size_t count = from.size - made_;
    if (count > left) count = left - left % kAligned;  // so that the next piece begins as the tensor does
    if (count == 0 && from.size > made_) break;
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
