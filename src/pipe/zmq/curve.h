// CURVE, the encryption of ZeroMQ, on sockets, and who is let in by an exchanger.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "config/curve_keys.h"
#include "pipe/zmq/zmq_socket.h"

namespace flare {

// Throws Failure(FLARE_INVALID_ARGUMENT) when the libzmq in use was built without CURVE.
void require_curve();

std::string public_key_of(const std::string &secret_key);

// Before the socket connects or binds.
void set_agent_keys(zmq::socket_t *socket, const CurveKeys &keys);
void set_exchanger_keys(zmq::socket_t *socket, const CurveKeys &keys);

// Lets those in whose keys are admitted: libzmq asks here about each connection (ZAP, its RFC 27). To be there before
// a socket of the context is bound and until none is left, as libzmq lets everybody in while it has nobody to ask.
class Doorkeeper {
 public:
  // `on_refused` is told of each that was not let in.
  Doorkeeper(zmq::context_t *context, Loop *loop, std::set<std::string> admitted,
             std::function<void(const std::string &)> on_refused);

 private:
  void answer(const ZmqSocket::Parts &question);
  bool lets_in(const ZmqSocket::Parts &question) const;

  std::set<std::string> admitted_;
  std::function<void(const std::string &)> on_refused_;
  ZmqSocket socket_;
};

}  // namespace flare
