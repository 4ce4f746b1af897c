#include "config/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/descriptor.h"
#include "base/failure.h"

namespace flare {

namespace {

constexpr size_t kLargest = 1u << 20;

[[noreturn]] void unreadable(const std::string &name) {
  throw Failure(FLARE_IO, name + " cannot be read: " + std::generic_category().message(errno));
}

}  // namespace

void refuse_file(const std::string &name, const std::string &text) {
  throw Failure(FLARE_INVALID_ARGUMENT, name + ": " + text);
}

// Mode and content come from one descriptor, so that they belong to the same file.
SmallFile read_small_file(const std::string &kind, const std::string &path) {
  const std::string name = kind + " " + path;
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO would block
  struct stat status {};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &status) != 0) unreadable(name);
  if (!S_ISREG(status.st_mode)) refuse_file(name, "not a regular file");
  SmallFile file;
  file.mode = status.st_mode & 07777u;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t size = ::read(descriptor.get(), part.data(), part.size());
    if (size == 0) return file;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) unreadable(name);
    file.content.append(part.data(), static_cast<size_t>(size));
    if (file.content.size() > kLargest) refuse_file(name, "larger than a mebibyte");
  }
}

}  // namespace flare
