// Which security mechanism of ZMTP an address wants: "NULL", "CURVE". libzmq tells a socket that does not fit only now
// and then, as the other end, which sees the same, may have ended the connection before.
#pragma once

#include <functional>
#include <string>

#include "pipe/zmq/zmq_socket.h"

namespace flare {

class MechanismQuery {
 public:
  // `on_answer` gets the mechanism, or nothing when whoever is there ends the connection without naming one. It may
  // destroy the query. Who answers nothing is waited for.
  MechanismQuery(zmq::context_t *context, Loop *loop, const std::string &endpoint, bool ipv6,
                 std::function<void(const std::string &)> on_answer);

 private:
  void on_parts(const ZmqSocket::Parts &parts);

  std::function<void(const std::string &)> on_answer_;
  bool connected_ = false;
  std::string heard_;
  ZmqSocket socket_;
};

}  // namespace flare
