// The rules of a pipe that are the same on every transport: heartbeats, liveness, resending, repeats, status events
// (PH-01..PH-16). A state machine: events with their time in, actions out; it owns no thread, socket or timer.
//
// Cured here: W-02 and W-03 (nothing waits behind anything: the liveness deadline is a time, not a turn), W-05
// (monotonic time), W-11 (no event once stopped), W-15 and W-16 (one deadline instead of ticks), W-22 (repeats are
// dropped and acknowledged again).
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "flare_agent.h"
#include "pipe/message.h"

namespace flare {

class PipeHandler {
 public:
  struct Options {
    Duration heartbeat_interval = std::chrono::seconds(5);
    std::optional<Duration> heartbeat_timeout = std::chrono::seconds(30);  // nullopt: silence is never death
    std::optional<Duration> resend_interval = std::chrono::seconds(2);     // nullopt: one attempt only
    std::optional<int64_t> max_resends = 5;                                // nullopt: no limit
    // How often the peer is heard when all is well; nullopt: as often as it hears us.
    std::optional<Duration> peer_interval;
    // A request is acknowledged by its answer; a lone Ack follows when there is none within this time.
    Duration ack_delay = std::chrono::milliseconds(20);
    // For a replay of upstream's traces; the product never sets it. The pipe goes on after a status event until it is
    // stopped (PH-08b, W-32), and a heartbeat that cannot be sent may stop it without one (W-04).
    bool upstream_defects = false;
  };

  // ---- Actions: what the driver has to do, in order ----
  struct Transmit {
    MessagePtr message;  // hand it to the transport, for the first time or again
  };
  struct TransmitAck {
    std::string id;
    std::optional<Refusal> refusal;
  };
  struct TransmitHeartbeat {};
  struct Sent {  // once per send(): the outcome
    std::string id;
    bool accepted;
    std::string reason;
    bool for_good = false;  // the peer refused it, and would again
  };
  struct Status {       // at most once, but for upstream_defects: the pipe is over
    std::string topic;  // _END_, _ABORT_ or _PEER_GONE_
    std::string reason;
  };
  using Action = std::variant<Transmit, TransmitAck, TransmitHeartbeat, Sent, Status>;

  enum class Received { kNew, kRepeated, kIgnored };

  // Throws Failure(FLARE_INVALID_ARGUMENT) by PH-01: interval > 0, and a timeout greater than the interval.
  PipeHandler(const Options &options, const Limits &limits);

  // Heartbeats begin, and the watch for silence with them when the `peer` is there, else with its first sign of life:
  // while nobody was ever there silence means nothing.
  void start(TimePoint now, bool peer = true);
  // No event and no action follows, and what was not taken yet by take_actions() is dropped; what was not sent fails
  // with `reason` in Sent actions of this call.
  void stop(const std::string &reason);

  // PH-10: no heartbeats and no watch for silence in between; the watch begins anew.
  void pause() { paused_ = true; }
  void resume(TimePoint now);

  // The connection is there (again): what is under way is transmitted again at once, a heartbeat goes out.
  void on_connected(TimePoint now);
  // Another peer is in the place of the old: what it sent has no meaning for ids remembered so far.
  void forget_received();

  // PH-12: transmits; an attempt fails when the peer refuses it or says nothing for `timeout`; then again after
  // resend_interval, at most max_resends times. A reply also acknowledges its question. Once the pipe is over, Sent
  // with accepted = false is the only action. Throws Failure(FLARE_INVALID_ARGUMENT) for a timeout of 0 or less
  // (PH-11).
  void send(const MessagePtr &message, Duration timeout, TimePoint now);
  // Gives up on a message; a Sent action with accepted = false follows when it was under way.
  void cancel(const std::string &id, const std::string &reason);

