// Copies of chunks of lent memory on their way through libzmq, which may hold them for long after their owner has its
// memory back. Few at a time, in memory that is used again: that is all that sending a model costs.
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "runtime/loop.h"

namespace flare {

// Made, used and destroyed in the loop.
class ChunkStage {
 public:
  // `on_room` is called in the loop when a copy is let go while somebody waits for it.
  ChunkStage(Loop *loop, std::function<void()> on_room);
  ~ChunkStage();

  // A copy, or nothing while too many are on their way; then on_room follows.
  bool copy(const Bytes &chunk, Bytes *copied);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace flare
