// Whether anybody listens at an address: connects as any program might, says nothing, and goes.
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <string_view>
#include <thread>

#include "doctor/gather.h"

namespace flare_tool::doctor {

namespace {

constexpr std::string_view kIpc = "zmq+ipc://", kTcp = "zmq+tcp://";

// 0, or the error of the system.
int try_connect(int family, const sockaddr *address, socklen_t size, Clock::time_point deadline) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  int error = ::connect(fd, address, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd entry = {fd, POLLOUT, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    socklen_t length = sizeof error;
    if (::poll(&entry, 1, static_cast<int>(std::max<int64_t>(left, 1))) != 1) {
      error = ETIMEDOUT;
    } else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
      error = errno;
    }
  }
  ::close(fd);
  return error == EAGAIN ? 0 : error;  // of a Unix socket: somebody listens and is busy
}

Probe probe_socket(const std::string &path, Clock::time_point deadline) {
  Probe probe;
  probe.address = "socket " + path;
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    probe.error = errno;
    return probe;
  }
  probe.owner = " (it belongs to user " + std::to_string(status.st_uid) + ", this process to user " +
                std::to_string(::geteuid()) + ")";
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  probe.error = try_connect(AF_UNIX, reinterpret_cast<const sockaddr *>(&address), sizeof address, deadline);
  return probe;
}

struct Found {
  int error = 0;  // of getaddrinfo
  std::unique_ptr<addrinfo, void (*)(addrinfo *)> addresses{nullptr, freeaddrinfo};
};

// The system's resolver knows no time-out; a thread that it keeps longer ends with the process.
std::future<Found> look_up(const std::string &host, const std::string &port, int family) {
  std::promise<Found> promise;
  std::future<Found> future = promise.get_future();
  std::thread([host, port, family, promise = std::move(promise)]() mutable {
    addrinfo hints = {};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *list = nullptr;
    Found found;
    found.error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
    if (found.error == 0) found.addresses.reset(list);
    promise.set_value(std::move(found));
  }).detach();
  return future;
}

Probe probe_port(std::string host, const std::string &port, Clock::time_point deadline) {
  Probe probe;
  probe.tcp = true;
  const bool six = host.size() > 2 && host.front() == '[' && host.back() == ']';  // as the library takes it
  if (six) host = host.substr(1, host.size() - 2);
  probe.address = "port " + port + " of " + host;
  std::future<Found> lookup = look_up(host, port, six ? AF_INET6 : AF_INET);
  if (lookup.wait_until(deadline) != std::future_status::ready) {
    probe.unknown_host = "the name service does not answer in time";
    return probe;
  }
  const Found found = lookup.get();
  if (found.error != 0) {
    probe.unknown_host = ::gai_strerror(found.error);
    return probe;
  }
  for (const addrinfo *entry = found.addresses.get(); entry != nullptr; entry = entry->ai_next) {
    probe.error = try_connect(entry->ai_family, entry->ai_addr, entry->ai_addrlen, deadline);
    if (probe.error == 0) break;
  }
  return probe;
}

}  // namespace

std::optional<Probe> probe(const std::string &url, Clock::time_point deadline) {
  if (url.starts_with(kIpc)) return probe_socket(url.substr(kIpc.size()), deadline);
  if (!url.starts_with(kTcp)) return std::nullopt;
  const std::string rest = url.substr(kTcp.size());
  const size_t colon = rest.rfind(':');
  return probe_port(rest.substr(0, colon), rest.substr(colon + 1), deadline);
}

}  // namespace flare_tool::doctor
