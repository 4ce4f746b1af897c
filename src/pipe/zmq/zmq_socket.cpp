#include "pipe/zmq/zmq_socket.h"

#include <atomic>
#include <utility>

namespace flare {

namespace {

// Messages received in one go: then whatever else waits in the loop has its turn, however many a peer sends.
constexpr int kAtOnce = 16;

}  // namespace

ZmqSocket::ZmqSocket(zmq::context_t *context, zmq::socket_type type, Loop *loop, int max_unsent,
                     std::function<void(Parts)> on_parts, std::function<void(bool)> on_writable)
    : socket_(*context, type), loop_(loop), on_parts_(std::move(on_parts)), on_writable_(std::move(on_writable)) {
  // Flow is controlled by credit above, which never comes near. Who asks without end and does not read, or sends
  // faster than anybody can read, does not fill our memory: the first counts as unreachable, the second waits.
  socket_.set(zmq::sockopt::sndhwm, max_unsent);
  socket_.set(zmq::sockopt::rcvhwm, max_unsent);
}

ZmqSocket::~ZmqSocket() {
  *alive_ = false;
  watch_.reset();
}

void ZmqSocket::start() {
  watch_ = loop_->make_watch(socket_.get(zmq::sockopt::fd), [this] { drain(); });
  drain_soon();
}

bool ZmqSocket::send(Parts *parts) {
  bool sent = true;
  for (size_t i = 0; i < parts->size() && sent; ++i) {
    const auto flags =
        i + 1 < parts->size() ? zmq::send_flags::sndmore | zmq::send_flags::dontwait : zmq::send_flags::dontwait;
    try {
      sent = socket_.send((*parts)[i], flags).has_value();
    } catch (const zmq::error_t &error) {
      if (error.num() != EHOSTUNREACH) throw;
      sent = false;
    }
  }
  drain_soon();
  return sent;
}

void ZmqSocket::drain_soon() {
  if (std::exchange(drain_posted_, true)) return;
  loop_->post([this, alive = alive_] {
    if (!*alive) return;
    drain_posted_ = false;
    drain();
  });
}

void ZmqSocket::drain() {
  const auto alive = alive_;
  for (int received = 0; received < kAtOnce; ++received) {
    const int events = socket_.get(zmq::sockopt::events);
    const bool writable = (events & ZMQ_POLLOUT) != 0;
    if (writable != std::exchange(writable_, writable)) on_writable_(writable);
    if (!*alive) return;
    if ((events & ZMQ_POLLIN) == 0) return;
    Parts parts;
    do {
      parts.emplace_back();
      if (!socket_.recv(parts.back(), zmq::recv_flags::dontwait)) return;
    } while (parts.back().more());
    on_parts_(std::move(parts));
    if (!*alive) return;
  }
  drain_soon();
}

namespace {

// What libzmq's thread lets go when it is sent. The flag says what is true anyway, that the hand-over comes before, to
// the thread sanitizer, which cannot look into libzmq.
struct Hold {
  Bytes bytes;
  std::atomic<bool> handed_over = false;
};

void let_go(void *, void *hint) {
  auto *hold = static_cast<Hold *>(hint);
  if (hold->handed_over.load(std::memory_order_acquire)) delete hold;
}

}  // namespace

zmq::message_t to_message(const Bytes &bytes, bool copy) {
  if (copy || bytes.size < 4096) return {bytes.data, bytes.size};
  auto *hold = new Hold{bytes};
  hold->handed_over.store(true, std::memory_order_release);
  try {
    return {const_cast<std::byte *>(bytes.data), bytes.size, let_go, hold};  // libzmq only reads what it sends
  } catch (...) {
    delete hold;
    throw;
  }
}

Bytes to_bytes(zmq::message_t message) {
  const auto owner = std::make_shared<zmq::message_t>(std::move(message));
  return {owner, static_cast<const std::byte *>(owner->data()), owner->size()};
}

}  // namespace flare
