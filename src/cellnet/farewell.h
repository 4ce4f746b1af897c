// The end of a connection that loses nothing of what was said: the last frames are sent, and what comes is read until
// the other end has closed too. A socket that is closed with something unread in it throws away what it has not sent.
// That takes two seconds at most, in a thread of its own.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "cellnet/cell_channel.h"
#include "cellnet/frame_writer.h"

namespace flare {

class Farewell {
 public:
  Farewell(Descriptor socket, std::unique_ptr<CellChannel> channel, std::vector<FrameWriter> frames);
  ~Farewell();  // waits for it

 private:
  void run() noexcept;
  // False when the socket has to take more first.
  bool say();
  // False when the other end has closed.
  bool read();

  Descriptor socket_;
  std::unique_ptr<CellChannel> channel_;
  std::vector<FrameWriter> frames_;
  size_t said_ = 0;
  bool wants_to_write_ = false;
  std::thread thread_;
};

}  // namespace flare
