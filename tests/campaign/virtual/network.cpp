#include "network.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/failure.h"
#include "pipe/memory/memory_link.h"
#include "pipe/zmq/sealed.h"

namespace flare_world {

using flare::Bytes;
using flare::Connection;
using flare::LinkListener;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

Network *there = nullptr;

constexpr Duration kReconnect = milliseconds(100);
constexpr Duration kLatency = milliseconds(1), kNotice = milliseconds(20), kHalfCloseNotice = milliseconds(1000);
constexpr Duration kOvertaken = milliseconds(30);

bool concerns(Lanes lanes, const Connection &lane) {
  return lanes == Lanes::kBoth || (lanes == Lanes::kBulk) == (lane == flare::kBulk);
}

Bytes with_a_bit_flipped(const Bytes &bytes, Draw *draw) {
  flare::Block block(bytes.size);
  std::memcpy(block.data(), bytes.data, bytes.size);
  block.data()[draw->below(static_cast<int64_t>(bytes.size))] ^= static_cast<std::byte>(1 << draw->below(8));
  return block.share();
}

void deliver(LinkListener *listener, const Connection &from, const Bytes &envelope, const Bytes &payload) {
  flare::Limits limits;
  flare::wire::Envelope read;
  try {
    limits.max_envelope_bytes = listener->max_envelope_bytes(from);
    read = flare::wire::unseal(envelope.data, envelope.size, limits);
  } catch (const std::exception &failure) {
    listener->on_bad_frame(from, failure.what());
    return;
  }
  listener->on_frame(from, std::move(read), payload);
}

}  // namespace

MishapCounts &MishapCounts::operator+=(const MishapCounts &more) {
  dropped += more.dropped;
  duplicated += more.duplicated;
  reordered += more.reordered;
  envelopes += more.envelopes;
  payloads += more.payloads;
  cuts += more.cuts;
  stalls += more.stalls;
  deaf += more.deaf;
  return *this;
}

Network::Network(World *world) : world_(world) { there = this; }
Network::~Network() {
  for (const auto &weak : agents_) {
    if (const auto agent = weak.lock()) agent->wires.clear();  // which refer to it
  }
  there = nullptr;
}

Network &Network::here() {
  if (there != nullptr) return *there;
  std::fputs("there is no network\n", stderr);
  std::abort();
}

void Network::End::post(std::function<void(LinkListener *)> event, const std::shared_ptr<End> &self) const {
  if (!listener) return;
  loop->post([self, event = std::move(event)] {
    if (self->listener) event(self->listener);
  });
}

Duration Network::some(Duration most) { return Duration(world_->draw().below(most.count() + 1)); }

std::vector<Network::WirePtr> Network::wires(Lanes lanes) const {
  std::vector<WirePtr> found;
  for (const auto &[name, wire] : wires_) {
    if (concerns(lanes, wire->lane)) found.push_back(wire);
  }
  return found;
}

// ---- Messages ------------------------------------------------------------------------------------------------

Mishaps *Network::mishaps_of(const Wire &wire, Way way) {
  std::erase_if(misfortunes_, [&](const Misfortune &misfortune) { return world_->now() >= misfortune.until; });
  for (Misfortune &misfortune : misfortunes_) {
    if (misfortune.way == way && misfortune.mishaps.at_most != 0 && concerns(misfortune.lanes, wire.lane)) {
      return &misfortune.mishaps;
    }
  }
  return nullptr;
}

bool Network::send(const WirePtr &wire, Way way, const flare::wire::Envelope &envelope, const Bytes &payload,
                   bool lent) {
  ++messages_;
  if (payload.size > 0 && !payload.owner && !lent) ++borrowed_;
  Direction &direction = wire->direction(way);
  if (direction.deaf) return true;
  Packet packet{flare::wire::seal(envelope), lent ? flare::copy_bytes(payload.data, payload.size) : payload};
  TimePoint when = world_->now() + microseconds(50) + some(kLatency);
  int copies = 1;
  if (Mishaps *mishaps = mishaps_of(*wire, way)) {
    Draw *draw = &world_->draw();
    when += some(mishaps->longest_delay);
    const MishapCounts before = counts_;
    if (happens(draw, mishaps->drop)) {
      ++counts_.dropped;
      copies = 0;
    } else if (happens(draw, mishaps->duplicate)) {
      ++counts_.duplicated;
      copies = 2;
    } else if (happens(draw, mishaps->flip_envelope)) {
      ++counts_.envelopes;
      packet.envelope = with_a_bit_flipped(packet.envelope, draw);
    } else if (packet.payload.size > 0 && happens(draw, mishaps->flip_payload)) {
      ++counts_.payloads;
      packet.payload = with_a_bit_flipped(packet.payload, draw);
    } else if (happens(draw, mishaps->reorder)) {
      ++counts_.reordered;
      copies = 0;
      carry(wire, way, packet, std::max(when, direction.clear) + some(kOvertaken));
    }
    const bool befell = std::memcmp(&before, &counts_, sizeof counts_) != 0;
    if (befell && mishaps->at_most > 0) --mishaps->at_most;
  }
  for (; copies > 0; --copies) {
    direction.clear = std::max({when, direction.clear, direction.stalled});
    carry(wire, way, packet, direction.clear);
  }
  return true;
}

