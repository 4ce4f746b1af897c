#include "pipe/memory/memory_link.h"

#include <map>
#include <mutex>
#include <utility>

#include "base/failure.h"

namespace flare {

namespace {

// One end of a connection. Whoever sends to it posts to its loop; it goes deaf when its owner closes.
class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  Endpoint(Loop *loop, LinkListener *listener) : loop_(loop), listener_(listener) {}

  template <typename Event>
  void post(Event event) {
    std::lock_guard lock(mutex_);
    if (!loop_) return;
    loop_->post([self = shared_from_this(), event = std::move(event)] {
      if (self->listener_) event(self->listener_);
    });
  }

  // In the owner's loop thread.
  void close() {
    listener_ = nullptr;
    std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Loop *loop_;              // guarded by mutex_
  LinkListener *listener_;  // in the owner's loop thread
};

void deliver(Endpoint *to, const Connection &from, const wire::Envelope &envelope, const Bytes &payload, bool lent) {
  const Bytes encoded = wire::encode(envelope);
  const Bytes content = lent ? copy_bytes(payload.data, payload.size) : payload;
  to->post([from, encoded, content](LinkListener *listener) {
    try {
      listener->on_frame(from, wire::decode(encoded.data, encoded.size, Limits()), content);
    } catch (const Failure &failure) {
      listener->on_bad_frame(from, failure.what());
    }
  });
}

// A name that both ends know: the exchanger, when there is one, and the connections of agents.
struct Hub {
  struct Agent {
    std::shared_ptr<Endpoint> endpoint;
    Connection name;  // kControl or kBulk
  };
  std::mutex mutex;
  std::shared_ptr<Endpoint> exchanger;
  std::map<Connection, Agent> agents;  // by the name that the exchanger sees
  uint64_t connections = 0;
};

std::shared_ptr<Hub> hub_named(const std::string &name) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Hub>> hubs;
  std::lock_guard lock(mutex);
  std::erase_if(hubs, [](const auto &entry) { return entry.second.expired(); });
  auto hub = hubs[name].lock();
  if (!hub) hubs[name] = hub = std::make_shared<Hub>();
  return hub;
}

class AgentLink : public Link {
 public:
  AgentLink(const Address &address, Loop *loop) : url_(address.url), loop_(loop), hub_(hub_named(address.endpoint)) {}
  ~AgentLink() override { AgentLink::close(Duration::zero()); }

  void open(LinkListener *listener) override {
    endpoint_ = std::make_shared<Endpoint>(loop_, listener);
    std::lock_guard lock(hub_->mutex);
    for (const Connection &name : {kControl, kBulk}) {
      const Connection seen = "m" + std::to_string(++hub_->connections);
      names_[name] = seen;
      hub_->agents[seen] = {endpoint_, name};
      if (hub_->exchanger) endpoint_->post([name](LinkListener *to) { to->on_connection(name, true); });
    }
  }

  bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    std::lock_guard lock(hub_->mutex);
    if (!hub_->exchanger || !endpoint_) return false;
    deliver(hub_->exchanger.get(), names_.at(to), envelope, payload, lent);
    return true;
  }

  bool reachable(const Connection &) override {
    std::lock_guard lock(hub_->mutex);
    return hub_->exchanger != nullptr;
  }

  void renew(const Connection &name) override {
    std::lock_guard lock(hub_->mutex);
    if (hub_->exchanger && endpoint_) endpoint_->post([name](LinkListener *to) { to->on_connection(name, true); });
  }

  std::string url() const override { return url_; }

  void close(Duration) override {
    if (!endpoint_) return;
    endpoint_->close();
    endpoint_.reset();
    std::lock_guard lock(hub_->mutex);
    for (const auto &[name, seen] : names_) hub_->agents.erase(seen);
  }

 private:
  std::string url_;
  Loop *loop_;
  std::shared_ptr<Hub> hub_;
  std::shared_ptr<Endpoint> endpoint_;
  std::map<Connection, Connection> names_;  // what the exchanger sees, by our name
};

class ExchangerLink : public Link {
 public:
  ExchangerLink(const Address &address, Loop *loop)
      : url_(address.url), loop_(loop), hub_(hub_named(address.endpoint)) {}
  ~ExchangerLink() override { ExchangerLink::close(Duration::zero()); }

  void open(LinkListener *listener) override {
    std::lock_guard lock(hub_->mutex);
    if (hub_->exchanger) throw Failure(FLARE_IO, "another exchanger serves " + url_ + ": use another name");
    endpoint_ = hub_->exchanger = std::make_shared<Endpoint>(loop_, listener);
    tell_agents(true);
  }

  bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    std::lock_guard lock(hub_->mutex);
    const auto found = hub_->agents.find(to);
    if (found == hub_->agents.end()) return false;
    deliver(found->second.endpoint.get(), found->second.name, envelope, payload, lent);
    return true;
  }

  bool reachable(const Connection &connection) override {
    std::lock_guard lock(hub_->mutex);
    return hub_->agents.contains(connection);
  }

  std::string url() const override { return url_; }

  void close(Duration) override {
    if (!endpoint_) return;
    endpoint_->close();
    endpoint_.reset();
    std::lock_guard lock(hub_->mutex);
    hub_->exchanger.reset();
    tell_agents(false);
  }

 private:
  void tell_agents(bool up) {
    for (auto &[seen, agent] : hub_->agents) {
      agent.endpoint->post([name = agent.name, up](LinkListener *to) { to->on_connection(name, up); });
    }
  }

  std::string url_;
  Loop *loop_;
  std::shared_ptr<Hub> hub_;
  std::shared_ptr<Endpoint> endpoint_;
};

}  // namespace

std::unique_ptr<Link> make_memory_agent_link(const Address &address, Loop *loop) {
  return std::make_unique<AgentLink>(address, loop);
}

std::unique_ptr<Link> make_memory_exchanger_link(const Address &address, Loop *loop) {
  return std::make_unique<ExchangerLink>(address, loop);
}

}  // namespace flare
