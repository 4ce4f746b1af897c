#include "pipe/zmq/curve.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/failure.h"

namespace flare {

namespace {

constexpr const char *kAskedAt = "inproc://zeromq.zap.01";  // fixed by the RFC
constexpr const char *kDomain = "flare";
constexpr int kMostQuestions = 100;  // questions that wait; then libzmq waits with the next
constexpr size_t kKeyBytes = 32;
constexpr size_t kKeyText = 41;  // with the final NUL

// The frames of a question.
enum Frame : size_t { kVersion, kRequestId, kDomainFrame, kAddress, kIdentity, kMechanism, kKey, kFrames };

std::string key_text(const zmq::message_t &key) {
  std::array<char, kKeyText> text{};
  return ::zmq_z85_encode(text.data(), key.data<uint8_t>(), key.size()) != nullptr ? text.data() : "";
}

}  // namespace

void require_curve() {
  if (::zmq_has("curve") != 0) return;
  int major = 0, minor = 0, patch = 0;
  ::zmq_version(&major, &minor, &patch);
  throw Failure(FLARE_INVALID_ARGUMENT, "the libzmq in use (" + std::to_string(major) + "." + std::to_string(minor) +
                                            "." + std::to_string(patch) +
                                            ") was built without CURVE, so the options curve_* cannot be had: install "
                                            "one that has it, as that of Debian");
}

std::string public_key_of(const std::string &secret_key) {
  require_curve();
  std::array<char, kKeyText> text{};
  if (::zmq_curve_public(text.data(), secret_key.c_str()) != 0) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the secret key is none of CURVE");
  }
  return text.data();
}

void set_agent_keys(zmq::socket_t *socket, const CurveKeys &keys) {
  socket->set(zmq::sockopt::curve_serverkey, keys.exchanger);
  socket->set(zmq::sockopt::curve_publickey, public_key_of(keys.secret));
  socket->set(zmq::sockopt::curve_secretkey, keys.secret);
}

void set_exchanger_keys(zmq::socket_t *socket, const CurveKeys &keys) {
  require_curve();
  socket->set(zmq::sockopt::curve_server, true);
  socket->set(zmq::sockopt::curve_secretkey, keys.secret);
  socket->set(zmq::sockopt::zap_domain, kDomain);
}

Doorkeeper::Doorkeeper(zmq::context_t *context, Loop *loop, std::set<std::string> admitted,
                       std::function<void(const std::string &)> on_refused)
    : admitted_(std::move(admitted)),
      on_refused_(std::move(on_refused)),
      socket_(
          context, zmq::socket_type::rep, loop, kMostQuestions,
          [this](const ZmqSocket::Parts &question) { answer(question); }, [](bool) {}) {
  socket_.raw().bind(kAskedAt);
  socket_.start();
}

bool Doorkeeper::lets_in(const ZmqSocket::Parts &question) const {
  return question.size() == kFrames && question[kVersion].to_string_view() == "1.0" &&
         question[kMechanism].to_string_view() == "CURVE" && question[kKey].size() == kKeyBytes &&
         admitted_.contains(key_text(question[kKey]));
}

void Doorkeeper::answer(const ZmqSocket::Parts &question) {
  const bool in = lets_in(question);
  const std::string id = question.size() > kRequestId ? question[kRequestId].to_string() : "";
  ZmqSocket::Parts parts;
  for (const std::string_view frame :
       {std::string_view("1.0"), std::string_view(id), std::string_view(in ? "200" : "400"),
        std::string_view(in ? "" : "not admitted"), std::string_view(),
        std::string_view()}) {  // the last two: no name of a user, no more to say
    parts.emplace_back(frame.data(), frame.size());
  }
  socket_.send(&parts);
  if (in || question.size() != kFrames) return;
  on_refused_("an agent at " + question[kAddress].to_string() + " with the key " + key_text(question[kKey]) +
              ", which is not in curve_admitted_keys_file");
}

}  // namespace flare
