#include <algorithm>
#include <cstdio>
#include <utility>

#include "pipe/zmq/session.h"

namespace flare {

namespace {

constexpr Duration kGreetAgain = std::chrono::seconds(1);

}  // namespace

AgentSession::AgentSession(SessionIdentity identity, std::optional<Duration> connect_timeout, std::string url,
                           TimePoint now)
    : identity_(std::move(identity)), url_(std::move(url)) {
  if (!connect_timeout) return;
  give_up_ = now + *connect_timeout;
  char text[32];
  std::snprintf(text, sizeof text, "%g", to_seconds(*connect_timeout));
  connect_timeout_text_ = text;
}

wire::Hello AgentSession::hello(wire::Lane lane) const {
  wire::Hello hello;
  hello.min_version = identity_.wires.oldest;
  hello.max_version = identity_.wires.newest;
  hello.lane = lane;
  hello.epoch = lane == wire::Lane::kBulk ? epoch_ : 0;
  hello.instance = identity_.instance;
  hello.agent_id = identity_.agent_id;
  hello.token = identity_.token;
  hello.library = identity_.library;
  return hello;
}

void AgentSession::greet(TimePoint now) {
  if (over_ || !control_up_ || welcomed_) return;
  act(Send{kControl, {0, hello(wire::Lane::kControl)}});
  if (!greeted_) greeted_ = now;
  greet_again_ = now + kGreetAgain;
}

void AgentSession::greet_bulk(TimePoint now) {
  if (over_ || !bulk_up_ || !welcomed_ || bulk_welcomed_) return;
  act(Send{kBulk, {0, hello(wire::Lane::kBulk)}});
  greet_again_ = now + kGreetAgain;
}

void AgentSession::lose() {
  bulk_welcomed_ = false;
  if (!std::exchange(welcomed_, false)) return;
  act(Down{false});
}

void AgentSession::finish(flare_status status, const std::string &reason) {
  if (std::exchange(over_, true)) return;
  welcomed_ = bulk_welcomed_ = false;
  greet_again_.reset();
  greeted_.reset();
  give_up_.reset();
  act(Over{status, reason});
}

void AgentSession::on_connection(const Connection &connection, bool up, TimePoint now) {
  if (connection == kControl) {
    if (up) obstacle_.clear();
    control_up_ = up;
    greeted_.reset();
    if (!up) lose();
    greet(now);
  } else {
    bulk_up_ = up;
    if (!up) bulk_welcomed_ = false;
    if (up) await_bulk(now);
    greet_bulk(now);
  }
}

bool AgentSession::on_frame(const Connection &from, const wire::Envelope &envelope, TimePoint now) {
  if (over_) return false;
  if (const auto *welcome = std::get_if<wire::Welcome>(&envelope.body)) {
    on_welcome(*welcome, now);
    return false;
  }
  if (const auto *reject = std::get_if<wire::Reject>(&envelope.body)) {
    on_reject(from, *reject, now);
    return false;
  }
  if (welcomed_ && envelope.epoch == epoch_) {
    // Somebody has heard what was sent there.
    const bool answered =
        std::holds_alternative<wire::Chunk>(envelope.body) || std::holds_alternative<wire::Progress>(envelope.body);
    if (from == kBulk && answered && bulk_worked_) bulk_works(now - *bulk_worked_, now);
    return true;
  }
  ++refused_;
  return false;
}

void AgentSession::on_welcome(const wire::Welcome &welcome, TimePoint now) {
  if (welcome.lane == wire::Lane::kBulk) {
    if (!welcomed_ || welcome.epoch != epoch_) return;
    bulk_works(bulk_asked_ ? now - *bulk_asked_ : Duration(), now);
    if (std::exchange(bulk_welcomed_, true)) return;
    greet_again_.reset();
    act(BulkUp{});
    return;
  }
  if (welcomed_ && welcome.epoch == epoch_) return;
  if (welcome.version < identity_.wires.oldest || welcome.version > identity_.wires.newest) {
    finish(FLARE_PROTOCOL, "the exchanger at " + url_ + " chose wire version " + std::to_string(welcome.version) +
                               ", which was not offered (its library is " + welcome.library + ", this one " +
                               identity_.library + ")");
    return;
  }
  lose();
  const bool new_peer = !peer_instance_.empty() && peer_instance_ != welcome.instance;
  peer_instance_ = welcome.instance;
  epoch_ = welcome.epoch;
  welcomed_ = true;
  ++ups_;
  give_up_.reset();
  greet_again_.reset();
  greeted_.reset();
  act(Up{{welcome.instance, welcome.agent_id, welcome.site, welcome.job_id, welcome.library, welcome.version},
         new_peer});
  await_bulk(now);
  greet_bulk(now);
}

void AgentSession::on_reject(const Connection &from, const wire::Reject &reject, TimePoint now) {
  if (reject.refusal == wire::Refusal::kUnknownSession) {
    // The exchanger does not know us (any more): a reconnect, or another exchanger in its place.
    if (from == kBulk && welcomed_) {
      // A greeting that is refused has its next turn with the timer: or each answer would call for another at once.
      if (std::exchange(bulk_welcomed_, false)) greet_bulk(now);
    } else if (welcomed_) {
      lose();
      greet(now);
    }
    return;
  }
  if (reject.refusal == wire::Refusal::kOver) {
    finish(FLARE_ENDED, reject.reason);
    return;
  }
  refused_by_peer(reject.reason);
}

void AgentSession::refused_by_peer(const std::string &reason) {
  finish(FLARE_REFUSED, "the exchanger at " + url_ + " refused agent '" + identity_.agent_id + "': " + reason);
}

void AgentSession::on_turned_away(const std::string &reason, bool for_good) {
  obstacle_ = reason;
  if (for_good) refused_by_peer(reason);
}

void AgentSession::on_unreachable(const Connection &connection, TimePoint now) {
  if (connection == kControl) {
    lose();
  } else {
    bulk_welcomed_ = false;
  }
  // The link says nothing of a connection that is back before it was seen to be gone.
  const bool needs_greeting = (control_up_ && !welcomed_) || (bulk_up_ && welcomed_ && !bulk_welcomed_);
  if (needs_greeting && !over_) greet_again_ = now + kGreetAgain;
}

void AgentSession::want_bulk(bool wanted, TimePoint now) {
  if (wanted && bulk_worked_) return;
  bulk_worked_ = wanted ? std::optional(now) : std::nullopt;
  bulk_asked_.reset();
}

// Another connection, or another session on it: it has as long as if it were wanted from now on.
void AgentSession::await_bulk(TimePoint now) {
  if (!bulk_worked_) return;
  bulk_worked_ = now;
  bulk_asked_.reset();
}

void AgentSession::bulk_works(Duration after, TimePoint now) {
  bulk_patience_ = std::max(bulk_patience_, 2 * after);
  await_bulk(now);
}

void AgentSession::check_control(TimePoint now) {
  if (!control_up_ || !greeted_ || now < *greeted_ + control_patience_) return;
  control_patience_ *= 2;
  control_up_ = false;
  greeted_.reset();
  act(Renew{kControl});
}

void AgentSession::check_bulk(TimePoint now) {
  const auto deadline = bulk_deadline();
  if (!deadline || now < *deadline) return;
  if (!bulk_asked_) {
    bulk_asked_ = now;
    act(Send{kBulk, {0, hello(wire::Lane::kBulk)}});
    return;
  }
  await_bulk(now);
  bulk_patience_ *= 2;
  bulk_up_ = bulk_welcomed_ = false;
  act(Renew{kBulk});
}

std::optional<TimePoint> AgentSession::bulk_deadline() const {
  if (!bulk_worked_ || !welcomed_ || !bulk_up_) return std::nullopt;
  return *bulk_worked_ + bulk_patience_ * (bulk_asked_ ? 2 : 1);
}

void AgentSession::on_time(TimePoint now) {
  if (give_up_ && now >= *give_up_) {
    finish(FLARE_UNREACHABLE,
           "no exchanger answered at " + url_ + " within connect_timeout = " + connect_timeout_text_ +
               " s: " + (obstacle_.empty() ? "check that it runs and that the URL is right" : obstacle_));
    return;
  }
  check_control(now);
  if (greet_again_ && now >= *greet_again_) {
    greet_again_.reset();
    greet(now);
    greet_bulk(now);
  }
  check_bulk(now);
}

std::optional<TimePoint> AgentSession::deadline() const {
  return earlier(earlier(give_up_, greet_again_), bulk_deadline());
}

}  // namespace flare
