#include "pipe/zmq/zmq_link.h"

#include <algorithm>
#include <future>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "base/failure.h"
#include "pipe/zmq/curve.h"
#include "pipe/zmq/handshakes.h"
#include "pipe/zmq/mechanism_query.h"
#include "pipe/zmq/sealed.h"
#include "pipe/zmq/socket_path.h"
#include "pipe/zmq/zmq_socket.h"
#include "runtime/signals_blocked.h"

namespace flare {

namespace {

[[noreturn]] void fail(const std::string &what, const zmq::error_t &error) {
  throw Failure(FLARE_IO, what + ": " + error.what());
}

// The envelope and, when there is one, the payload behind it.
void add_frames(const wire::Envelope &envelope, const Bytes &payload, bool lent, ZmqSocket::Parts *parts) {
  parts->push_back(to_message(wire::seal(envelope), false));
  if (payload.size > 0) parts->push_back(to_message(payload, lent));
}

void receive(const Connection &from, ZmqSocket::Parts parts, size_t first, Limits limits, LinkListener *listener) {
  const size_t count = parts.size() - first;
  if (count < 1 || count > 2) {
    listener->on_bad_frame(from, "a message of " + std::to_string(count) + " frames");
    return;
  }
  wire::Envelope envelope;
  try {
    const zmq::message_t &frame = parts[first];
    limits.max_envelope_bytes = listener->max_envelope_bytes(from);
    envelope = wire::unseal(frame.data(), frame.size(), limits);
  } catch (const std::exception &failure) {  // a Failure, or no memory for what it announces
    listener->on_bad_frame(from, failure.what());
    return;
  }
  listener->on_frame(from, std::move(envelope), count == 2 ? to_bytes(std::move(parts[first + 1])) : Bytes());
}

// libzmq allocates each frame that comes. By default glibc maps such blocks, or gives them back to the system, each
// time anew, and each page of them is a fault. It stops once the process has released a mapped block of nearly 32 MiB,
// the most that moves its thresholds, as a program with large tensors does sooner or later by itself; one that is never
// touched costs nothing. Whoever set the thresholds has them untouched.
void keep_frames_warm() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Volatile, as a pair that is not used may be left out.
    void *volatile block = ::operator new((size_t{32} << 20) - (size_t{64} << 10), std::nothrow);
    ::operator delete(block);
  });
}

// What sockets linger at most, and time for libzmq's threads to end.
constexpr Duration kLongestEnd = std::chrono::seconds(2);

// libzmq (seen with 4.3.4) never connects again once a connection broke the rules of ZMTP, be it a stranger at the
// address. One that is missing for so long is made anew.
constexpr Duration kMissing = std::chrono::seconds(5);

// Connections that fail in their handshake in the same way until it counts: any stranger may be at the address for a
// moment.
constexpr int kInARow = 3;
constexpr Duration kNextHandshake = std::chrono::milliseconds(500);  // where libzmq has given up
// Texts about strangers that an exchanger says, each once.
constexpr size_t kMostTold = 100;

int milliseconds(Duration duration) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::min<int64_t>(count, std::numeric_limits<int>::max()));
}

// One context per link, so that its end waits for nobody else.
class ZmqLink : public Link {
 public:
  ZmqLink(Address address, const Settings &settings, Loop *loop, std::optional<CurveKeys> keys)
      : address_(std::move(address)), settings_(settings), loop_(loop), keys_(std::move(keys)), context_(1) {
    keep_frames_warm();
  }

  ~ZmqLink() override { end_context(); }

  std::string url() const override { return address_.url; }

 protected:
  void configure(ZmqSocket *socket) const {
    socket->raw().set(zmq::sockopt::maxmsgsize,
                      static_cast<int64_t>(settings_.limits.max_envelope_bytes + wire::kSealBytes));
    // Only when asked for: with it, libzmq reports IPv4 addresses in their mapped form.
    if (is_ipv6()) socket->raw().set(zmq::sockopt::ipv6, true);
  }
  static void let_go(std::unique_ptr<ZmqSocket> *socket, Duration linger) noexcept {
    if (!*socket) return;
    try {
      (*socket)->raw().set(zmq::sockopt::linger, milliseconds(linger));
    } catch (const zmq::error_t &) {
      // Its context ends with it anyway, without waiting.
    }
    socket->reset();
  }

  bool is_ipv6() const { return address_.endpoint.starts_with("tcp://["); }
  bool is_tcp() const { return address_.transport == Transport::kZmqTcp; }

  Address address_;
  Settings settings_;
  Loop *loop_;
  std::optional<CurveKeys> keys_;
  zmq::context_t context_;

