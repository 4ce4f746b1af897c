// A frame on its way out, as far as a connection has taken it.
#pragma once

#include <cstddef>

#include "cellnet/cell_channel.h"
#include "cellnet/sfm_session.h"

namespace flare {

class FrameWriter {
 public:
  explicit FrameWriter(OutFrame frame);

  bool done() const { return sent_ == head_.size() + payload_.size(); }
  CellChannel::Step write(CellChannel *channel);
  // The payload is in memory of ours from now on: whoever owns it may free it.
  void own() { payload_.own(); }

 private:
  std::string head_;
  Chain payload_;
  size_t sent_ = 0;      // of both together
  size_t piece_ = 0;     // of the payload: the first that is not gone
  size_t of_piece_ = 0;  // bytes of it that are
};

}  // namespace flare
