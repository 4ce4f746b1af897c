#include "config/written_profile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/descriptor.h"
#include "base/failure.h"

namespace flare {

namespace {

std::pair<dev_t, ino_t> id_of(const struct stat &file) { return {file.st_dev, file.st_ino}; }

bool write_whole(int descriptor, const std::string &text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t size = ::write(descriptor, text.data() + done, text.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    done += static_cast<size_t>(size);
  }
  return ::fsync(descriptor) == 0;
}

}  // namespace

WrittenProfile::WrittenProfile(const std::string &path, const std::map<std::string, std::string> &values)
    : path_(std::filesystem::absolute(path).string()) {
  const std::string text = nlohmann::json(values).dump(2) + "\n";
  // Beside it, as a file is renamed within a file system only, and as there may be no other place to write to.
  std::string draft = path_ + ".XXXXXX";
  const Descriptor descriptor(::mkostemp(draft.data(), O_CLOEXEC));  // of mode 0600
  struct stat file {};
  const bool written = descriptor.get() >= 0 && write_whole(descriptor.get(), text) &&
                       ::fstat(descriptor.get(), &file) == 0 && ::rename(draft.c_str(), path_.c_str()) == 0;
  const int why = errno;
  if (!written) {
    if (descriptor.get() >= 0) ::unlink(draft.c_str());
    throw Failure(FLARE_IO, "profile " + path_ + " cannot be written: " + std::generic_category().message(why));
  }
  id_ = id_of(file);
}

WrittenProfile::~WrittenProfile() {
  struct stat file {};
  if (::lstat(path_.c_str(), &file) == 0 && id_of(file) == id_) ::unlink(path_.c_str());
}

}  // namespace flare
