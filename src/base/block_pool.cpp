#include "base/block_pool.h"

#include <algorithm>
#include <utility>

namespace flare {

namespace {

// Smaller ones lie in pages that the allocator shares and keeps anyway.
constexpr size_t kSmallest = size_t{64} << 10;

// A block may be an eighth larger than what is asked for.
bool fits(size_t block, size_t size) { return block >= size && block - size <= size / 8; }

}  // namespace

std::shared_ptr<BlockPool> BlockPool::make(uint64_t max_kept_bytes, Duration keep_for) {
  return std::shared_ptr<BlockPool>(new BlockPool(max_kept_bytes, keep_for));
}

Block BlockPool::take(size_t size) {
  if (size < kSmallest) return Block(size);
  Block block = find(size);
  if (block.size() == 0) block = Block(size);
  // The block is held by what gives it back, so that there is one owner at any time.
  std::byte *const data = block.data();
  return Block(std::shared_ptr<std::byte>(data, [pool = shared_from_this(), block = std::move(block)](
                                                    std::byte *) mutable { pool->give_back(std::move(block)); }),
               size);
}

Block BlockPool::find(size_t size) {
  std::list<Kept> dropped;  // without the lock: to give memory back takes its time
  std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept &kept) { return fits(kept.block.size(), size); });
  if (found != kept_.end()) {
    Block block = std::move(found->block);
    kept_.erase(found);
    kept_bytes_ -= block.size();
    return block;
  }
  for (size_t room = 0; room < size && !kept_.empty();) {
    room += kept_.front().block.size();
    kept_bytes_ -= kept_.front().block.size();
    dropped.splice(dropped.end(), kept_, kept_.begin());
  }
  return {};
}

void BlockPool::give_back(Block block) {
  std::lock_guard lock(mutex_);
  if (block.size() > max_kept_bytes_ || kept_bytes_ > max_kept_bytes_ - block.size()) return;
  kept_bytes_ += block.size();
  kept_.push_back({std::move(block), Clock::now()});
}

void BlockPool::trim(TimePoint now) {
  std::list<Kept> dropped;
  std::lock_guard lock(mutex_);
  while (!kept_.empty() && now - kept_.front().since >= keep_for_) {
    kept_bytes_ -= kept_.front().block.size();
    dropped.splice(dropped.end(), kept_, kept_.begin());
  }
}

std::optional<TimePoint> BlockPool::deadline() const {
  std::lock_guard lock(mutex_);
  return kept_.empty() ? std::nullopt : std::optional(kept_.front().since + keep_for_);
}

void BlockPool::close() {
  std::list<Kept> dropped;
  std::lock_guard lock(mutex_);
  max_kept_bytes_ = 0;
  kept_bytes_ = 0;
  dropped.swap(kept_);
}

uint64_t BlockPool::kept_bytes() const {
  std::lock_guard lock(mutex_);
  return kept_bytes_;
}

}  // namespace flare
