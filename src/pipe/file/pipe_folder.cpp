#include "pipe/file/pipe_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/failure.h"

namespace flare {

namespace {

constexpr size_t kMostListed = 4096;
constexpr size_t kMostSetAside = 64;
constexpr mode_t kFolderMode = 0777, kFileMode = 0666;  // as the peer's: what is left of it is the user's to say
constexpr int64_t kSecond = 1'000'000'000;

std::string error_text() { return std::generic_category().message(errno); }

Descriptor open_folder(int in, const std::string &name) {
  if (::mkdirat(in, name.c_str(), kFolderMode) != 0 && errno != EEXIST) return {};
  return Descriptor(::openat(in, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// All of it, or errno.
bool write_all(int fd, std::vector<Bytes> pieces) {
  constexpr size_t kAtOnce = 64;
  for (size_t first = 0; first < pieces.size();) {
    std::array<iovec, kAtOnce> parts;
    const size_t count = std::min(kAtOnce, pieces.size() - first);
    for (size_t i = 0; i < count; ++i) {
      const Bytes &piece = pieces[first + i];
      parts[i] = {const_cast<std::byte *>(piece.data), piece.size};  // which writev() only reads
    }
    ssize_t written = ::writev(fd, parts.data(), static_cast<int>(count));
    if (written < 0 && errno != EINTR) return false;
    for (; first < pieces.size() && written >= 0; ++first) {
      Bytes &piece = pieces[first];
      const size_t done = std::min(piece.size, static_cast<size_t>(written));
      piece.data += done;
      piece.size -= done;
      written -= static_cast<ssize_t>(done);
      if (piece.size > 0) break;
    }
  }
  return true;
}

// How many bytes came before the end.
ssize_t read_all(int fd, Block *block) {
  size_t done = 0;
  while (done < block->size()) {
    const ssize_t count = ::read(fd, block->data() + done, block->size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

PipeFolder::PipeFolder(const std::string &root, const std::string &channel) : path_(root + "/" + channel) {
  std::error_code error;
  std::filesystem::create_directories(root, error);  // what it could not make cannot be opened either
  // The user named the root, which may be a link; what is in it comes from a peer.
  const Descriptor top(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (top.get() < 0) fail("cannot be opened", "");
  folder_ = open_folder(top.get(), channel);
  if (folder_.get() < 0) fail("cannot be opened", "");
  const std::pair<const char *, Descriptor *> folders[] = {{"x", &incoming_}, {"y", &outgoing_}, {"t", &scratch_}};
  for (const auto &[name, descriptor] : folders) {
    *descriptor = open_folder(folder_.get(), name);
    if (descriptor->get() < 0) fail("cannot be opened", name);
  }
}

void PipeFolder::fail(const std::string &what, const std::string &name) const {
  throw Failure(FLARE_IO, path_ + (name.empty() ? "" : "/" + name) + " " + what + ": " + error_text());
}

bool PipeFolder::gone() const {
  struct stat there {
  }, here{};
  if (::stat(incoming_path().c_str(), &there) != 0) return errno == ENOENT || errno == ENOTDIR;
  return ::fstat(incoming_.get(), &here) == 0 &&
         std::tie(there.st_dev, there.st_ino) != std::tie(here.st_dev, here.st_ino);
}

std::vector<PipeFolder::File> PipeFolder::incoming() const {
  std::error_code error;
  std::vector<File> files;
  auto entry = std::filesystem::directory_iterator(incoming_path(), error);
  for (; !error && entry != std::filesystem::directory_iterator() && files.size() < kMostListed;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    struct stat status {};
    // Those with a dot are not for a pipe: of a network file system, say, for files that are still open.
    if (name.front() == '.' || ::fstatat(incoming_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    files.push_back({name, S_ISREG(status.st_mode), status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec});
  }
  if (error) throw Failure(FLARE_IO, incoming_path() + " cannot be listed: " + error.message());
  std::sort(files.begin(), files.end(), [](const File &a, const File &b) {
    return std::tie(a.modified_ns, a.name) < std::tie(b.modified_ns, b.name);
  });
  return files;
}

std::optional<Bytes> PipeFolder::read(const std::string &name, uint64_t max_bytes,
                                      const std::function<Block(size_t)> &new_block) const {
  // Without blocking, as a FIFO would.
  const Descriptor file(::openat(incoming_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return std::nullopt;
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) fail("cannot be read", "x/" + name);
  if (!S_ISREG(status.st_mode)) throw Failure(FLARE_PROTOCOL, "it is no regular file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes) too_large("it has " + std::to_string(size) + " bytes");
  Block block = new_block(size);
  const ssize_t count = read_all(file.get(), &block);
  if (count < 0) fail("cannot be read", "x/" + name);
  Bytes bytes = block.share();
  bytes.size = static_cast<size_t>(count);
  return bytes;
}

bool PipeFolder::take(const std::string &name) const {
  if (::unlinkat(incoming_.get(), name.c_str(), 0) == 0) return true;
  if (errno != ENOENT) fail("cannot be deleted", "x/" + name);
  return false;
}

bool PipeFolder::set_aside(const std::string &name) {
  if (set_aside_ >= kMostSetAside) return take(name);
  if (refused_.get() < 0) refused_ = open_folder(folder_.get(), "refused");
  if (::renameat(incoming_.get(), name.c_str(), refused_.get(), name.c_str()) == 0) {
    ++set_aside_;
    return true;
  }
  if (errno != ENOENT) fail("cannot be moved to " + refused_path(), "x/" + name);
  return false;
}

// The kernel's own times stand still for milliseconds, and the peer goes by them.
bool PipeFolder::date(int fd) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  last_put_ = std::max<std::chrono::microseconds>(std::chrono::duration_cast<std::chrono::microseconds>(now),
                                                  last_put_ + std::chrono::microseconds(1));
  constexpr int64_t kMicroseconds = 1'000'000;
  const timespec modified{last_put_.count() / kMicroseconds, last_put_.count() % kMicroseconds * 1000};
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, modified};
  return ::futimens(fd, times.data()) == 0;
}

void PipeFolder::put(const std::string &name, std::vector<Bytes> pieces) {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const Descriptor file(::openat(scratch_.get(), name.c_str(), kNew, kFileMode));
  if (file.get() < 0) fail("cannot be written", "t/" + name);
  if (write_all(file.get(), std::move(pieces)) && date(file.get()) &&
      ::renameat(scratch_.get(), name.c_str(), outgoing_.get(), name.c_str()) == 0) {
    return;
  }
  const int error = errno;
  ::unlinkat(scratch_.get(), name.c_str(), 0);
  errno = error;
  fail("cannot be written", "t/" + name);
}

bool PipeFolder::lies(const std::string &name) const {
  struct stat status {};
  return ::fstatat(outgoing_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool PipeFolder::withdraw(const std::string &name) const {
  return ::unlinkat(outgoing_.get(), name.c_str(), 0) == 0 || errno != ENOENT;
}

}  // namespace flare
