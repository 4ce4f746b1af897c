// The URLs of pipes and what is allowed in them.
#pragma once

#include <string>
#include <string_view>

namespace flare {

enum class Transport { kMemory, kZmqIpc, kZmqTcp };

struct Address {
  Transport transport = Transport::kMemory;
  std::string url;       // as given
  std::string endpoint;  // memory: the name; else libzmq's form, "ipc:///path" or "tcp://host:port"
  std::string path;      // ipc: the socket's file
};

// Throws Failure(FLARE_INVALID_ARGUMENT): unknown scheme (the known ones are listed), a path that is too long for
// a Unix socket, no port, or a host other than loopback without `allow_insecure`.
Address parse_address(std::string_view url, bool allow_insecure);

}  // namespace flare
