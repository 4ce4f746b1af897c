// A PipeHandler under any order of messages, acknowledgements, losses and time.
#include <map>
#include <memory>
#include <set>
#include <string>

#include "fuzz_input.h"
#include "pipe/pipe_handler.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

constexpr size_t kRemembered = 3;

class World {
 public:
  explicit World(FuzzInput input) : input_(input) {
    PipeHandler::Options options;
    options.heartbeat_interval = 5s;
    if (input_.flag()) options.heartbeat_timeout = std::nullopt;
    if (input_.flag()) options.resend_interval = std::nullopt;
    if (input_.flag()) options.max_resends = static_cast<int64_t>(input_.below(3));
    Limits limits;
    limits.max_remembered_ids = kRemembered;
    handler_ = std::make_unique<PipeHandler>(options, limits);
  }

  void run() {
    while (!input_.over()) {
      now_ += input_.step();
      event();
      check();
    }
    handler_->stop("the end");
    check();
    require(under_way_.empty());
  }

 private:
  std::string id() { return "id-" + std::to_string(input_.below(8)); }

  std::string topic() {
    constexpr std::string_view kTopics[] = {"train",     "train",       "train",           topic::kMetric,
                                            topic::kEnd, topic::kAbort, topic::kAbortTask, topic::kStreamProgress};
    return std::string(kTopics[input_.below(input_.below(8) == 0 ? 8 : 4)]);
  }

  void event() {
    switch (input_.below(12)) {
      case 0: handler_->start(now_); break;
      case 1: handler_->on_connected(now_); break;
      case 2: {
        auto message = std::make_shared<Message>();
        message->kind = input_.flag() ? MessageKind::kReply : MessageKind::kRequest;
        message->topic = "train";
        message->id = "sent-" + std::to_string(++sent_);
        message->request_id = id();
        ++under_way_[message->id];
        handler_->send(message, Duration(1s) * (1 + input_.byte()), now_);
        break;
      }
      case 3: handler_->cancel("sent-" + std::to_string(input_.byte()), "cancelled"); break;
      case 4: handler_->on_peer_activity(now_); break;
      case 5:
      case 6: receive(); break;
      case 7: {
        std::optional<Refusal> refusal;
        if (input_.flag()) refusal = Refusal{"no", input_.flag()};
        handler_->on_ack("sent-" + std::to_string(input_.byte()), refusal, now_);
        break;
      }
      case 8: handler_->on_held_up(now_); break;
      case 9:
        if (input_.below(8) == 0) handler_->on_broken("broken");
        if (input_.below(8) == 1) handler_->forget_received(), remembered_.clear();
        if (input_.below(8) == 2) handler_->pause();
        if (input_.below(8) == 3) handler_->resume(now_);
        break;
      default:
        if (const auto deadline = handler_->deadline(); deadline && input_.flag()) now_ = std::max(now_, *deadline);
        handler_->on_time(now_);
        require(!handler_->deadline() || *handler_->deadline() > now_);
    }
  }

  void receive() {
    Message message;
    message.kind = input_.flag() ? MessageKind::kReply : MessageKind::kRequest;
    message.topic = topic();
    message.id = id();
    message.request_id = "sent-" + std::to_string(input_.byte());
    const bool stopped = handler_->stopped();
    const auto received = handler_->on_message(message, now_);
    if (stopped) require(received == PipeHandler::Received::kIgnored);
    if (received == PipeHandler::Received::kIgnored) {
      require(handler_->stopped());  // now or before
      return;
    }
    const bool repeated = std::find(remembered_.begin(), remembered_.end(), message.id) != remembered_.end();
    require((received == PipeHandler::Received::kRepeated) == repeated);
    if (repeated) return;
    std::optional<Refusal> refusal;
    if (input_.below(4) == 0) refusal = Refusal{"no", false};
    handler_->on_taken(message, refusal, now_);
    if (refusal) return;
    remembered_.push_back(message.id);
    if (remembered_.size() > kRemembered) remembered_.pop_front();
  }

  void check() {
    for (const auto &action : handler_->take_actions()) {
      if (const auto *sent = std::get_if<PipeHandler::Sent>(&action)) {
        const auto found = under_way_.find(sent->id);
        require(found != under_way_.end());  // each has one outcome
        under_way_.erase(found);
        continue;
      }
      require(!over_);
      if (const auto *transmit = std::get_if<PipeHandler::Transmit>(&action)) {
        // It may have been decided within the same event.
        require(transmit->message != nullptr);
      }
      if (std::holds_alternative<PipeHandler::Status>(action)) over_ = true;
    }
    if (over_) require(handler_->stopped());
    if (handler_->stopped()) require(under_way_.empty() && !handler_->deadline());
    if (!handler_->stopped() && !under_way_.empty()) require(handler_->deadline().has_value());
  }

  FuzzInput input_;
  std::unique_ptr<PipeHandler> handler_;
  TimePoint now_ = TimePoint() + 1h;
  std::map<std::string, int> under_way_;
  std::deque<std::string> remembered_;
  int sent_ = 0;
  bool over_ = false;
};

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::World({bytes, size}).run();
  return 0;
}
