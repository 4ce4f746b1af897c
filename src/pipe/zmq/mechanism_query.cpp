#include "pipe/zmq/mechanism_query.h"

#include <string_view>
#include <utility>

namespace flare {

namespace {

constexpr int kUnheard = 16;  // messages; a greeting is one or two

// ZMTP 3.0 (RFC 23): the signature, and the version, to which the other end answers with its whole greeting.
constexpr std::string_view kBeginning("\xff\0\0\0\0\0\0\0\1\x7f\3", 11);
// Of a greeting: where the mechanism stands, padded with zeros.
constexpr size_t kMechanismAt = 12, kMechanismSize = 20;

}  // namespace

MechanismQuery::MechanismQuery(zmq::context_t *context, Loop *loop, const std::string &endpoint, bool ipv6,
                               std::function<void(const std::string &)> on_answer)
    : on_answer_(std::move(on_answer)),
      socket_(
          context, zmq::socket_type::stream, loop, kUnheard, [this](const ZmqSocket::Parts &parts) { on_parts(parts); },
          [](bool) {}) {
  socket_.raw().set(zmq::sockopt::linger, 0);
  if (ipv6) socket_.raw().set(zmq::sockopt::ipv6, true);
  socket_.raw().connect(endpoint);
  socket_.start();
}

// The connection, and bytes that came on it. None: it is there, or it has ended.
void MechanismQuery::on_parts(const ZmqSocket::Parts &parts) {
  if (parts.size() != 2) return;
  heard_ += parts[1].to_string_view();
  if (parts[1].size() == 0 && !std::exchange(connected_, true)) {
    ZmqSocket::Parts beginning;
    beginning.emplace_back(parts[0].data(), parts[0].size());
    beginning.emplace_back(kBeginning.data(), kBeginning.size());
    socket_.send(&beginning);
    return;
  }
  std::string mechanism;
  if (heard_.size() >= kMechanismAt + kMechanismSize) {
    if (heard_.front() == kBeginning.front()) mechanism = heard_.substr(kMechanismAt, kMechanismSize).c_str();
  } else if (parts[1].size() > 0) {
    return;
  }
  const auto on_answer = std::move(on_answer_);
  on_answer(mechanism);
}

}  // namespace flare
