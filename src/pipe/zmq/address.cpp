#include "pipe/zmq/address.h"

#include <algorithm>
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

}  // namespace

// Not every name that begins with 127. is such an address: "127.0.0.1.example.com" is one of DNS, and libzmq reads
// "127.0.0.1:0;example.com" as where from and where to.
bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

Address parse_address(std::string_view url, bool may_leave) {
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
             " bytes, the system allows " + std::to_string(kMaxSocketPath) +
             ": use a shorter folder; a container may mount it at a short path of its own");
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
    if (!is_loopback(host) && !may_leave) {
      refuse("the URL '" + address.url +
             "' leaves this machine, and its traffic would be neither encrypted nor authenticated: give both ends keys "
             "(flare-agent keys makes them, curve_secret_key_file names them), use a loopback address, or set "
             "allow_insecure=true if the network is trusted");
    }
    address.endpoint = "tcp://" + std::string(rest);
    return address;
  }
  refuse("the URL '" + address.url +
         "' has no known scheme: use zmq+ipc:///PATH, zmq+tcp://HOST:PORT or memory://NAME");
}

std::string advertised_url(const std::string &bound, std::string_view advertise) {
  if (advertise.empty()) return bound;
  const std::string said = "the option advertise '" + std::string(advertise) + "' ";
  std::string url;
  if (bound.starts_with(kIpc)) {
    url = std::string(kIpc) + std::string(advertise);
  } else if (bound.starts_with(kTcp)) {
    const bool bracketed = advertise.starts_with('[');
    const size_t host_end = bracketed ? advertise.find(']') : 0;
    if (host_end == std::string_view::npos || (!bracketed && std::count(advertise.begin(), advertise.end(), ':') > 1)) {
      refuse(said + "does not fit: an address of IPv6 stands in brackets");
    }
    const bool has_port = advertise.find(':', host_end) != std::string_view::npos;
    url = std::string(kTcp) + std::string(advertise) + (has_port ? "" : bound.substr(bound.rfind(':')));
  } else {
    refuse(said + "is of no use for '" + bound + "', which nobody outside of this process can reach");
  }
  try {
    parse_address(url, true);
  } catch (const Failure &failure) {
    refuse(said + "does not fit: " + failure.what());
  }
  if (is_wildcard(url) || url.ends_with(":*")) refuse(said + "is no place to connect to: name a host");
  return url;
}

bool is_wildcard(std::string_view url) {
  return url.starts_with("zmq+tcp://0.0.0.0:") || url.starts_with("zmq+tcp://*:") || url.starts_with("zmq+tcp://[::]:");
}

}  // namespace flare
