// The turn of a pipe, the same on every wire: it lets the PipeHandler and the wire's own machines act until none has
// anything to do, sets one alarm to the earliest of their deadlines, and tells the listener what became of each message
// sent, once. A pipe is made of it by saying what differs.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "pipe/outcome.h"
#include "pipe/pipe.h"
#include "pipe/pipe_handler.h"
#include "runtime/log.h"
#include "runtime/loop.h"

namespace flare {

class PipeDriver : public Pipe {
 public:
  void send(const MessagePtr &message, const SendOptions &options) override;
  void cancel(const std::string &id, flare_status status, const std::string &reason) override;
  PipeStats stats() const override { return stats_; }
  void close(const std::string &reason) override;  // also by the destructor of what is made of this

 protected:
  PipeDriver(const PipeHandler::Options &options, const Settings &settings, Loop *loop, Log log,
             PipeListener *listener);
  static PipeHandler::Options handler_options(const Settings &settings);

  // ---- What differs: the wire ----

  struct LaidOut {
    bool by_reference;  // what it carries is fetched by others
    Duration timeout;   // of an attempt
  };
  // Makes what is to be sent, and keeps it until release(). Throws Failure, std::bad_alloc.
  virtual LaidOut lay_out(const MessagePtr &message, const SendOptions &options) = 0;
  virtual void release(const std::string &id, const std::string &reason) = 0;

  virtual void transmit(const MessagePtr &message) = 0;
  virtual void transmit_ack(const PipeHandler::TransmitAck &ack) = 0;
  virtual void transmit_heartbeat() = 0;

  // No attempt to send it follows. Whether it was accepted: the wire may know better.
  virtual bool on_decided(const MessagePtr &message, bool accepted, const std::string &reason) = 0;
  // It is given up: nobody is to fetch it any more.
  virtual void withdraw(const std::string &, flare_status, const std::string &) {}
  // The session is over. So is whatever is on its way, in either direction; but after FLARE_ENDED what was accepted may
  // still be fetched.
  virtual void end(flare_status status, const std::string &reason) = 0;
  virtual void shut(const std::string &reason) = 0;

  // Who is there, and what is fetched: true when there was something to do.
  virtual bool pump_session() { return false; }
  virtual bool pump_transfers() = 0;
  virtual std::optional<TimePoint> deadline() const = 0;
  // What is due, then everything until there is nothing to do. One time for all of a turn: a process that is held up in
  // the middle of it must not find its peer silent before it has looked at what the peer said meanwhile.
  virtual void act(TimePoint now);

  // ---- For the wire ----

  void pump();
  bool pump_handler();
  void set_alarm();
  // To the peer alone: the listener hears nothing of it.
  void send_own(const MessagePtr &message, Duration timeout);
  // Everything that it carries was fetched, or never will be. False: it waits for whether it is accepted.
  bool conclude(const std::string &id, flare_status status, const std::string &reason);
  std::vector<std::string> referring() const;  // messages not settled that refer to what others fetch
  // Of another peer: nobody hears of them again.
  void forget_sends(const std::string &reason);
  void finish(flare_status status, const std::string &reason);

  const std::optional<flare_status> &over() const { return over_; }
  const std::string &over_reason() const { return over_reason_; }
  bool closed() const { return closed_; }

  const Settings settings_;
  const Log log_;
  PipeListener *const listener_;
  PipeHandler handler_;
  PipeStats stats_;

 private:
  // A message on its way out: until it is accepted and what it carries is fetched.
  struct Sending {
    MessagePtr message;
    bool by_reference = false;
    bool own = false;      // nobody above knows of it
    bool decided = false;  // accepted or not: on_accepted was said
    std::optional<Outcome> outcome;
  };

  void refuse(const Message &message, flare_status status, const std::string &reason);
  void perform(const PipeHandler::Action &action);
  void on_sent(const PipeHandler::Sent &sent);
  void settle(const std::string &id);
  void give_up(const std::string &id, flare_status status, const std::string &reason);

  std::map<std::string, Sending> sends_;
  std::optional<flare_status> over_;
  std::string over_reason_;
  bool pumping_ = false, closed_ = false;
  std::unique_ptr<Loop::Alarm> alarm_;
  std::optional<TimePoint> due_;  // what the alarm is set to
};

}  // namespace flare
