#include "pipe/zmq/handshakes.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

namespace flare {

namespace {

constexpr int kUnread = 0;  // no limit: libzmq's thread would wait with the lock that ~Handshakes takes

// The first frame of an event: what it is in 16 bits, and more of it in 32.
std::optional<HandshakeFailure> read_event(const zmq::message_t &frame) {
  uint16_t event = 0;
  uint32_t value = 0;
  if (frame.size() != sizeof event + sizeof value) return std::nullopt;
  const auto *bytes = frame.data<char>();
  std::memcpy(&event, bytes, sizeof event);
  std::memcpy(&value, bytes + sizeof event, sizeof value);
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return HandshakeFailure::kNotAdmitted;
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) return HandshakeFailure::kCutOff;
  if (event != ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) return std::nullopt;
  if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) return HandshakeFailure::kOneSided;
  if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) return HandshakeFailure::kOtherKey;
  return HandshakeFailure::kCutOff;  // it speaks another protocol
}

std::string new_address() {
  static std::atomic<uint64_t> count = 0;
  return "inproc://handshakes-" + std::to_string(++count);
}

}  // namespace

std::string told_agent(HandshakeFailure failure, bool with_keys) {
  switch (failure) {
    case HandshakeFailure::kNotAdmitted:
      return "this key is not admitted by the exchanger: add its public key to the exchanger's "
             "curve_admitted_keys_file";
    case HandshakeFailure::kOneSided:
      return with_keys ? "it has no keys, and this agent has: set its curve_secret_key_file and "
                         "curve_admitted_keys_file, or take the agent's options curve_* away"
                       : "it admits agents with keys only: set curve_secret_key_file, and curve_exchanger_key_file or "
                         "curve_exchanger_key";
    case HandshakeFailure::kOtherKey:
    case HandshakeFailure::kCutOff: break;
  }
  return with_keys ? "whoever is there ends each connection in its handshake: as the exchanger does when the agent's "
                     "curve_exchanger_key is not its key, and as a proxy does that has nobody behind it"
                   : "whoever is there ends each connection in its handshake: it is no exchanger, or a proxy that has "
                     "nobody behind it";
}

std::string told_exchanger(HandshakeFailure failure, bool with_keys) {
  switch (failure) {
    case HandshakeFailure::kOneSided:
      return with_keys ? "an agent without keys" : "an agent that wants CURVE, and this exchanger has no keys";
    case HandshakeFailure::kOtherKey: return "an agent that has another curve_exchanger_key than this exchanger's";
    case HandshakeFailure::kNotAdmitted:  // the doorkeeper says more
    case HandshakeFailure::kCutOff: break;
  }
  return "";
}

Handshakes::Handshakes(zmq::context_t *context, zmq::socket_t *watched, Loop *loop,
                       std::function<void(HandshakeFailure)> on_failure)
    : watched_(watched),
      on_failure_(std::move(on_failure)),
      events_(
          context, zmq::socket_type::pair, loop, kUnread,
          [this](const ZmqSocket::Parts &event) {
            if (const auto failure = read_event(event.front())) on_failure_(*failure);
          },
          [](bool) {}) {
  const std::string address = new_address();
  constexpr int kFailures =
      ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  if (::zmq_socket_monitor(watched_->handle(), address.c_str(), kFailures) != 0) throw zmq::error_t();
  events_.raw().connect(address);
  events_.start();
}

// Before the reader goes: libzmq's thread would wait for it.
Handshakes::~Handshakes() { ::zmq_socket_monitor(watched_->handle(), nullptr, 0); }

}  // namespace flare