void Network::carry(const WirePtr &wire, Way way, Packet packet, TimePoint when) {
  world_->at(when, [this, wire, way, packet = std::move(packet)] {
    if (world_->now() <= wire->direction(way).broken) arrive(wire, way, packet);
  });
}

void Network::arrive(const WirePtr &wire, Way way, const Packet &packet) {
  const auto &end = way == Way::kUp ? wire->exchanger : wire->agent;
  end->post([packet, from = way == Way::kUp ? wire->name : wire->lane](
                LinkListener *listener) { deliver(listener, from, packet.envelope, packet.payload); },
            end);
}

// ---- Connections ---------------------------------------------------------------------------------------------

void Network::forget(const WirePtr &wire, Duration agent_notices, Duration exchanger_notices, bool seen) {
  world_->at(world_->now() + exchanger_notices, [this, wire] { wires_.erase(wire->name); });
  world_->at(world_->now() + agent_notices, [this, wire, seen] {
    const auto agent = std::static_pointer_cast<AgentEnd>(wire->agent);
    const auto found = agent->wires.find(wire->lane);
    if (found == agent->wires.end() || found->second != wire) return;
    agent->wires.erase(found);
    if (!seen && exchanger_) return connect(agent, wire->lane, false);
    agent->post([lane = wire->lane](LinkListener *listener) { listener->on_connection(lane, false); }, agent);
    seek(agent, wire->lane, kReconnect + some(kLatency));
  });
}

void Network::seek(const std::weak_ptr<AgentEnd> &who, const Connection &lane, Duration delay) {
  world_->at(world_->now() + delay, [this, who, lane] {
    const auto agent = who.lock();
    if (!agent || !agent->listener || !exchanger_ || agent->wires.count(lane) > 0) return;
    const TimePoint thaws = exchanger_->process->frozen_until;
    thaws > world_->now() ? seek(who, lane, thaws - world_->now()) : connect(agent, lane, true);
  });
}

void Network::connect(const std::shared_ptr<AgentEnd> &agent, const Connection &lane, bool tell) {
  const auto wire = std::make_shared<Wire>();
  wire->lane = lane;
  wire->name = "m" + std::to_string(++connections_);
  wire->agent = agent;
  wire->exchanger = exchanger_;
  agent->wires[lane] = wire;
  wires_[wire->name] = wire;
  if (tell) agent->post([lane](LinkListener *listener) { listener->on_connection(lane, true); }, agent);
}

// ---- What is done to it --------------------------------------------------------------------------------------

void Network::cut(Lanes lanes, bool seen) {
  ++counts_.cuts;
  for (const WirePtr &wire : wires(lanes)) {
    for (const Way way : {Way::kUp, Way::kDown}) {
      Direction &direction = wire->direction(way);
      direction.broken = std::min(direction.broken, world_->now() + some(kLatency));
    }
    forget(wire, kLatency + some(kNotice), kLatency + some(kNotice), seen);
  }
}

void Network::half_close(Lanes lanes, Way way) {
  ++counts_.cuts;
  for (const WirePtr &wire : wires(lanes)) {
    Direction &direction = wire->direction(way);
    direction.broken = std::min(direction.broken, world_->now());
    forget(wire, some(kHalfCloseNotice), some(kHalfCloseNotice), true);
  }
}

void Network::stall(Lanes lanes, Way way, Duration lasts) {
  ++counts_.stalls;
  for (const WirePtr &wire : wires(lanes)) wire->direction(way).stalled = world_->now() + lasts;
}

void Network::befall(Lanes lanes, Way way, const Mishaps &mishaps, Duration lasts) {
  misfortunes_.push_back({lanes, way, mishaps, world_->now() + lasts});
}

void Network::deafen(Lanes lanes, Way way) {
  ++counts_.deaf;
  for (const WirePtr &wire : wires(lanes)) wire->direction(way).deaf = true;
}

void Network::isolate(const std::shared_ptr<Process> &process) {
  for (const auto &[name, wire] : wires_) {
    const bool by_agent = wire->agent->process == process;
    if (!by_agent && wire->exchanger->process != process) continue;
    // What has left it already may still arrive.
    Direction &out = wire->direction(by_agent ? Way::kUp : Way::kDown);
    out.broken = std::min(out.broken, world_->now() + some(kLatency));
    forget(wire, kLatency + some(kLatency), kLatency + some(kLatency), true);
  }
  for (const auto &weak : agents_) {
    const auto agent = weak.lock();
    if (!agent || agent->process != process) continue;
    agent->listener = nullptr;
    agent->wires.clear();
  }
  if (exchanger_ && exchanger_->process == process) {
    exchanger_->listener = nullptr;
    exchanger_.reset();
  }
}

