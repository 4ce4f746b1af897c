// The file of a Unix socket.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "pipe/zmq/address.h"

namespace flare {

using FileId = std::pair<dev_t, ino_t>;

std::optional<FileId> file_id_of(const std::string &path);

// Makes its folder, private to the user. Throws Failure(FLARE_IO) when it cannot, and when somebody serves the socket.
void prepare_socket_path(const Address &address);

// False when it, or the way to it, is not for this user: libzmq then tries again and again to connect, and says
// nothing.
bool may_use_socket(const std::string &path);

}  // namespace flare