 private:
  // libzmq (seen with 4.3.4) waits for ever when a connection with frames under way is given up by both ends at once.
  // A close is bounded in time: its threads are then left to themselves.
  void end_context() noexcept {
    try {
      std::packaged_task<void()> end([context = std::move(context_)]() mutable { context.close(); });
      const auto ended = end.get_future();
      const SignalsBlocked blocked;  // this may be a thread of the user
      std::thread(std::move(end)).detach();
      ended.wait_for(kLongestEnd);
    } catch (const std::system_error &) {
      // No thread to be had; the context ended in the task's destructor.
    }
  }
};

class AgentLink : public ZmqLink {
 public:
  using ZmqLink::ZmqLink;
  ~AgentLink() override { AgentLink::close(Duration::zero()); }

  void open(LinkListener *listener) override {
    for (const Connection &name : {kControl, kBulk}) {
      Lane &lane = lane_of(name);
      lane.missing = loop_->make_alarm([this, name, listener] { connect_again(name, listener); });
      connect(name, listener);
    }
  }

  bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    ZmqSocket *socket = lane_of(to).socket.get();
    if (!socket) return false;
    ZmqSocket::Parts parts;
    add_frames(envelope, payload, lent, &parts);
    return socket->send(&parts);
  }

  bool reachable(const Connection &) override { return control_.socket != nullptr; }

  // In a turn of its own: this may be called by the socket that goes.
  void renew(const Connection &name) override { lane_of(name).missing->set(Clock::now()); }

  void close(Duration linger) override {
    control_.missing.reset();
    bulk_.missing.reset();
    handshakes_.reset();
    query_.reset();
    let_go(&control_.socket, linger);
    let_go(&bulk_.socket, Duration::zero());
  }

 private:
  struct Lane {
    std::unique_ptr<ZmqSocket> socket;
    std::unique_ptr<Loop::Alarm> missing;
  };

  Lane &lane_of(const Connection &name) { return name == kControl ? control_ : bulk_; }

  void connect_again(const Connection &name, LinkListener *listener) {
    if (name == kControl && !is_tcp() && !told_of_path_ && !may_use_socket(address_.path)) {
      told_of_path_ = true;
      listener->on_turned_away("the socket is there, and user " + std::to_string(::geteuid()) +
                                   " may not use it: let both ends run as the same user of this machine",
                               false);
    }
    try {
      connect(name, listener);
    } catch (const std::exception &) {  // of sockets there are none left, for now
      lane_of(name).missing->set(Clock::now() + kMissing);
    }
  }

  void connect(const Connection &name, LinkListener *listener) {
    Lane &lane = lane_of(name);
    if (name == kControl) {
      handshakes_.reset();
      query_.reset();
    }
    let_go(&lane.socket, Duration::zero());
    lane.missing->set(Clock::now() + kMissing);
    auto socket = std::make_unique<ZmqSocket>(
        &context_, zmq::socket_type::dealer, loop_, settings_.limits.max_unsent,
        [this, name, listener](ZmqSocket::Parts parts) {
          receive(name, std::move(parts), 0, settings_.limits, listener);
        },
        [this, &lane, name, listener](bool writable) {
          if (writable) cut_off_ = one_sided_ = not_admitted_ = 0;
          lane.missing->set(writable ? std::nullopt : std::optional(Clock::now() + kMissing));
          listener->on_connection(name, writable);
        });
    configure(socket.get());
    // Nothing is queued for a connection that is not there: what was lost with one is sent again by the session.
    socket->raw().set(zmq::sockopt::immediate, true);
    socket->raw().set(zmq::sockopt::reconnect_ivl, milliseconds(settings_.reconnect_interval));
    if (keys_) set_agent_keys(&socket->raw(), *keys_);
    std::unique_ptr<Handshakes> handshakes;  // of this socket, so it goes first
    if (name == kControl && is_tcp()) {      // what happens to one happens to both
      handshakes = std::make_unique<Handshakes>(
          &context_, &socket->raw(), loop_,
          [this, listener](HandshakeFailure failure) { on_failed_handshake(failure, listener); });
    }
    try {
      socket->raw().connect(address_.endpoint);
    } catch (const zmq::error_t &error) {
      fail("cannot connect to " + address_.url, error);
    }
    lane.socket = std::move(socket);
    if (handshakes) handshakes_ = std::move(handshakes);
    lane.socket->start();
  }

  void on_failed_handshake(HandshakeFailure failure, LinkListener *listener) {
    if (failure == HandshakeFailure::kNotAdmitted) {
      if (++not_admitted_ == kInARow) return listener->on_turned_away(told_agent(failure, keys_.has_value()), true);
      control_.missing->set(Clock::now() + kNextHandshake);
      return;
    }
    if (++cut_off_ == kInARow) listener->on_turned_away(told_agent(failure, keys_.has_value()), false);
    if (!query_) ask_mechanism(listener);
  }

  void ask_mechanism(LinkListener *listener) {
    try {
      query_ = std::make_unique<MechanismQuery>(
          &context_, loop_, address_.endpoint, is_ipv6(), [this, listener](const std::string &mechanism) {
            const auto answered = std::move(query_);
            if (mechanism != (keys_ ? "NULL" : "CURVE")) return;
            if (++one_sided_ < kInARow) return control_.missing->set(Clock::now() + kNextHandshake);
            listener->on_turned_away(told_agent(HandshakeFailure::kOneSided, keys_.has_value()), true);
          });
    } catch (const std::exception &) {  // of sockets there are none left, for now: the next failure asks
    }
  }

  Lane control_, bulk_;
  std::unique_ptr<Handshakes> handshakes_;              // of control_.socket
  std::unique_ptr<MechanismQuery> query_;               // since one failed
  int cut_off_ = 0, one_sided_ = 0, not_admitted_ = 0;  // connections in a row
  bool told_of_path_ = false;
};

