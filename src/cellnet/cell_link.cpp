#include "cellnet/cell_link.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/failure.h"
#include "base/text.h"

namespace flare {
namespace {

// To be connected and to have greeted.
constexpr Duration kConnectTimeout = std::chrono::seconds(10);
// What is read in one turn: others have their turns as well.
constexpr size_t kBytesPerTurn = size_t{8} << 20;

std::string system_text(int error) { return std::system_category().message(error); }

// Acknowledged at once: half of what travels waits for an answer. The kernel forgets it now and then.
void acknowledge_quickly(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

}  // namespace

CellLink::CellLink(CellUrl url, std::unique_ptr<TlsContext> tls, const CellLimits &limits, Loop *loop,
                   CellLinkListener *listener)
    : url_(std::move(url)), tls_(std::move(tls)), loop_(loop), listener_(listener), parser_(limits) {}

CellLink::~CellLink() { close(); }

void CellLink::open() {
  epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (epoll_.get() < 0) throw Failure(FLARE_IO, "epoll: " + system_text(errno));
  watch_ = loop_->make_watch(epoll_.get(), [this] { on_event(); });
  alarm_ = loop_->make_alarm([this] {
    if (state_ == State::kWaiting) return look_up();
    const std::string what = state_ == State::kGreeting ? "no answer to TLS within " : "no answer within ";
    next_address(what + duration_text(kConnectTimeout));
  });
  state_ = State::kWaiting;
  alarm_->set(Clock::now());
}

void CellLink::close(std::vector<OutFrame> last) {
  if (std::exchange(state_, State::kClosed) == State::kUp && !last.empty()) {
    std::vector<FrameWriter> frames;
    if (sending_) frames.push_back(*std::move(sending_));
    for (OutFrame &frame : last) frames.emplace_back(std::move(frame));
    for (FrameWriter &frame : frames) frame.own();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
    farewell_.emplace(std::move(socket_), std::move(channel_), std::move(frames));
  }
  shut();
  watch_.reset();
  alarm_.reset();
}

// A descriptor that is closed is known to epoll, and a socket to its peer, for as long as anybody else has it: a child
// of this process, or the thread that looks up.
void CellLink::end_lookup() {
  if (!lookup_) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, lookup_->get(), nullptr);
  lookup_.reset();
}

void CellLink::end_socket() {
  channel_.reset();
  if (socket_.get() < 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
  ::shutdown(socket_.get(), SHUT_RDWR);
  socket_ = Descriptor();
}

void CellLink::shut() {
  ++connection_;
  end_lookup();
  addresses_.clear();
  end_socket();
  parser_.reset();
  sending_.reset();
  wants_to_write_ = false;
}

void CellLink::settled() { backoff_.on_ready(Clock::now()); }

void CellLink::drop(const std::string &reason) { fail(reason); }

// ---- Making a connection

// A failure of the socket, of TLS, of the frames in it, or of the listener that does not want more of it.
template <typename F>
void CellLink::guarded(F &&call) {
  const uint64_t mine = connection_;
  try {
    call();
  } catch (const Failure &failure) {
    if (mine == connection_) fail(failure.what(), failure.status() == FLARE_REFUSED);
  } catch (const std::exception &error) {
    if (mine == connection_) fail(error.what());
  }
}

void CellLink::look_up() {
  state_ = State::kLookingUp;
  alarm_->set(Clock::now() + kConnectTimeout);
  guarded([&] {
    lookup_.emplace(url_.host, url_.port);
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, lookup_->get(), &event) != 0) {
      throw Failure(FLARE_IO, "epoll: " + system_text(errno));
    }
  });
}

void CellLink::on_event() {
  guarded([&] {
    switch (state_) {
      case State::kLookingUp: return on_looked_up();
      case State::kConnecting: return on_connect_result();
      case State::kGreeting: return greet();
      case State::kUp: return move();
      default: return;
    }
  });
}

void CellLink::on_looked_up() {
  const auto found = lookup_->take();
  addresses_.assign(found.begin(), found.end());
  end_lookup();
  try_address();
}

void CellLink::next_address(const std::string &reason) {
  if (addresses_.empty()) return fail(reason);
  try_address();
}

void CellLink::try_address() {
  end_socket();
  alarm_->set(Clock::now() + kConnectTimeout);
  const sockaddr_in address = addresses_.front();
  addresses_.pop_front();
  socket_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket_.get() < 0) return fail("no socket: " + system_text(errno));
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  state_ = State::kConnecting;
  // What happens at once is seen as an event too.
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    return next_address(system_text(errno));
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket_.get(), &event) != 0) return fail("epoll: " + system_text(errno));
  wants_to_write_ = true;
}

void CellLink::on_connect_result() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return next_address(system_text(error));
  channel_ = tls_ ? tls_->make_channel(socket_.get()) : make_clear_channel(socket_.get());
  state_ = State::kGreeting;
  greet();
}

void CellLink::greet() {
  const CellChannel::Step step = channel_->greet();
  if (step.outcome == CellChannel::Outcome::kEnd) return fail("the other end closed the connection");
  if (step.outcome != CellChannel::Outcome::kMoved) return want(step.outcome == CellChannel::Outcome::kWaitToWrite);
  state_ = State::kUp;
  alarm_->set(std::nullopt);
  const uint64_t mine = connection_;
  listener_->on_link_up();
  if (mine == connection_) move();
}

// ---- Moving frames

void CellLink::move() {
  const uint64_t mine = connection_;
  if (!read_some()) return;
  write_some();
  if (mine == connection_) listener_->on_moved();
}

void CellLink::wake() {
  if (state_ == State::kUp) guarded([&] { write_some(); });
}

// False when the connection is over.
bool CellLink::read_some() {
  size_t read = 0;
  while (read < kBytesPerTurn || channel_->holds_bytes()) {
    const CellChannel::Step step = channel_->read(parser_.room());
    if (step.outcome == CellChannel::Outcome::kEnd) {
      fail("the other end closed the connection");
      return false;
    }
    if (step.outcome != CellChannel::Outcome::kMoved) break;
    read += step.bytes;
    parser_.filled(step.bytes);
    if (!take_frames()) return false;
  }
  if (read > 0) acknowledge_quickly(socket_.get());
  return true;
}

bool CellLink::take_frames() {
  const uint64_t mine = connection_;
  while (const auto frame = parser_.next()) {
    listener_->on_frame(*frame);
    if (mine != connection_) return false;
  }
  return true;
}

void CellLink::write_some() {
  for (;;) {
    if (!sending_) {
      auto frame = listener_->next_frame();
      if (!frame) return want(false);
      sending_.emplace(*std::move(frame));
    }
    const CellChannel::Step step = sending_->write(channel_.get());
    if (step.outcome != CellChannel::Outcome::kMoved) return want(step.outcome == CellChannel::Outcome::kWaitToWrite);
    if (sending_->done()) sending_.reset();
  }
}

void CellLink::keep_payload() {
  guarded([&] {
    if (sending_) sending_->own();
  });
}

void CellLink::want(bool to_write) {
  if (to_write == wants_to_write_) return;
  wants_to_write_ = to_write;
  epoll_event event{};
  event.events = to_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket_.get(), &event) != 0) {
    throw Failure(FLARE_IO, "epoll: " + system_text(errno));
  }
}

void CellLink::fail(const std::string &reason, bool refused) {
  if (state_ == State::kClosed || state_ == State::kWaiting) return;
  shut();
  state_ = State::kWaiting;
  const TimePoint now = Clock::now();
  alarm_->set(now + backoff_.next(now));
  listener_->on_link_down(reason, refused);
}

}  // namespace flare
