// Handshakes of a socket that failed: connections that came to an end before they could carry a frame.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "pipe/zmq/zmq_socket.h"

namespace flare {

enum class HandshakeFailure {
  kNotAdmitted,  // by the exchanger's list of keys
  kOneSided,     // one end has keys for CURVE, the other has none
  kOtherKey,     // an exchanger's: the agent took it for another one
  kCutOff,       // without a word
};

// What an agent is told of it; `with_keys` when it has some.
std::string told_agent(HandshakeFailure failure, bool with_keys);
// What an exchanger's log is told; empty when nothing.
std::string told_exchanger(HandshakeFailure failure, bool with_keys);

// Tells of those of one socket, which is not connected or bound yet and lives longer.
class Handshakes {
 public:
  Handshakes(zmq::context_t *context, zmq::socket_t *watched, Loop *loop,
             std::function<void(HandshakeFailure)> on_failure);
  ~Handshakes();

 private:
  zmq::socket_t *watched_;
  std::function<void(HandshakeFailure)> on_failure_;
  ZmqSocket events_;
};

}  // namespace flare