class ExchangerLink : public ZmqLink {
 public:
  using ZmqLink::ZmqLink;
  ~ExchangerLink() override { ExchangerLink::close(Duration::zero()); }

  void open(LinkListener *listener) override {
    if (!is_tcp()) prepare_socket_path(address_);
    socket_ = std::make_unique<ZmqSocket>(
        &context_, zmq::socket_type::router, loop_, settings_.limits.max_unsent,
        [this, listener](ZmqSocket::Parts parts) {
          const Connection from = parts.front().to_string();
          receive(from, std::move(parts), 1, settings_.limits, listener);
        },
        [](bool) {});
    configure(socket_.get());
    socket_->raw().set(zmq::sockopt::router_mandatory, true);
    if (keys_) {
      doorkeeper_ = std::make_unique<Doorkeeper>(
          &context_, loop_, keys_->admitted, [this, listener](const std::string &who) { tell_once(who, listener); });
      set_exchanger_keys(&socket_->raw(), *keys_);
    }
    if (is_tcp()) {
      handshakes_ =
          std::make_unique<Handshakes>(&context_, &socket_->raw(), loop_, [this, listener](HandshakeFailure failure) {
            tell_once(told_exchanger(failure, keys_.has_value()), listener);
          });
    }
    try {
      socket_->raw().bind(address_.endpoint);
    } catch (const zmq::error_t &error) {
      fail("cannot bind " + address_.url, error);
    }
    if (!is_tcp()) {
      ::chmod(address_.path.c_str(), 0600);
      bound_ = file_id_of(address_.path);
    } else {
      address_.url = "zmq+" + socket_->raw().get(zmq::sockopt::last_endpoint);
    }
    address_.url = advertised_url(address_.url, settings_.advertise);
    socket_->start();
  }

  bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    if (!socket_) return false;
    ZmqSocket::Parts parts;
    parts.emplace_back(to);
    add_frames(envelope, payload, lent, &parts);
    return socket_->send(&parts);
  }

  bool reachable(const Connection &connection) override {
    // With mandatory routing, zmq_socket_get_peer_state is a draft; a heartbeat is harmless and tells the same.
    return send(connection, {0, wire::Heartbeat{}}, {}, false);
  }

  void close(Duration linger) override {
    // libzmq leaves it. Another exchanger's socket may be there by now.
    if (const auto bound = std::exchange(bound_, std::nullopt); bound && bound == file_id_of(address_.path)) {
      ::unlink(address_.path.c_str());
    }
    handshakes_.reset();
    let_go(&socket_, linger);
    doorkeeper_.reset();
  }

 private:
  // Strangers come again and again.
  void tell_once(const std::string &who, LinkListener *listener) {
    if (who.empty() || told_.size() >= kMostTold || !told_.insert(who).second) return;
    listener->on_turned_away(who, false);
  }

  std::unique_ptr<Doorkeeper> doorkeeper_;
  std::unique_ptr<ZmqSocket> socket_;
  std::unique_ptr<Handshakes> handshakes_;  // of socket_
  std::set<std::string> told_;
  std::optional<FileId> bound_;  // the socket file
};

}  // namespace

std::unique_ptr<Link> make_zmq_agent_link(const Address &address, const Settings &settings, Loop *loop,
                                          const std::optional<CurveKeys> &keys) {
  return std::make_unique<AgentLink>(address, settings, loop, keys);
}

std::unique_ptr<Link> make_zmq_exchanger_link(const Address &address, const Settings &settings, Loop *loop,
                                              const std::optional<CurveKeys> &keys) {
  return std::make_unique<ExchangerLink>(address, settings, loop, keys);
}

}  // namespace flare
