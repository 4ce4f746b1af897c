#include "cellnet/host_lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/failure.h"
#include "runtime/bell.h"
#include "runtime/signals_blocked.h"

namespace flare {

struct HostLookup::State {
  Bell done;
  std::string host;
  std::string port;
  std::mutex mutex;  // guards the members below
  std::vector<sockaddr_in> found;
  std::string error;

  void run() {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *list = nullptr;
    const int result = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
    {
      std::lock_guard lock(mutex);
      if (result != 0) error = "the host '" + host + "': " + ::gai_strerror(result);
      for (const addrinfo *entry = list; entry; entry = entry->ai_next) {
        sockaddr_in address{};
        std::memcpy(&address, entry->ai_addr, sizeof address);
        found.push_back(address);
      }
    }
    if (list) ::freeaddrinfo(list);
    done.ring();
  }
};

HostLookup::HostLookup(const std::string &host, uint16_t port) : state_(std::make_shared<State>()) {
  state_->host = host;
  state_->port = std::to_string(port);
  try {
    const SignalsBlocked blocked;
    std::thread([state = state_] { state->run(); }).detach();
  } catch (const std::system_error &error) {
    throw Failure(FLARE_IO, std::string("no thread to look the host up: ") + error.what());
  }
}

HostLookup::~HostLookup() = default;

int HostLookup::get() const { return state_->done.get(); }

std::vector<sockaddr_in> HostLookup::take() {
  std::lock_guard lock(state_->mutex);
  if (state_->found.empty()) throw Failure(FLARE_IO, state_->error.empty() ? "the host has no address" : state_->error);
  return std::exchange(state_->found, {});
}

}  // namespace flare
