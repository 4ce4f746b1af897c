#include "fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace flare_test {

using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kBuffer = 64 << 10;
constexpr auto kTurn = std::chrono::milliseconds(2);
const std::string kIpc = "zmq+ipc://", kTcp = "zmq+tcp://127.0.0.1:";

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage); }
};

Address ipc(const std::string &path) {
  Address address;
  auto *un = reinterpret_cast<sockaddr_un *>(&address.storage);
  un->sun_family = AF_UNIX;
  std::strncpy(un->sun_path, path.c_str(), sizeof un->sun_path - 1);
  address.size = sizeof *un;
  return address;
}

Address tcp(uint16_t port) {
  Address address;
  auto *in = reinterpret_cast<sockaddr_in *>(&address.storage);
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.size = sizeof *in;
  return address;
}

Address address_of(const std::string &url) {
  if (url.rfind(kIpc, 0) == 0) return ipc(url.substr(kIpc.size()));
  return tcp(static_cast<uint16_t>(std::stoi(url.substr(kTcp.size()))));
}

void close_all(int a, int b) {
  ::close(a);
  ::close(b);
}

}  // namespace

FaultProxy::FaultProxy(const std::string &target, const std::string &folder) : target_(target) {
  const bool is_ipc = target.rfind(kIpc, 0) == 0;
  if (is_ipc) path_ = folder + "/proxy.sock";
  Address address = is_ipc ? ipc(path_) : tcp(0);
  listener_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_ < 0 || ::bind(listener_, address.get(), address.size) != 0 || ::listen(listener_, 16) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  if (is_ipc) {
    url_ = kIpc + path_;
  } else {
    ::getsockname(listener_, reinterpret_cast<sockaddr *>(&address.storage), &address.size);
    url_ = kTcp + std::to_string(ntohs(reinterpret_cast<sockaddr_in *>(&address.storage)->sin_port));
  }
  thread_ = std::thread([this] { run(); });
}

FaultProxy::~FaultProxy() {
  stop_ = true;
  thread_.join();
  for (const Connection &connection : connections_) close_all(connection.agent, connection.exchanger);
  ::close(listener_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void FaultProxy::retarget(const std::string &target) {
  std::lock_guard lock(mutex_);
  target_ = target;
}

void FaultProxy::cut() {
  cut_ = true;
  while (cut_) std::this_thread::sleep_for(kTurn);
}

bool FaultProxy::wait_passed(int64_t bytes, std::chrono::milliseconds timeout) const {
  const auto deadline = Clock::now() + timeout;
  while (passed_ < bytes && Clock::now() < deadline) std::this_thread::sleep_for(kTurn);
  return passed_ >= bytes;
}

void FaultProxy::accept() {
  const int agent = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (agent < 0) return;
  Address address;
  {
    std::lock_guard lock(mutex_);
    address = address_of(target_);
  }
  const int exchanger = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (exchanger < 0 || ::connect(exchanger, address.get(), address.size) != 0) return close_all(agent, exchanger);
  ::fcntl(exchanger, F_SETFL, O_NONBLOCK);
  const int on = 1;
  for (const int socket : {agent, exchanger}) {  // fails for ipc, which needs none
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Connection connection;
  connection.agent = agent;
  connection.exchanger = exchanger;
  connections_.push_back(std::move(connection));
}

bool FaultProxy::held(const Connection &connection, bool up) const {
  if (!up) return hold_after_ >= 0 && passed_ >= hold_after_;
  return (stall_after_ >= 0 && connection.up.passed >= stall_after_) || Clock::now() < connection.up.next;
}

bool FaultProxy::move(Connection *connection, bool up) {
  Stream &stream = up ? connection->up : connection->down;
  const int from = up ? connection->agent : connection->exchanger;
  const int to = up ? connection->exchanger : connection->agent;
  if (held(*connection, up)) return true;
  if (stream.buffer.empty()) {
    std::vector<char> buffer(kBuffer);
    const ssize_t size = ::recv(from, buffer.data(), buffer.size(), 0);
    if (size == 0) return false;
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    buffer.resize(static_cast<size_t>(size));
    stream.buffer = std::move(buffer);
  }
  const ssize_t sent = ::send(to, stream.buffer.data(), stream.buffer.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  stream.buffer.erase(stream.buffer.begin(), stream.buffer.begin() + sent);
  stream.passed += sent;
  if (up) {
    passed_ += sent;
    if (const int64_t limit = limit_) {
      stream.next = std::max(Clock::now(), stream.next) + std::chrono::nanoseconds(1'000'000'000 * sent / limit);
    }
  }
  return true;
}

void FaultProxy::run() {
  while (!stop_) {
    std::vector<pollfd> entries = {{listener_, POLLIN, 0}};
    for (const Connection &connection : connections_) {
      entries.push_back({connection.agent, static_cast<short>(held(connection, true) ? 0 : POLLIN), 0});
      entries.push_back({connection.exchanger, static_cast<short>(held(connection, false) ? 0 : POLLIN), 0});
    }
    ::poll(entries.data(), entries.size(), static_cast<int>(kTurn.count()));
    if (cut_) {
      for (const Connection &connection : connections_) close_all(connection.agent, connection.exchanger);
      connections_.clear();
      cut_ = false;
    }
    accept();
    std::erase_if(connections_, [this](Connection &connection) {
      if (move(&connection, true) && move(&connection, false)) return false;
      close_all(connection.agent, connection.exchanger);
      return true;
    });
  }
}

}  // namespace flare_test
