// Memory of received tensors, kept for the next ones after the program has released them: a page that was touched
// before costs nothing, a new one as much as copying it three times. Any thread. Together, what is in use and what is
// kept are never more than was in use at once.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"

namespace flare {

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  // At most so much is kept, and each block for at most so long.
  static std::shared_ptr<BlockPool> make(uint64_t max_kept_bytes, Duration keep_for);

  // As Block(size), which comes back here when its last reference goes.
  Block take(size_t size);
  // Gives back what was kept too long.
  void trim(TimePoint now);
  // When there is something to trim.
  std::optional<TimePoint> deadline() const;
  // Nothing is kept any more.
  void close();

  uint64_t kept_bytes() const;

 private:
  struct Kept {
    Block block;
    TimePoint since;
  };

  BlockPool(uint64_t max_kept_bytes, Duration keep_for) : max_kept_bytes_(max_kept_bytes), keep_for_(keep_for) {}

  Block find(size_t size);
  void give_back(Block block);

  mutable std::mutex mutex_;  // guards everything
  uint64_t max_kept_bytes_;
  Duration keep_for_;
  std::list<Kept> kept_;  // the oldest first
  uint64_t kept_bytes_ = 0;
};

}  // namespace flare
