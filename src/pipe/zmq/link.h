// Moves frames between an agent and an exchanger; it knows nothing of what they mean. An agent's link has the two
// connections kControl and kBulk. An exchanger's link names each connection by a text that is unique to it: one
// that was lost and comes back has another name.
//
// A link lives in the loop thread and calls its listener there, never from within send().
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "pipe/zmq/frames.h"

namespace flare {

using Connection = std::string;
inline const Connection kControl = "control";
inline const Connection kBulk = "bulk";

class LinkListener {
 public:
  virtual ~LinkListener() = default;
  virtual void on_frame(const Connection &from, wire::Envelope envelope, Bytes payload) = 0;
  // What an envelope from there may have; it is asked before one is read.
  virtual size_t max_envelope_bytes(const Connection &from) const = 0;
  // What came is not a frame of this wire.
  virtual void on_bad_frame(const Connection &from, const std::string &reason) = 0;
  // Agents only: the connection can be written to, or cannot any more.
  virtual void on_connection(const Connection &connection, bool up) = 0;
  // Below this wire somebody was turned away, and why. Of an agent it was itself, by its exchanger or what is in its
  // place; `for_good`: it is of no use to try again.
  virtual void on_turned_away(const std::string &reason, bool for_good) = 0;
};

class Link {
 public:
  virtual ~Link() = default;
  virtual void open(LinkListener *listener) = 0;  // throws Failure(FLARE_IO)
  // False when the connection is not there (any more). `payload` is a second frame when it is not empty; when
  // `lent` it is copied before the call returns.
  virtual bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool lent) = 0;
  // Whether frames can be written to the connection now.
  virtual bool reachable(const Connection &connection) = 0;
  // Agents only: the connection is given up and made anew; on_connection() says when it is there.
  virtual void renew(const Connection &) {}
  virtual std::string url() const = 0;  // of an exchanger's: with the real port
  virtual void close(Duration linger) = 0;
};

}  // namespace flare