// ---- The library's links -------------------------------------------------------------------------------------

class AgentLink : public flare::Link {
 public:
  AgentLink(const flare::Address &address, flare::Loop *loop) : url_(address.url), loop_(loop) {
    ++World::here().held.links;
  }
  ~AgentLink() override {
    AgentLink::close(Duration::zero());
    --World::here().held.links;
  }

  void open(LinkListener *listener) override {
    end_ = std::make_shared<Network::AgentEnd>();
    end_->loop = loop_;
    end_->listener = listener;
    end_->process = World::here().current();
    network_.agents_.push_back(end_);
    for (const Connection &lane : {flare::kControl, flare::kBulk}) network_.seek(end_, lane, network_.some(kLatency));
  }

  bool send(const Connection &to, const flare::wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    if (!end_ || end_->wires.count(to) == 0) return false;
    return network_.send(end_->wires.at(to), Way::kUp, envelope, payload, lent);
  }

  bool reachable(const Connection &) override { return end_ != nullptr; }

  void renew(const Connection &lane) override {
    if (const auto found = end_->wires.find(lane); found != end_->wires.end()) {
      found->second->up.broken = found->second->down.broken = World::here().now();
      network_.forget(found->second, Duration(), network_.some(kNotice), true);
      end_->wires.erase(found);
    }
    network_.seek(end_, lane, network_.some(kLatency));
  }
  std::string url() const override { return url_; }

  void close(Duration linger) override {
    if (!end_) return;
    end_->listener = nullptr;
    for (const auto &[lane, wire] : end_->wires) {
      const TimePoint now = World::here().now();
      wire->up.broken = std::min(wire->up.broken, now + (lane == flare::kControl ? linger : Duration()));
      const Duration last = std::max(std::min(wire->up.clear, wire->up.broken) - now, Duration());
      network_.forget(wire, Duration(), last + network_.some(kLatency), true);
    }
    end_.reset();
  }

 private:
  Network &network_ = Network::here();
  std::string url_;
  flare::Loop *loop_;
  std::shared_ptr<Network::AgentEnd> end_;
};

class ExchangerLink : public flare::Link {
 public:
  ExchangerLink(const flare::Address &address, flare::Loop *loop) : url_(address.url), loop_(loop) {
    ++World::here().held.links;
  }
  ~ExchangerLink() override {
    ExchangerLink::close(Duration::zero());
    --World::here().held.links;
  }

  void open(LinkListener *listener) override {
    if (network_.exchanger_) throw flare::Failure(FLARE_IO, "another exchanger serves " + url_);
    end_ = network_.exchanger_ = std::make_shared<Network::End>();
    end_->loop = loop_;
    end_->listener = listener;
    end_->process = World::here().current();
    std::erase_if(network_.agents_, [](const auto &agent) { return agent.expired(); });
    for (const auto &agent : network_.agents_) {
      for (const Connection &lane : {flare::kControl, flare::kBulk}) {
        network_.seek(agent, lane, network_.some(kReconnect));
      }
    }
  }

  bool send(const Connection &to, const flare::wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    if (!end_ || end_ != network_.exchanger_) return false;
    const auto found = network_.wires_.find(to);
    if (found == network_.wires_.end()) return false;
    return network_.send(found->second, Way::kDown, envelope, payload, lent);
  }

  bool reachable(const Connection &connection) override {
    return send(connection, {0, flare::wire::Heartbeat{}}, {}, false);
  }
  std::string url() const override { return url_; }

  void close(Duration linger) override {
    if (!end_) return;
    end_->listener = nullptr;
    if (end_ == network_.exchanger_) {
      const TimePoint now = World::here().now();
      for (const auto &[name, wire] : network_.wires_) {
        wire->down.broken = std::min(wire->down.broken, now + linger);
        const Duration last = std::max(std::min(wire->down.clear, wire->down.broken) - now, Duration());
        network_.forget(wire, last + network_.some(kLatency), Duration(), true);
      }
      network_.exchanger_.reset();
    }
    end_.reset();
  }

 private:
  Network &network_ = Network::here();
  std::string url_;
  flare::Loop *loop_;
  std::shared_ptr<Network::End> end_;
};

}  // namespace flare_world

namespace flare {

std::unique_ptr<Link> make_memory_agent_link(const Address &address, Loop *loop) {
  return std::make_unique<flare_world::AgentLink>(address, loop);
}

std::unique_ptr<Link> make_memory_exchanger_link(const Address &address, Loop *loop) {
  return std::make_unique<flare_world::ExchangerLink>(address, loop);
}

}  // namespace flare
