// The world of the kinds ph and agent: PipeHandler behind a scripted pipe, driven by upstream's three threads. The
// reader looks at the pipe once per read interval, the heartbeat loop at its clock once per check period, and the
// application sends and waits in steps of 0.1 s; each asks PipeHandler what is due at those moments and no other.
//
// Upstream's clocks are thus kept to the tick, so most times can be compared exactly.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "pipe/pipe_handler.h"
#include "script.h"
#include "timeline.h"

namespace flare::replay {

// As scripts give times: six digits, of two equally near ones the even.
double rounded(double time);

enum class SendResult { kYes, kNo, kRaised };

class PipeWorld {
 public:
  struct Owner {
    // A status event: _END_, _ABORT_ or _PEER_GONE_.
    std::function<void(const std::string &topic)> status;
    // Anything else that is delivered; the line is its inbox line.
    std::function<void(const Line &line)> message;
  };

  PipeWorld(const Script &script, Owner owner);

  void start();
  // Runs the application's acts one after the other, and the threads beside them, until the script's end.
  // `act` calls its second argument when it is over.
  void run(const std::function<void(const Line &line, std::function<void()> over)> &act);

  double now() const { return timeline_.now(); }
  void at(double time, std::function<void()> action) { timeline_.at(time, std::move(action)); }
  void produce(Json event);

  void stop(bool close);
  void notify(std::string_view topic);
  // PH-11, PH-12. `timeout` nullopt: a single attempt.
  void send(const MessagePtr &message, std::optional<double> timeout, std::function<void(SendResult)> done);

  PipeHandler &handler() { return handler_; }
  TimePoint time() const { return Clock::time_point() + from_seconds(now()); }
  bool peer_up() const { return peer_up_; }

  // What was observed and what was expected, and the fields of the last line that are about the pipe.
  void compare(Report *report) const;

 private:
  struct Sending {
    MessagePtr message;
    std::string id;
    double timeout = 0;
    bool single = false;
    bool heartbeat = false;
    bool over = false;  // the handler's word
    std::function<void(SendResult)> done;
  };
  using Position = std::list<Sending>::iterator;

  void read();
  bool receive();  // false: there is nothing
  void beat();
  void begin(Sending sending);
  void transmit(const std::string &id);
  void attempted(Position sending, const std::string &result);
  void wait_to_resend(Position sending);
  void finish(Position sending, SendResult result);
  void take_actions();
  const Line *due(const char *op) const;  // the latest line of this op whose time has come

  const Script &script_;
  const Line &head_;
  Owner owner_;
  Timeline timeline_;
  PipeHandler handler_;
  double check_period_;
  std::vector<const Line *> inbox_, outcomes_, acts_;
  size_t next_message_ = 0, next_outcome_ = 0;
  std::list<Sending> sending_;
  bool heartbeat_due_ = false;
  int64_t heartbeats_ = 0;
  bool reader_alive_ = false, beating_ = false, pipe_gone_ = false, peer_up_ = false;
  std::vector<Json> produced_;
};

}  // namespace flare::replay
