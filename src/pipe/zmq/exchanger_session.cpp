#include <algorithm>
#include <utility>

#include "base/text.h"
#include "pipe/zmq/session.h"

namespace flare {

namespace {

std::string text_of(const WireVersions &wires) {
  if (wires.oldest == wires.newest) return std::to_string(wires.newest);
  return std::to_string(wires.oldest) + " to " + std::to_string(wires.newest);
}

}  // namespace

ExchangerSession::ExchangerSession(SessionIdentity identity, std::function<bool(const Connection &)> reachable)
    : identity_(std::move(identity)), reachable_(std::move(reachable)) {}

void ExchangerSession::refuse(const Connection &to, wire::Refusal refusal, const std::string &reason) {
  ++refused_;
  act(Send{to, {0, wire::Reject{refusal, reason}}});
}

void ExchangerSession::lose(bool left) {
  bulk_.clear();
  if (control_.empty()) return;
  control_.clear();
  agent_instance_.clear();
  act(Down{left});
}

void ExchangerSession::close_doors(const std::string &reason) {
  closed_reason_ = reason.empty() ? "the job is over" : reason;
}

bool ExchangerSession::on_frame(const Connection &from, const wire::Envelope &envelope, TimePoint) {
  if (const auto *hello = std::get_if<wire::Hello>(&envelope.body)) {
    hello->lane == wire::Lane::kBulk ? on_bulk_hello(from, *hello) : on_hello(from, *hello);
    return false;
  }
  const bool known = !control_.empty() && (from == control_ || from == bulk_);
  if (!known || envelope.epoch != epoch_) {
    refuse(from, wire::Refusal::kUnknownSession, "this connection has no session; greet first");
    return false;
  }
  if (std::holds_alternative<wire::Bye>(envelope.body)) lose(true);
  return true;
}

void ExchangerSession::on_hello(const Connection &from, const wire::Hello &hello) {
  if (hello.min_version > hello.max_version || hello.min_version > identity_.wires.newest ||
      hello.max_version < identity_.wires.oldest) {
    refuse(from, wire::Refusal::kVersion,
           "it (library " + hello.library + ") speaks wire versions " + std::to_string(hello.min_version) + " to " +
               std::to_string(hello.max_version) + ", this exchanger (library " + identity_.library + ") speaks " +
               text_of(identity_.wires) + ": use libraries of matching versions");
    return;
  }
  if (!equal_secret(hello.token, identity_.token)) {
    refuse(from, wire::Refusal::kToken, "the token is wrong: give the agent the token of the exchanger");
    return;
  }
  if (hello.agent_id != identity_.agent_id) {
    refuse(from, wire::Refusal::kAgentId,
           "this exchanger serves agent '" + identity_.agent_id + "': set the option agent_id");
    return;
  }
  if (hello.instance.empty()) {
    refuse(from, wire::Refusal::kAgentId, "the greeting has no instance");
    return;
  }
  if (!control_.empty() && hello.instance == agent_instance_ && from == control_) {
    welcome(from, wire::Lane::kControl);  // a repeated greeting; the welcome may have been lost
    return;
  }
  if (!control_.empty() && hello.instance != agent_instance_ && reachable_(control_)) {
    refuse(from, wire::Refusal::kNameTaken,
           "an agent with the id '" + identity_.agent_id +
               "' is connected already: end that process, or give this one another agent_id and exchanger");
    return;
  }
  // An agent that was here before the doors closed may come back to finish.
  if (!closed_reason_.empty() && hello.instance != last_instance_) {
    refuse(from, wire::Refusal::kOver, closed_reason_);
    return;
  }
  lose();
  const bool new_peer = !last_instance_.empty() && hello.instance != last_instance_;
  control_ = from;
  agent_instance_ = last_instance_ = hello.instance;
  ++epoch_;
  ++ups_;
  version_ = std::min(hello.max_version, identity_.wires.newest);
  welcome(from, wire::Lane::kControl);
  act(Up{{hello.instance, hello.agent_id, identity_.site, identity_.job_id, hello.library, version_}, new_peer});
}

void ExchangerSession::on_bulk_hello(const Connection &from, const wire::Hello &hello) {
  if (control_.empty() || hello.instance != agent_instance_ || hello.epoch != epoch_ ||
      !equal_secret(hello.token, identity_.token)) {
    refuse(from, wire::Refusal::kUnknownSession, "the bulk connection belongs to no session");
    return;
  }
  const bool again = bulk_ == from;
  bulk_ = from;
  welcome(from, wire::Lane::kBulk);
  if (!again) act(BulkUp{});
}

void ExchangerSession::welcome(const Connection &to, wire::Lane lane) {
  wire::Welcome welcome;
  welcome.version = version_;
  welcome.lane = lane;
  welcome.epoch = epoch_;
  welcome.instance = identity_.instance;
  welcome.agent_id = identity_.agent_id;
  welcome.site = identity_.site;
  welcome.job_id = identity_.job_id;
  welcome.library = identity_.library;
  act(Send{to, {0, welcome}});
}

void ExchangerSession::on_unreachable(const Connection &connection, TimePoint) {
  if (connection == control_) lose();
  if (connection == bulk_) bulk_.clear();
}

}  // namespace flare
