// A cell of a test on a real socket: what NVFlare's own does when somebody connects.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/failure.h"
#include "cellnet/header_map.h"
#include "cellnet/prefix.h"

namespace flare {

inline Descriptor listen_on_loopback(uint16_t *port) {
  Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto *name = reinterpret_cast<sockaddr *>(&address);
  if (::bind(listener.get(), name, size) != 0 || ::listen(listener.get(), 8) != 0 ||
      ::getsockname(listener.get(), name, &size) != 0) {
    throw Failure(FLARE_IO, "no listener");
  }
  *port = ntohs(address.sin_port);
  return listener;
}

inline bool write_all(const Descriptor &socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// The answer to a greeting, of the cell `name`.
inline std::string ready_bytes(const std::string &name) {
  Map greeting;
  greeting.set("endpoint_name", name);
  const std::string payload = encode_map(greeting);
  Prefix prefix;
  prefix.type = frame_type::kReady;
  prefix.length = static_cast<uint32_t>(kPrefixBytes + payload.size());
  std::string bytes(kPrefixBytes, 0);
  write_prefix(prefix, reinterpret_cast<std::byte *>(bytes.data()));
  return bytes + payload;
}

}  // namespace flare
