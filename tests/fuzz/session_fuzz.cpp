// Both ends' sessions under any order of connections, frames, losses and time: who is admitted, what is acted upon, and
// that an end which has no session always has something to wait for.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "pipe/zmq/session.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> kTexts = {"", "agent", "a", "b", "secret", "wrong"};
const std::vector<Connection> kConnections = {"1", "2", "3"};

class World {
 public:
  explicit World(FuzzInput input) : input_(input) {}
  virtual ~World() = default;

  void run() {
    while (!input_.over()) {
      now_ += input_.step();
      event();
      check();
    }
  }

 protected:
  virtual void event() = 0;
  virtual void check() = 0;

  const std::string &text() { return kTexts[input_.below(kTexts.size())]; }
  wire::Lane lane() { return input_.flag() ? wire::Lane::kBulk : wire::Lane::kControl; }
  uint16_t version() { return static_cast<uint16_t>(input_.below(4)); }

  // The epochs of interest are the present one, its neighbours, and 0.
  uint64_t epoch(uint64_t present) {
    const size_t choice = input_.below(5);
    return choice < 2 ? present : choice == 2 ? present + 1 : choice == 3 ? present - 1 : 0;
  }

  wire::Envelope frame(uint64_t present) {
    const uint64_t around = epoch(present);
    switch (input_.below(8)) {
      case 0: {
        wire::Hello hello;
        hello.min_version = version();
        hello.max_version = version();
        hello.lane = lane();
        hello.epoch = epoch(present);
        hello.instance = text();
        hello.agent_id = text();
        hello.token = text();
        return {around, hello};
      }
      case 1: {  // one that is likely to be admitted
        wire::Hello hello;
        hello.lane = lane();
        hello.epoch = present;
        hello.instance = input_.flag() ? "a" : "b";
        hello.agent_id = "agent";
        hello.token = "secret";
        return {0, hello};
      }
      case 2: {
        wire::Welcome welcome;
        welcome.version = input_.flag() ? version() : wire::kWireVersion;
        welcome.lane = lane();
        welcome.epoch = epoch(present);
        welcome.instance = text();
        return {around, welcome};
      }
      case 3: {
        // Mostly the refusal that ends nothing.
        const auto refusal =
            input_.flag() ? wire::Refusal::kUnknownSession : static_cast<wire::Refusal>(input_.below(6));
        return {around, wire::Reject{refusal, "because"}};
      }
      case 4: return {around, wire::Bye{"bye"}};
      case 5: return {around, ChunkRequest{"transaction", 0, input_.number(), 1}};
      default: return {around, wire::Heartbeat{input_.number(), wire::Phase::kIdle}};
    }
  }

  FuzzInput input_;
  TimePoint now_ = TimePoint() + 1h;
};

class AgentWorld : public World {
 public:
  explicit AgentWorld(FuzzInput input)
      : World(input), session_({"me", "agent", "", "", "secret", "0.1.0"}, 10s, "url", now_) {}

 private:
  void event() override {
    const Connection &connection = input_.flag() ? kControl : kBulk;
    switch (input_.below(8)) {
      case 0:
      case 1: {
        const bool up = input_.flag();
        connected_.erase(connection);
        if (up) connected_.insert(connection);
        session_.on_connection(connection, up, now_);
        break;
      }
      case 2: session_.on_unreachable(connection, now_); break;
      case 3:
        if (const auto deadline = session_.deadline()) now_ = std::max(now_, *deadline);
        [[fallthrough]];
      case 4:
        session_.on_time(now_);
        require(!session_.deadline() || *session_.deadline() > now_);
        break;
      default: {
        const wire::Envelope envelope = frame(session_.epoch());
        if (!session_.on_frame(connection, envelope, now_)) break;
        require(!over_ && up_ && envelope.epoch == session_.epoch());
      }
    }
  }

