// One ZeroMQ socket in the loop. libzmq's descriptor is edge-triggered, and looking at its events or sending can
// use an edge up: here everything is drained until nothing is left, after every send and every receive.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <zmq.hpp>

#include "base/bytes.h"
#include "runtime/loop.h"

namespace flare {

class ZmqSocket {
 public:
  using Parts = std::vector<zmq::message_t>;

  // `on_parts` gets each whole message, `on_writable` each change of whether the socket takes messages. `max_unsent`
  // of them wait in it at most, for each connection and direction.
  ZmqSocket(zmq::context_t *context, zmq::socket_type type, Loop *loop, int max_unsent,
            std::function<void(Parts)> on_parts, std::function<void(bool)> on_writable);
  ~ZmqSocket();

  zmq::socket_t &raw() { return socket_; }
  void start();  // after connect or bind

  // False: nobody is there to take it, or nobody takes it. Never blocks.
  bool send(Parts *parts);

 private:
  void drain();
  void drain_soon();

  zmq::socket_t socket_;
  Loop *loop_;
  std::function<void(Parts)> on_parts_;
  std::function<void(bool)> on_writable_;
  std::unique_ptr<Loop::Watch> watch_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool drain_posted_ = false;
  bool writable_ = false;
};

// A message that refers to the bytes and keeps them alive, or a copy of them.
zmq::message_t to_message(const Bytes &bytes, bool copy);
// The bytes of a received message, which they keep alive.
Bytes to_bytes(zmq::message_t message);

}  // namespace flare
