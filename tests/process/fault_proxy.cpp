#include "fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace flare_test {

using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kBuffer = 64 << 10;
constexpr size_t kMostWaiting = 8 << 20;  // by delays, on one way of a connection
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

FaultProxy::FaultProxy(const std::string &target, const std::string &folder, std::optional<uint64_t> seed)
    : seed_(seed), target_(target), buffer_(kBuffer) {
  const bool is_ipc = target.rfind(kIpc, 0) == 0;
  if (is_ipc) path_ = folder + "/proxy.sock";
  Address address = is_ipc ? ipc(path_) : tcp(0);
  listener_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0 || listener_ < 0 || ::bind(listener_, address.get(), address.size) != 0 || ::listen(listener_, 16)) {
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
  wake();
  thread_.join();
  drop_all();
  ::close(listener_);
  ::close(wake_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

// ---- From its user ---------------------------------------------------------------------------------------------

void FaultProxy::wake() const { ::eventfd_write(wake_, 1); }

void FaultProxy::retarget(const std::string &target) {
  std::lock_guard lock(mutex_);
  target_ = target;
}

void FaultProxy::limit(int64_t bytes_per_second, Way way) {
  rule(way).limit = bytes_per_second;
  wake();
}

void FaultProxy::stall_after(int64_t bytes, Way way) {
  rule(way).stall_after = bytes;
  wake();
}

void FaultProxy::hold_after(int64_t bytes) {
  hold_after_ = bytes;
  wake();
}

void FaultProxy::befall(const FaultRates &rates, Way way) {
  {
    std::lock_guard lock(mutex_);
    rule(way).rates = rates;
    for (Connection &connection : connections_) {
      Stream &stream = way == Way::kUp ? connection.up : connection.down;
      if (stream.faults) stream.faults->set(rates);
    }
  }
  wake();
}

void FaultProxy::half_close(Way way) {
  rule(way).half_close = true;
  wake();
}

void FaultProxy::cut() {
  cut_ = true;
  wake();
  while (cut_) std::this_thread::sleep_for(kTurn);
}

bool FaultProxy::wait_passed(int64_t bytes, std::chrono::milliseconds timeout) const {
  const auto deadline = Clock::now() + timeout;
  while (passed_ < bytes && Clock::now() < deadline) std::this_thread::sleep_for(kTurn);
  return passed_ >= bytes;
}

FaultCounts FaultProxy::counts() const {
  std::lock_guard lock(mutex_);
  FaultCounts counts = counts_;
  for (const Connection &connection : connections_) {
    if (connection.up.faults) counts += connection.up.faults->counts();
    if (connection.down.faults) counts += connection.down.faults->counts();
  }
  return counts;
}

// ---- The thread ------------------------------------------------------------------------------------------------

void FaultProxy::accept() {
  const int agent = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (agent < 0) return;
  const Address address = address_of(target_);
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
  if (seed_) {
    connection.up.faults.emplace((*seed_)++);
    connection.up.faults->set(up_.rates);
    connection.down.faults.emplace((*seed_)++);
    connection.down.faults->set(down_.rates);
  }
  connections_.push_back(std::move(connection));
}

void FaultProxy::forget(const Connection &connection) {
  close_all(connection.agent, connection.exchanger);
  if (connection.up.faults) counts_ += connection.up.faults->counts();
  if (connection.down.faults) counts_ += connection.down.faults->counts();
}

void FaultProxy::drop_all() {
  for (const Connection &connection : connections_) forget(connection);
  connections_.clear();
}

void FaultProxy::obey() {
  if (cut_) drop_all();
  cut_ = false;
  for (const Way way : {Way::kUp, Way::kDown}) {
    if (!rule(way).half_close.exchange(false)) continue;
    for (Connection &connection : connections_) (way == Way::kUp ? connection.up : connection.down).ended = true;
  }
}

bool FaultProxy::held(const Connection &connection, Way way) const {
  const Stream &stream = way == Way::kUp ? connection.up : connection.down;
  if (way == Way::kDown && hold_after_ >= 0 && passed_ >= hold_after_) return true;
  const int64_t stall = rule(way).stall_after;
  return (stall >= 0 && stream.passed >= stall) || Clock::now() < stream.next;
}

bool FaultProxy::move(Connection *connection, Way way) {
  Stream &stream = way == Way::kUp ? connection->up : connection->down;
  const int from = way == Way::kUp ? connection->agent : connection->exchanger;
  const int to = way == Way::kUp ? connection->exchanger : connection->agent;
  if (held(*connection, way)) return true;
  if (stream.ready.empty() && !stream.ended && (!stream.faults || stream.faults->size() < kMostWaiting)) {
    const ssize_t size = ::recv(from, buffer_.data(), buffer_.size(), 0);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
    stream.ended = size == 0;
    if (size > 0 && stream.faults) stream.faults->on_bytes(buffer_.data(), static_cast<size_t>(size), Clock::now());
    if (size > 0 && !stream.faults) stream.ready.assign(buffer_.data(), static_cast<size_t>(size));
    // Without faults there is nothing behind an end; and it is told at once.
    if (stream.ended && !stream.faults) return false;
  }
  if (stream.faults) stream.faults->take(Clock::now(), &stream.ready);
  if (stream.ready.empty()) {
    if (!stream.ended || stream.end_told || (stream.faults && stream.faults->size() > 0)) return true;
    stream.end_told = true;
    ::shutdown(to, SHUT_WR);
    return !(connection->up.end_told && connection->down.end_told);
  }
  const ssize_t sent = ::send(to, stream.ready.data(), stream.ready.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  stream.ready.erase(0, static_cast<size_t>(sent));
  stream.passed += sent;
  if (way == Way::kUp) passed_ += sent;
  if (const int64_t limit = rule(way).limit) {
    stream.next = std::max(Clock::now(), stream.next) + std::chrono::nanoseconds(1'000'000'000 * sent / limit);
  }
  return true;
}

void FaultProxy::run() {
  while (!stop_) {
    std::vector<pollfd> entries = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    auto wait = std::chrono::milliseconds(1000);
    const auto now = Clock::now();
    for (const Connection &connection : connections_) {
      short agent = 0, exchanger = 0;
      for (const Way way : {Way::kUp, Way::kDown}) {
        const Stream &stream = way == Way::kUp ? connection.up : connection.down;
        short &from = way == Way::kUp ? agent : exchanger;
        short &to = way == Way::kUp ? exchanger : agent;
        if (held(connection, way)) {
          if (stream.next > now) wait = kTurn;
        } else if (!stream.ready.empty()) {
          to = static_cast<short>(to | POLLOUT);
        } else {
          if (!stream.ended) from = static_cast<short>(from | POLLIN);
          if (stream.ended && !stream.end_told) wait = kTurn;
          if (stream.faults && stream.faults->next()) wait = kTurn;
        }
      }
      // One of which nothing is wanted must not wake us by its end.
      entries.push_back({agent != 0 ? connection.agent : -1, agent, 0});
      entries.push_back({exchanger != 0 ? connection.exchanger : -1, exchanger, 0});
    }
    ::poll(entries.data(), entries.size(), static_cast<int>(wait.count()));
    eventfd_t ignored;
    if (entries[1].revents != 0) ::eventfd_read(wake_, &ignored);
    std::lock_guard lock(mutex_);
    obey();
    if (entries[0].revents != 0) accept();
    std::erase_if(connections_, [this](Connection &connection) {
      if (move(&connection, Way::kUp) && move(&connection, Way::kDown)) return false;
      forget(connection);
      return true;
    });
  }
}

}  // namespace flare_test
