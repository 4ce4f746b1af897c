#include "pipe/zmq/chunk_stage.h"

#include <cstring>
#include <mutex>
#include <utility>

#include "base/block_pool.h"

namespace flare {

namespace {

// Enough that the socket never waits for a copy: it needs longer for one than a copy takes.
constexpr int kMost = 6;

// Room is told of when there is this little under way: one wake-up for several chunks.
constexpr int kTellRoom = kMost / 2;

constexpr uint64_t kMaxKept = uint64_t{8} << 20;

}  // namespace

// Outlives the stage as long as libzmq holds a copy.
struct ChunkStage::Shared {
  std::shared_ptr<BlockPool> blocks = BlockPool::make(kMaxKept, std::chrono::seconds(60));
  std::function<void()> on_room;  // in the loop

  std::mutex mutex;  // guards what follows; before those of the loop
  Loop *loop = nullptr;
  int under_way = 0;
  bool waited_for = false;
};

ChunkStage::ChunkStage(Loop *loop, std::function<void()> on_room) : shared_(std::make_shared<Shared>()) {
  shared_->loop = loop;
  shared_->on_room = std::move(on_room);
}

ChunkStage::~ChunkStage() {
  shared_->blocks->close();
  shared_->on_room = nullptr;
  std::lock_guard lock(shared_->mutex);
  shared_->loop = nullptr;
}

bool ChunkStage::copy(const Bytes &chunk, Bytes *copied) {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->waited_for = shared_->under_way == kMost;
    if (shared_->waited_for) return false;
    ++shared_->under_way;
  }
  const auto let_go = [shared = shared_](Block *block) {
    delete block;
    std::lock_guard lock(shared->mutex);
    --shared->under_way;
    if (!shared->loop || shared->under_way > kTellRoom || !std::exchange(shared->waited_for, false)) return;
    shared->loop->post([shared] {
      if (shared->on_room) shared->on_room();
    });
  };
  const std::shared_ptr<Block> owner(new Block, let_go);  // from here on it is let go, whatever fails
  *owner = shared_->blocks->take(chunk.size);
  std::memcpy(owner->data(), chunk.data, chunk.size);
  *copied = {owner, owner->data(), chunk.size};
  return true;
}

}  // namespace flare
