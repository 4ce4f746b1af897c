// Where a test's peer of a cell listens, and how it talks.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/failure.h"
#include "cellnet_samples.h"

namespace flare {

class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr *>(&address), size) != 0 ||
        ::listen(socket_.get(), 8) != 0 ||
        ::getsockname(socket_.get(), reinterpret_cast<sockaddr *>(&address), &size) != 0) {
      throw Failure(FLARE_IO, "no listener");
    }
    port_ = ntohs(address.sin_port);
  }

  std::string url() const { return "tcp://0:" + std::to_string(port_); }
  // The next connection; a negative number once it is shut.
  int accept() const { return ::accept(socket_.get(), nullptr, nullptr); }
  void shut() { ::shutdown(socket_.get(), SHUT_RDWR); }

 private:
  Descriptor socket_;
  uint16_t port_ = 0;
};

inline bool send_all(const Descriptor &socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

inline std::string ready_frame_of(const std::string &name) {
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
