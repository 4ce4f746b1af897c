#include "pipe/file/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/uuid.h"

namespace flare {

namespace {

constexpr mode_t kFileMode = 0666;  // as the peer's: what is left of it is the user's to say

}  // namespace

FileWriter::FileWriter(int folder, std::vector<Bytes> pieces)
    : folder_(folder), temporary_(kTemporary + new_uuid()), pieces_(std::move(pieces)) {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  file_ = Descriptor(::openat(folder_, temporary_.c_str(), kNew, kFileMode));
  if (!opened()) temporary_.clear();
}

FileWriter::~FileWriter() {
  if (!temporary_.empty()) ::unlinkat(folder_, temporary_.c_str(), 0);
}

ssize_t FileWriter::write(size_t most) {
  constexpr size_t kAtOnce = 64;
  size_t left = most;
  while (left > 0 && !complete()) {
    std::array<iovec, kAtOnce> parts;
    int count = 0;
    for (size_t i = next_, room = left; i < pieces_.size() && room > 0 && count < static_cast<int>(kAtOnce); ++i) {
      const size_t size = std::min(pieces_[i].size, room);
      room -= size;
      // writev() only reads them
      parts[static_cast<size_t>(count++)] = {const_cast<std::byte *>(pieces_[i].data), size};
    }
    ssize_t written = ::writev(file_.get(), parts.data(), count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    left -= static_cast<size_t>(written);
    for (; next_ < pieces_.size(); ++next_) {
      Bytes &piece = pieces_[next_];
      const size_t done = std::min(piece.size, static_cast<size_t>(written));
      piece.data += done;
      piece.size -= done;
      written -= static_cast<ssize_t>(done);
      if (piece.size > 0) break;
    }
  }
  return static_cast<ssize_t>(most - left);
}

// The kernel's own times stand still for milliseconds, and the peer goes by them.
bool FileWriter::move_to(int folder, const std::string &name, std::chrono::microseconds modified) {
  constexpr int64_t kMicroseconds = 1'000'000;
  const timespec time{modified.count() / kMicroseconds, modified.count() % kMicroseconds * 1000};
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, time};
  if (::futimens(file_.get(), times.data()) != 0) return false;
  if (::renameat(folder_, temporary_.c_str(), folder, name.c_str()) != 0) return false;
  temporary_.clear();
  return true;
}

}  // namespace flare
