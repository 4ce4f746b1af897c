// The session of the ZeroMQ wire: greetings, epochs, refusals. State machines: events with their time in, actions
// out. The rules for who may talk are here; what is said is for those above.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "base/version.h"
#include "pipe/pipe.h"
#include "pipe/zmq/link.h"

namespace flare {

struct SessionIdentity {
  std::string instance;  // of this end, new at each open
  std::string agent_id;
  std::string site;    // what the exchanger tells
  std::string job_id;  // what the exchanger tells
  std::string token;
  std::string library;
  WireVersions wires{};
};

class Session {
 public:
  struct Send {
    Connection to;
    wire::Envelope envelope;
  };
  struct Up {
    PeerInfo peer;
    bool new_peer;  // another instance than the one before
  };
  struct BulkUp {};  // chunks can be asked for
  struct Renew {     // nothing gets through on it
    Connection connection;
  };
  struct Down {
    bool left;  // it said so, and does not come back
  };
  struct Over {
    flare_status status;
    std::string reason;
  };
  using Action = std::variant<Send, Up, BulkUp, Renew, Down, Over>;

  virtual ~Session() = default;

  virtual void on_connection(const Connection &connection, bool up, TimePoint now) = 0;
  // True when the frame belongs to the live session and is for those above. Else it was a greeting, or it was
  // refused; refused ones are counted.
  virtual bool on_frame(const Connection &from, const wire::Envelope &envelope, TimePoint now) = 0;
  virtual void on_unreachable(const Connection &connection, TimePoint now) = 0;
  virtual void on_turned_away(const std::string &, bool) {}
  // Whether any transfer is under way.
  virtual void want_bulk(bool, TimePoint) {}
  virtual void on_time(TimePoint now) = 0;
  virtual std::optional<TimePoint> deadline() const = 0;

  // Where to send, empty while there is no such connection.
  virtual Connection control() const = 0;
  virtual Connection bulk() const = 0;

  uint64_t epoch() const { return epoch_; }
  int64_t refused() const { return refused_; }
  int64_t ups() const { return ups_; }
  std::vector<Action> take_actions();

 protected:
  void act(Action action) { actions_.push_back(std::move(action)); }

  uint64_t epoch_ = 0;
  int64_t refused_ = 0;
  int64_t ups_ = 0;

 private:
  std::vector<Action> actions_;
};

// Greets on each new connection until it is welcomed; over when refused, or when nobody answers for
// `connect_timeout` before the first welcome.
//
// A connection may be up and carry nothing, or be another than the exchanger knows. Of control, greetings that nobody
// answers tell before the welcome, and heartbeats later; of bulk, when a transfer does not move, another greeting does.
// If that is not answered, it is made anew. On a slow
// link a greeting waits behind chunks: the patience with it grows with each time that it was too short.
class AgentSession : public Session {
 public:
  AgentSession(SessionIdentity identity, std::optional<Duration> connect_timeout, std::string url, TimePoint now);

  void on_connection(const Connection &connection, bool up, TimePoint now) override;
  bool on_frame(const Connection &from, const wire::Envelope &envelope, TimePoint now) override;
  void on_unreachable(const Connection &connection, TimePoint now) override;
  void on_turned_away(const std::string &reason, bool for_good) override;
  void want_bulk(bool wanted, TimePoint now) override;
  void on_time(TimePoint now) override;
  std::optional<TimePoint> deadline() const override;
  Connection control() const override { return welcomed_ ? kControl : Connection(); }
  Connection bulk() const override { return bulk_welcomed_ ? kBulk : Connection(); }

 private:
  void greet(TimePoint now);
  void greet_bulk(TimePoint now);
  void on_welcome(const wire::Welcome &welcome, TimePoint now);
  void on_reject(const Connection &from, const wire::Reject &reject, TimePoint now);
  void await_bulk(TimePoint now);
  void bulk_works(Duration after, TimePoint now);
  void check_control(TimePoint now);
  void check_bulk(TimePoint now);
  std::optional<TimePoint> bulk_deadline() const;
  void lose();
  void refused_by_peer(const std::string &reason);
  void finish(flare_status status, const std::string &reason);
  wire::Hello hello(wire::Lane lane) const;

  // With a connection on which nothing is heard; it grows.
  static constexpr Duration kPatience = std::chrono::seconds(10);

  SessionIdentity identity_;
  std::string url_;
  std::optional<TimePoint> give_up_;  // until the first welcome
  bool control_up_ = false;
  bool bulk_up_ = false;
  bool welcomed_ = false;
  bool bulk_welcomed_ = false;
  bool over_ = false;
  std::optional<TimePoint> greet_again_;
  std::optional<TimePoint> greeted_;  // first on this control connection, without a welcome so far
  Duration control_patience_ = kPatience;
  // While transfers are under way: when the bulk connection was last seen to work both ways, or that began to matter.
  std::optional<TimePoint> bulk_worked_;
  std::optional<TimePoint> bulk_asked_;  // by another greeting, since
  Duration bulk_patience_ = kPatience;
  std::string peer_instance_;
  std::string connect_timeout_text_;
  std::string obstacle_;  // why there is no connection, as far as the link knows
};

// Admits one agent at a time. Another instance is admitted only when the one before cannot be reached any more.
class ExchangerSession : public Session {
 public:
  // `reachable` asks the link; it must not call back.
  ExchangerSession(SessionIdentity identity, std::function<bool(const Connection &)> reachable);

  void on_connection(const Connection &, bool, TimePoint) override {}
  bool on_frame(const Connection &from, const wire::Envelope &envelope, TimePoint now) override;
  void on_unreachable(const Connection &connection, TimePoint now) override;
  void on_time(TimePoint) override {}
  std::optional<TimePoint> deadline() const override { return std::nullopt; }
  Connection control() const override { return control_; }
  Connection bulk() const override { return bulk_; }

  // The job is over: no agent is admitted any more, the one that is there may finish.
  void close_doors(const std::string &reason);

 private:
  void on_hello(const Connection &from, const wire::Hello &hello);
  void on_bulk_hello(const Connection &from, const wire::Hello &hello);
  void welcome(const Connection &to, wire::Lane lane);
  void refuse(const Connection &to, wire::Refusal refusal, const std::string &reason);
  void lose(bool left = false);

  SessionIdentity identity_;
  std::function<bool(const Connection &)> reachable_;
  Connection control_;
  Connection bulk_;
  uint16_t version_ = wire::kWireVersion;  // of this session
  std::string agent_instance_;
  std::string last_instance_;  // also of an agent that is gone
  std::string closed_reason_;
};

}  // namespace flare
