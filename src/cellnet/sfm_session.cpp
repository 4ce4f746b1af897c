#include "cellnet/sfm_session.h"

#include <array>
#include <limits>
#include <utility>

#include "base/failure.h"
#include "cellnet/header_map.h"

namespace flare {
namespace {

constexpr uint16_t kCellApp = 1;
constexpr uint16_t kGreetingStream = 1;
constexpr std::string_view kEndpointName = "endpoint_name";
constexpr std::string_view kNil = "\xc0";  // the payload of PING and PONG
constexpr int kPingsUnanswered = 3;        // until a connection counts as dead

bool is_control(uint8_t type) { return type >= frame_type::kHello && type <= frame_type::kPong; }

}  // namespace

void SfmSession::on_connected(TimePoint now) {
  on_disconnected();
  connected_ = true;
  connected_at_ = last_heard_ = now;
  hello_due_ = true;
  sequence_ = 0;
  stream_id_ = 16;
}

void SfmSession::on_disconnected() {
  connected_ = hello_due_ = ping_due_ = false;
  pongs_due_ = 0;
  last_ping_.reset();
  peer_.clear();
}

SfmSession::Received SfmSession::on_frame(const Frame &frame, TimePoint now) {
  last_heard_ = now;
  last_ping_.reset();
  ping_due_ = false;
  if (!ready() && (frame.skipped || !is_control(frame.prefix.type))) {
    throw Failure(FLARE_PROTOCOL, "what is at the other end does not answer as a cell of NVFlare does");
  }
  if (frame.skipped) {
    return Complaint{"a frame of " + std::to_string(frame.prefix.length) + " bytes was skipped, as " +
                     std::to_string(limits_.max_frame_bytes) + " are the most"};
  }
  switch (frame.prefix.type) {
    case frame_type::kHello:
    case frame_type::kReady: return on_greeting(frame);
    case frame_type::kPing:
      if (pongs_due_ < limits_.max_pongs) ++pongs_due_;
      return Nothing{};
    case frame_type::kPong: return Nothing{};
    case frame_type::kData: break;
    default: return Complaint{"a frame of type " + std::to_string(frame.prefix.type) + " was skipped"};
  }
  try {
    return CellMessage{decode_map(frame.headers, limits_), frame.payload};
  } catch (const Failure &failure) {
    return Complaint{std::string("a message was skipped: ") + failure.what()};
  }
}

// NVFlare's listeners answer HELLO with READY; a HELLO is what only they get.
SfmSession::Received SfmSession::on_greeting(const Frame &frame) {
  if (frame.prefix.type == frame_type::kHello) throw Failure(FLARE_PROTOCOL, "HELLO came where READY belongs");
  if (ready()) return Complaint{"a second READY was skipped"};
  const Map greeting = decode_map(frame.payload.text(), limits_);
  const std::string name = text_of(greeting, kEndpointName);
  if (name.empty() || name.size() > limits_.max_name) throw Failure(FLARE_PROTOCOL, "READY without a cell's name");
  if (name == options_.fqcn) throw Failure(FLARE_REFUSED, "the cell at the other end has our name: " + name);
  if (!options_.expected_peer.empty() && name != options_.expected_peer) {
    throw Failure(FLARE_REFUSED,
                  "the cell at the other end is '" + name + "' and should be '" + options_.expected_peer + "'");
  }
  peer_ = name;
  return Ready{name};
}

OutFrame SfmSession::make_frame(uint8_t type, uint16_t app_id, uint16_t stream_id, std::string_view headers,
                                Chain payload) {
  const size_t length = kPrefixBytes + headers.size() + payload.size();
  if (headers.size() > std::numeric_limits<uint16_t>::max() || length > std::numeric_limits<uint32_t>::max()) {
    too_large("a frame with headers of " + std::to_string(headers.size()) + " bytes and a payload of " +
              std::to_string(payload.size()));
  }
  Prefix prefix;
  prefix.length = static_cast<uint32_t>(length);
  prefix.header_bytes = static_cast<uint16_t>(headers.size());
  prefix.type = type;
  prefix.app_id = app_id;
  prefix.stream_id = stream_id;
  prefix.sequence = ++sequence_;
  std::array<std::byte, kPrefixBytes> bytes;
  write_prefix(prefix, bytes.data());
  OutFrame frame;
  frame.head.reserve(bytes.size() + headers.size());
  frame.head.assign(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  frame.head += headers;
  frame.payload = std::move(payload);
  return frame;
}

std::optional<OutFrame> SfmSession::take_frame(double wall_time) {
  if (!connected_) return std::nullopt;
  if (std::exchange(hello_due_, false)) {
    Map greeting;
    greeting.set(kEndpointName, options_.fqcn);
    greeting.set("timestamp", wall_time);
    greeting.set("fqcn", options_.fqcn);
    const std::string encoded = encode_map(greeting);
    return make_frame(frame_type::kHello, 0, kGreetingStream, {}, copy_bytes(encoded.data(), encoded.size()));
  }
  const bool ping = std::exchange(ping_due_, false);
  if (!ping && pongs_due_ == 0) return std::nullopt;
  if (!ping) --pongs_due_;
  return make_frame(ping ? frame_type::kPing : frame_type::kPong, 0, next_stream_id(), {},
                    copy_bytes(kNil.data(), kNil.size()));
}

OutFrame SfmSession::encode(const AddressedMessage &message) {
  return make_frame(frame_type::kData, kCellApp, next_stream_id(), encode_map(message.headers), message.payload);
}

std::optional<std::string> SfmSession::on_time(TimePoint now) {
  if (!connected_) return std::nullopt;
  if (!ready()) {
    if (now < connected_at_ + options_.handshake_timeout) return std::nullopt;
    return "nobody answered as a cell of NVFlare does";
  }
  if (now >= last_heard_ + kPingsUnanswered * options_.ping_after) return "nothing came, not even answers to PING";
  if (now >= last_ping_.value_or(last_heard_) + options_.ping_after) {
    last_ping_ = now;
    ping_due_ = true;
  }
  return std::nullopt;
}

std::optional<TimePoint> SfmSession::deadline() const {
  if (!connected_) return std::nullopt;
  if (!ready()) return connected_at_ + options_.handshake_timeout;
  return std::min(last_ping_.value_or(last_heard_) + options_.ping_after,
                  last_heard_ + kPingsUnanswered * options_.ping_after);
}

}  // namespace flare
