#include "base/name_lock.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string_view>

#include "base/failure.h"

namespace flare {
namespace {

constexpr int kMostPassed = 16;

struct Address {
  sockaddr_un address{};
  socklen_t size = 0;
};

// In the abstract namespace, which is of this machine or container: nothing is left of it when its process ends.
Address address_of(const std::string &name) {
  const size_t hash = std::hash<std::string_view>()(name);
  const std::string text = "flare_agent-" + std::to_string(::getuid()) + "-" + std::to_string(hash);
  Address made;
  made.address.sun_family = AF_UNIX;
  const size_t count = std::min(text.size(), sizeof made.address.sun_path - 1);
  std::memcpy(made.address.sun_path + 1, text.data(), count);
  made.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + count);
  return made;
}

Descriptor new_socket() { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

// The process that has it; 0 when that is gone or has let go, and only children of it keep its socket.
pid_t holder(const Address &address) {
  const Descriptor probe = new_socket();
  if (::connect(probe.get(), reinterpret_cast<const sockaddr *>(&address.address), address.size) != 0) {
    return errno == ECONNREFUSED ? 0 : -1;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
  if (peer.pid <= 0) return -1;  // of another container, whose processes we do not see
  return ::kill(peer.pid, 0) != 0 && errno == ESRCH ? 0 : peer.pid;
}

[[noreturn]] void refuse(pid_t other, const std::string &deed) {
  const std::string who = other > 0 ? "process " + std::to_string(other) : std::string("another process");
  throw Failure(FLARE_REFUSED, who + " " + deed);
}

}  // namespace

NameLock::NameLock(const std::string &name, const std::string &deed) : socket_(new_socket()), owner_(::getpid()) {
  // What children of holders that are gone keep is passed over, by everybody in the same order.
  std::string place = name;
  for (int passed = 0; passed < kMostPassed; ++passed, place += '+') {
    const Address address = address_of(place);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr *>(&address.address), address.size) == 0) {
      ::listen(socket_.get(), SOMAXCONN);  // who asks is never accepted, and waits here
      return;
    }
    if (errno != EADDRINUSE) return;  // this machine has no such namespace
    if (const pid_t other = holder(address)) refuse(other, deed);
  }
}

// Closing is not enough: a child that was forked meanwhile has the socket as well, and it is not the child's to end.
NameLock::~NameLock() {
  if (::getpid() == owner_) ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace flare