  void check() override {
    for (const auto &action : session_.take_actions()) {
      require(!over_);
      if (const auto *send = std::get_if<Session::Send>(&action)) {
        require(std::holds_alternative<wire::Hello>(send->envelope.body) && connected_.contains(send->to));
      }
      if (std::holds_alternative<Session::Up>(action)) up_ = require_changed(up_, true);
      if (std::holds_alternative<Session::Down>(action)) up_ = require_changed(up_, false);
      if (std::holds_alternative<Session::BulkUp>(action)) require(up_);
      if (std::holds_alternative<Session::Over>(action)) over_ = true;
      // The link says when there is another.
      if (const auto *renew = std::get_if<Session::Renew>(&action)) {
        require(connected_.erase(renew->connection) == 1);
      }
    }
    require(session_.control().empty() == (over_ || !up_));
    require(session_.bulk().empty() || (up_ && !over_));
    if (over_) require(!session_.deadline());
    // Whoever can greet and is not welcome yet will greet.
    const bool waits = !over_ && ((connected_.contains(kControl) && !up_) ||
                                  (connected_.contains(kBulk) && up_ && session_.bulk().empty()));
    if (waits) require(session_.deadline().has_value());
  }

  static bool require_changed(bool before, bool after) {
    require(before != after);
    return after;
  }

  AgentSession session_;
  std::set<Connection> connected_;
  bool up_ = false;
  bool over_ = false;
};

class ExchangerWorld : public World {
 public:
  explicit ExchangerWorld(FuzzInput input)
      : World(input), session_({"exchanger", "agent", "site", "job", "secret", "0.1.0"}, [this](const Connection &) {
          return reachable_;
        }) {}

 private:
  void event() override {
    const Connection &connection = kConnections[input_.below(kConnections.size())];
    switch (input_.below(8)) {
      case 0: session_.on_unreachable(connection, now_); return;
      case 1: reachable_ = input_.flag(); return;
      case 2:
        if (input_.below(8) > 0) return;
        session_.close_doors("over");
        doors_open_ = false;
        return;
      case 3: session_.on_time(now_); return;
      default: on_frame(connection, frame(session_.epoch()));
    }
  }

  void on_frame(const Connection &from, const wire::Envelope &envelope) {
    const uint64_t epoch = session_.epoch();
    const bool known = !session_.control().empty() && (from == session_.control() || from == session_.bulk());
    const bool ours = session_.on_frame(from, envelope, now_);
    require(!ours || (known && envelope.epoch == epoch && session_.epoch() == epoch));
    const auto *hello = std::get_if<wire::Hello>(&envelope.body);
    if (session_.epoch() == epoch) return;
    require(session_.epoch() == epoch + 1 && hello != nullptr && session_.control() == from);
    require(hello->lane == wire::Lane::kControl && hello->token == "secret" && hello->agent_id == "agent");
    require(!hello->instance.empty());
    require(hello->min_version <= wire::kWireVersion && hello->max_version >= wire::kWireVersion);
    require(doors_open_ || hello->instance == last_instance_);
    require(control_.empty() || instance_ == hello->instance || !reachable_);
    last_instance_ = hello->instance;
  }

  void check() override {
    const auto actions = session_.take_actions();
    require(actions.size() <= 4);
    for (const auto &action : actions) {
      if (const auto *up = std::get_if<Session::Up>(&action)) {
        require(control_.empty());
        control_ = session_.control();
        instance_ = up->peer.instance;
      }
      if (std::holds_alternative<Session::Down>(action)) {
        require(!control_.empty());
        control_.clear();
      }
      require(!std::holds_alternative<Session::Over>(action));
    }
    require(control_ == session_.control());
    require(!control_.empty() || session_.bulk().empty());
  }

  ExchangerSession session_;
  bool reachable_ = true, doors_open_ = true;
  Connection control_;
  std::string instance_, last_instance_;
};

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::FuzzInput input(bytes, size);
  if (input.flag()) {
    flare::AgentWorld(input).run();
  } else {
    flare::ExchangerWorld(input).run();
  }
  return 0;
}
