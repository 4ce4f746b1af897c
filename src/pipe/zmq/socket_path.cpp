#include "pipe/zmq/socket_path.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/failure.h"

namespace flare {

std::optional<FileId> file_id_of(const std::string &path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) return std::nullopt;
  return FileId(file.st_dev, file.st_ino);
}

void prepare_socket_path(const Address &address) {
  const std::filesystem::path folder = std::filesystem::path(address.path).parent_path();
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) ::chmod(folder.c_str(), 0700);
  if (error) throw Failure(FLARE_IO, "cannot make the folder of " + address.url + ": " + error.message());
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.path.c_str(), address.path.size() + 1);
  // EAGAIN: somebody listens, and does not keep up.
  const bool served = ::connect(probe, reinterpret_cast<const sockaddr *>(&name), sizeof name) == 0 || errno == EAGAIN;
  ::close(probe);
  if (served) throw Failure(FLARE_IO, "another process serves " + address.url + ": use another path");
}

bool may_use_socket(const std::string &path) {
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 || errno != EACCES;
}

}  // namespace flare
