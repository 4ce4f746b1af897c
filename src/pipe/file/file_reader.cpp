#include "pipe/file/file_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace flare {

ssize_t FileReader::read(size_t most) {
  const size_t before = done_;
  while (!complete_ && done_ - before < most) {
    const size_t wanted = std::min(memory_.size() - done_, most - (done_ - before));
    const ssize_t count = wanted == 0 ? 0 : ::read(file_.get(), memory_.data() + done_, wanted);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    done_ += static_cast<size_t>(count);
    complete_ = count == 0 || done_ == memory_.size();
  }
  return static_cast<ssize_t>(done_ - before);
}

Bytes FileReader::bytes() const {
  Bytes bytes = memory_.share();
  bytes.size = done_;
  return bytes;
}

}  // namespace flare
