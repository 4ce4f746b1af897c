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
// a Unix socket, no port, or a host other than loopback unless the URL `may_leave` this machine.
Address parse_address(std::string_view url, bool may_leave);

bool is_loopback(std::string_view host);

// What an agent is told instead of the URL that an exchanger is bound to, by the option `advertise`; the same without
// one. Throws Failure(FLARE_INVALID_ARGUMENT) when the option fits no such URL.
std::string advertised_url(const std::string &bound, std::string_view advertise);
// Whether it says "every address of this machine", which is no place to connect to.
bool is_wildcard(std::string_view url);

}  // namespace flare
