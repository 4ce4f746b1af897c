#include "pipe/file/pipe_folder.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <limits>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/failure.h"

namespace flare {

namespace {

constexpr size_t kMostListed = 4096;
constexpr size_t kMostSetAside = 64;
constexpr mode_t kFolderMode = 0777;  // as the peer's: what is left of it is the user's to say

Descriptor open_folder(int in, const std::string &name) {
  if (::mkdirat(in, name.c_str(), kFolderMode) != 0 && errno != EEXIST) return {};
  return Descriptor(::openat(in, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool may_go_later(int error) {
  return error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE || error == ENOMEM;
}

[[noreturn]] void fail_with(int error, const std::string &what) {
  const std::string text = what + ": " + std::generic_category().message(error);
  if (may_go_later(error)) throw NotNow(FLARE_IO, text);
  throw Failure(FLARE_IO, text);
}

// The place itself, however its path is spelled.
std::string lock_name(int folder) {
  struct stat status {};
  ::fstat(folder, &status);
  return "files " + std::to_string(status.st_dev) + " " + std::to_string(status.st_ino);
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
  lock_.emplace(lock_name(folder_.get()),
                "is the trainer of the folder " + path_ +
                    " already, and NVFlare knows one: of several processes of a trainer only the first (rank 0) opens "
                    "an agent, and a trainer of an earlier job has to end before");
  clear_leftovers();
}

// With the lock held they are of nobody who lives.
void PipeFolder::clear_leftovers() const {
  std::error_code error;
  auto entry = std::filesystem::directory_iterator(path_ + "/t", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(FileWriter::kTemporary)) ::unlinkat(scratch_.get(), name.c_str(), 0);
  }
}

void PipeFolder::fail(const std::string &what, const std::string &name) const {
  fail_with(errno, path_ + (name.empty() ? "" : "/" + name) + " " + what);
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
    files.push_back({name, S_ISREG(status.st_mode), {status.st_mtim.tv_sec, status.st_mtim.tv_nsec}});
  }
  if (error) fail_with(error.value(), incoming_path() + " cannot be listed");
  std::sort(files.begin(), files.end(),
            [](const File &a, const File &b) { return std::tie(a.modified, a.name) < std::tie(b.modified, b.name); });
  return files;
}

std::optional<FileReader> PipeFolder::open(const std::string &name, uint64_t max_bytes,
                                           const std::function<Block(size_t)> &new_block) const {
  // Without blocking, as a FIFO would.
  Descriptor file(::openat(incoming_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return std::nullopt;
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) fail("cannot be read", "x/" + name);
  if (!S_ISREG(status.st_mode)) throw Failure(FLARE_PROTOCOL, "it is no regular file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes) too_large("it has " + std::to_string(size) + " bytes");
  return FileReader(std::move(file), new_block(size));
}

size_t PipeFolder::read(const std::string &name, size_t most, FileReader *reader) const {
  const ssize_t count = reader->read(most);
  if (count < 0) fail("cannot be read", "x/" + name);
  return static_cast<size_t>(count);
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
  return errno != ENOENT && take(name);
}

std::unique_ptr<FileWriter> PipeFolder::begin(const std::string &name, const std::vector<Bytes> &pieces) const {
  // Beyond it the system would end the program, not the write.
  rlimit limit{};
  uint64_t size = 0;
  for (const Bytes &piece : pieces) size += piece.size;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur) {
    throw Failure(FLARE_IO, "a file of " + std::to_string(size) + " bytes, and this process may write " +
                                std::to_string(limit.rlim_cur) + " (ulimit -f)");
  }
  auto writer = std::make_unique<FileWriter>(scratch_.get(), pieces);
  if (!writer->opened()) fail("cannot be written", "t/" + name);
  return writer;
}

size_t PipeFolder::write(const std::string &name, size_t most, FileWriter *writer) const {
  const ssize_t count = writer->write(most);
  if (count < 0) fail("cannot be written", "t/" + name);
  return static_cast<size_t>(count);
}

void PipeFolder::put(const std::string &name, FileWriter *writer) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  last_put_ = std::max<std::chrono::microseconds>(std::chrono::duration_cast<std::chrono::microseconds>(now),
                                                  last_put_ + std::chrono::microseconds(1));
  if (writer->move_to(outgoing_.get(), name, last_put_)) return;
  if (errno == ENOENT && !gone()) throw Failure(FLARE_STALLED, "the peer deleted it while it was written");
  fail("cannot be written", "y/" + name);
}

void PipeFolder::put(const std::string &name, const std::vector<Bytes> &pieces) {
  const auto writer = begin(name, pieces);
  while (!writer->complete()) write(name, std::numeric_limits<size_t>::max(), writer.get());
  put(name, writer.get());
}

bool PipeFolder::has_room(uint64_t bytes) const {
  struct statvfs disk {};
  if (::fstatvfs(scratch_.get(), &disk) != 0 || disk.f_blocks == 0) return true;  // not every file system says it
  return disk.f_bavail >= bytes / disk.f_frsize;
}

bool PipeFolder::lies(const std::string &name) const {
  struct stat status {};
  return ::fstatat(outgoing_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool PipeFolder::withdraw(const std::string &name) const {
  return ::unlinkat(outgoing_.get(), name.c_str(), 0) == 0 || errno != ENOENT;
}

}  // namespace flare
