// The network of a world: what lies between an agent's link and an exchanger's, as ZeroMQ's DEALER and ROUTER show it.
// An agent has two connections, which come back by themselves when they are lost; an exchanger knows each by a name
// that is new each time, and learns that one is gone when it writes to it. Messages keep their order and arrive, unless
// something is done to them here.
//
// The library's memory:// is defined on it, in network.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipe/zmq/link.h"
#include "runtime/loop.h"
#include "world.h"

namespace flare_world {

enum class Way { kUp, kDown };  // from the agent, to the agent
enum class Lanes { kBoth, kControl, kBulk };

// What befalls messages: the chance of each.
struct Mishaps {
  double drop = 0, duplicate = 0, reorder = 0, flip_envelope = 0, flip_payload = 0;
  Duration longest_delay{};
  int64_t at_most = -1;  // so many messages in all; -1: any number
};

struct MishapCounts {
  int64_t dropped = 0, duplicated = 0, reordered = 0, envelopes = 0, payloads = 0, cuts = 0, stalls = 0, deaf = 0;
  MishapCounts &operator+=(const MishapCounts &more);
};

class Network {
 public:
  explicit Network(World *world);
  ~Network();
  static Network &here();

  // ---- What is done to it ----
  // Each side notices in its own time. `seen`: the agent is told; else it has the connection back before it looks.
  void cut(Lanes lanes, bool seen);
  void half_close(Lanes lanes, Way way);  // nothing passes on this way, and both notice later
  void stall(Lanes lanes, Way way, Duration lasts);
  void befall(Lanes lanes, Way way, const Mishaps &mishaps, Duration lasts);
  // What is sent on these connections is not understood any more, and nobody notices. New ones are not concerned.
  void deafen(Lanes lanes, Way way);
  // Nothing of what this process writes from now on leaves it, and its connections end.
  void isolate(const std::shared_ptr<Process> &process);

  int64_t messages() const { return messages_; }
  int64_t borrowed() const { return borrowed_; }  // payloads in a program's own memory that it was given to keep
  const MishapCounts &counts() const { return counts_; }

 private:
  friend class AgentLink;
  friend class ExchangerLink;

  struct Packet {
    flare::Bytes envelope, payload;
  };
  // One end. It goes deaf when its owner closes it.
  struct End {
    flare::Loop *loop = nullptr;
    flare::LinkListener *listener = nullptr;
    std::shared_ptr<Process> process;
    void post(std::function<void(flare::LinkListener *)> event, const std::shared_ptr<End> &self) const;
  };
  struct Direction {
    TimePoint clear{};                    // what is sent now arrives no earlier
    TimePoint stalled{};                  // until then
    TimePoint broken = TimePoint::max();  // what would arrive later never does
    bool deaf = false;
  };
  struct Wire {
    flare::Connection lane, name;  // of the agent, of the exchanger
    std::shared_ptr<End> agent, exchanger;
    Direction up, down;
    bool there = true;  // for the agent
    Direction &direction(Way way) { return way == Way::kUp ? up : down; }
  };
  using WirePtr = std::shared_ptr<Wire>;
  struct AgentEnd : End {
    std::map<flare::Connection, WirePtr> wires;  // by lane: those that can be written to
  };
  struct Misfortune {
    Lanes lanes;
    Way way;
    Mishaps mishaps;
    TimePoint until;
  };

  bool send(const WirePtr &wire, Way way, const flare::wire::Envelope &envelope, const flare::Bytes &payload,
            bool lent);
  void carry(const WirePtr &wire, Way way, Packet packet, TimePoint when);
  void arrive(const WirePtr &wire, Way way, const Packet &packet);
  Mishaps *mishaps_of(const Wire &wire, Way way);
  void lose(const WirePtr &wire, bool seen);
  void forget(const WirePtr &wire, Duration agent_notices, Duration exchanger_notices, bool seen);
  void seek(const std::weak_ptr<AgentEnd> &agent, const flare::Connection &lane, Duration delay);
  void connect(const std::shared_ptr<AgentEnd> &agent, const flare::Connection &lane, bool tell);
  std::vector<WirePtr> wires(Lanes lanes) const;
  Duration some(Duration most);  // a random part of it
  static bool happens(Draw *draw, double chance) { return chance > 0 && draw->fraction() < chance; }

  World *world_;
  std::shared_ptr<End> exchanger_;
  std::map<flare::Connection, WirePtr> wires_;  // as the exchanger sees them
  std::vector<std::weak_ptr<AgentEnd>> agents_;
  std::vector<Misfortune> misfortunes_;
  uint64_t connections_ = 0;
  int64_t messages_ = 0, borrowed_ = 0;
  MishapCounts counts_;
};

}  // namespace flare_world