  // Anything from the peer that proves that it lives: not its stream progress.
  void on_peer_activity(TimePoint now);
  // A heartbeat goes out now, or as soon as there is a gap to the last one.
  void beat_soon(TimePoint now);
  // A message came. kNew: the driver decides whether it is taken and must call on_taken(). kRepeated: it was taken
  // before, an Ack was made; drop it. kIgnored: stopped. A reply acknowledges its question. _END_ and _ABORT_ are
  // taken here (acknowledged, Status made) and reported as kIgnored.
  Received on_message(const Message &message, TimePoint now);
  // The decision on a new message: acknowledged now (replies, metrics, task aborts, and every refusal), or by its
  // answer, or after ack_delay. A refused one is not remembered, so that it can come again.
  void on_taken(const Message &message, const std::optional<Refusal> &refusal, TimePoint now);
  // The transport's word on an attempt: the peer's Ack, or that it could not be sent. What is refused for good is not
  // sent again.
  void on_ack(const std::string &id, const std::optional<Refusal> &refusal, TimePoint now);
  // The transport has it, minds its time itself, and says in on_ack() or on_not_sent() what came of the attempt.
  void on_handed_over(const std::string &id);
  // Not the peer's doing: the connection was lost, or the transport had no room. It is no attempt, and made again after
  // resend_interval.
  void on_not_sent(const std::string &id, const std::string &reason, TimePoint now);
  // This process was held up (frozen, suspended), and what the peer sent meanwhile may still be unread: it gets one
  // more heartbeat interval to be heard.
  void on_held_up(TimePoint now);
  // The same, seen by an alarm that should have rung at `due` and rings now.
  void check_held_up(std::optional<TimePoint> due, TimePoint now);
  // The pipe is broken for good (PH-08).
  void on_broken(const std::string &reason);
  // How the session ended: the Sent actions of what goes with it come before its Status, and are for the same reason.
  std::optional<flare_status> ended() const { return ended_; }

  // A heartbeat could not be handed to the transport; `broken`: nothing ever will be.
  void on_heartbeat_failed(bool broken, const std::string &reason);

  void on_time(TimePoint now);
  // The parts of on_time(), for a driver that looks at them at different moments.
  void check_silence(TimePoint now);
  void check_heartbeat(TimePoint now);
  void check_sends(TimePoint now);
  // When on_time() wants to be called; nullopt: never.
  std::optional<TimePoint> deadline() const;

  std::vector<Action> take_actions();
  bool stopped() const { return stopped_; }
  bool paused() const { return paused_; }
  // Nothing is received any more; the same as stopped() but for upstream_defects.
  bool receiving() const { return !stopped_ && !receiving_over_; }

 private:
  struct Sending {
    MessagePtr message;
    Duration timeout;
    int64_t failures = 0;
    bool waiting_for_ack = true;    // else waiting for the time to send again
    std::optional<TimePoint> next;  // the end of that wait; nullopt: the transport minds it
  };

  std::list<Sending>::iterator find(const std::string &id);
  void transmit(Sending *sending, TimePoint now);
  void attempt_failed(std::list<Sending>::iterator sending, const std::string &reason, TimePoint now);
  void finish(std::list<Sending>::iterator sending, bool accepted, const std::string &reason, bool for_good = false);
  void remember(const std::string &id);
  void shut(const std::string &reason);
  void end(std::string_view topic, const std::string &reason);
  void say(std::string_view topic, const std::string &reason);
  void beat(TimePoint now);
  std::optional<TimePoint> silence_deadline() const;  // nullopt: it is not watched for

  Options options_;
  Limits limits_;
  bool started_ = false;
  bool peer_heard_ = false;  // ever
  bool stopped_ = false;
  bool paused_ = false;
  bool receiving_over_ = false;
  std::optional<flare_status> ended_;
  std::string stop_reason_;
  TimePoint last_heard_{};
  std::optional<TimePoint> last_heartbeat_;
  TimePoint next_heartbeat_{};
  std::list<Sending> sending_;  // in the order of send()
  std::unordered_set<std::string> remembered_;
  std::deque<std::string> remembered_order_;
  std::map<std::string, TimePoint> acks_due_;  // of taken requests, by id
  std::vector<Action> actions_;
};

// What the end of a pipe is called by its users.
flare_status status_of(const PipeHandler::Status &status);

}  // namespace flare
