#include "pipe/zmq/address.h"

#include <optional>

#include "base/failure.h"
#include "base/text.h"

namespace flare {

namespace {

constexpr size_t kMaxSocketPath = 107;  // sun_path less its final NUL
constexpr std::string_view kMemory = "memory://";
constexpr std::string_view kIpc = "zmq+ipc://";
constexpr std::string_view kTcp = "zmq+tcp://";

[[noreturn]] void refuse(const std::string &text) { throw Failure(FLARE_INVALID_ARGUMENT, text); }

// Not every name that begins with 127. is such an address: "127.0.0.1.example.com" is one of DNS, and libzmq reads
// "127.0.0.1:0;example.com" as where from and where to.
bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Address parse_address(std::string_view url, bool allow_insecure) {
  Address address;
  address.url = url;
  if (url.starts_with(kMemory)) {
    address.transport = Transport::kMemory;
    address.endpoint = url.substr(kMemory.size());
    if (address.endpoint.empty()) refuse("the URL '" + address.url + "' has no name: write memory://NAME");
    return address;
  }
  if (url.starts_with(kIpc)) {
    address.transport = Transport::kZmqIpc;
    address.path = url.substr(kIpc.size());
    if (!address.path.starts_with('/')) {
      refuse("the URL '" + address.url + "' needs an absolute path: write zmq+ipc:///PATH");
    }
    if (address.path.size() > kMaxSocketPath) {
      refuse("the socket path of '" + address.url + "' has " + std::to_string(address.path.size()) +
             " bytes, the system allows " + std::to_string(kMaxSocketPath) + ": use a shorter folder");
    }
    address.endpoint = "ipc://" + address.path;
    return address;
  }
  if (url.starts_with(kTcp)) {
    address.transport = Transport::kZmqTcp;
    const std::string_view rest = url.substr(kTcp.size());
    const size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == rest.size()) {
      refuse("the URL '" + address.url + "' needs a host and a port: write zmq+tcp://HOST:PORT");
    }
    const std::string_view host = rest.substr(0, colon), port = rest.substr(colon + 1);
    if (host.find(';') != std::string_view::npos) {
      refuse("the URL '" + address.url + "' has more than one host: write zmq+tcp://HOST:PORT");
    }
    const std::optional<int64_t> number = parse_int(port);
    if (port != "*" && (!number || *number < 1 || *number > 65535)) {
      refuse("the URL '" + address.url + "' has no valid port: write a number from 1 to 65535");
    }
    if (!is_loopback(host) && !allow_insecure) {
      refuse("the URL '" + address.url +
             "' leaves this machine, and its traffic would be neither encrypted nor authenticated: use a loopback "
             "address, or set allow_insecure=true if the network is trusted");
    }
    address.endpoint = "tcp://" + std::string(rest);
    return address;
  }
  refuse("the URL '" + address.url +
         "' has no known scheme: use zmq+ipc:///PATH, zmq+tcp://HOST:PORT or memory://NAME");
}

}  // namespace flare
