// Kind ph: PipeHandler with a queue, or with callbacks, above it.
#include <deque>

#include "kinds.h"
#include "pipe_world.h"

namespace flare::replay {

namespace {

class PhPlayer {
 public:
  PhPlayer(const Script &script, Report *report)
      : script_(script),
        report_(report),
        status_callback_(script.head().flag("status_cb")),
        message_callback_(script.head().flag("msg_cb")),
        world_(script, {[this](const std::string &topic) { status(topic); },
                        [this](const Line &line) { message(line.text("topic"), line.text("id")); }}) {
    for (const Line &line : script.lines) {
      if (line.ev() == "act") observed_.push_back(&line);
    }
  }

  void play() {
    world_.start();
    world_.run([this](const Line &line, std::function<void()> over) { act(line, std::move(over)); });
    world_.compare(report_);
    std::string queue;
    for (const auto &[topic, id] : queue_) queue += (queue.empty() ? "" : ",") + topic;
    report_->expect(script_.end(), "queue", queue);
  }

 private:
  // PH-06.
  void status(const std::string &topic) {
    if (status_callback_) {
      world_.produce({{"ev", "status"}, {"topic", topic}});
    } else {
      queue_.emplace_back(topic, "");
    }
  }
  void message(const std::string &topic, const std::string &id) {
    if (message_callback_) {
      world_.produce({{"ev", "msg"}, {"topic", topic}});
    } else if (topic != topic::kStreamProgress) {
      queue_.emplace_back(topic, id);
    }
  }

  void act(const Line &line, std::function<void()> over) {
    const std::string what = line.text("do");
    Json event = {{"ev", "act"}, {"do", what}, {"t0", rounded(world_.now())}};
    const size_t index = acts_++;
    if (what == "send") {
      auto hello = std::make_shared<Message>();
      hello->topic = "hello";
      hello->id = "hello-" + std::to_string(index);
      world_.send(hello, line.maybe_number("arg"), [this, event, over](SendResult result) mutable {
        if (result == SendResult::kRaised) {
          event["err"] = "RuntimeError";
        } else {
          event["ret"] = result == SendResult::kYes;
        }
        world_.produce(event);
        over();
      });
      return;
    }
    if (what == "next") {
      event["topic"] = event["id"] = nullptr;
      if (!world_.handler().stopped() && !queue_.empty()) {
        event["topic"] = queue_.front().first;
        event["id"] = queue_.front().second.empty() ? observed(index, "id") : Json(queue_.front().second);
        queue_.pop_front();
      }
    } else if (what == "peerup") {
      event["ret"] = world_.peer_up();
    } else if (what == "pause") {
      world_.handler().pause();
    } else if (what == "resume") {
      world_.handler().resume(world_.time());
    } else if (what == "notify_end") {
      world_.notify(topic::kEnd);
    } else if (what == "notify_abort") {
      world_.notify(topic::kAbort);
    } else if (what == "stop") {
      event["close"] = observed(index, "close");  // the act's line does not say it
      world_.stop(event["close"] == true);
    }
    world_.produce(event);
    over();
  }

  // A field of the observation of this act, for what cannot be known otherwise: ids that upstream made up.
  Json observed(size_t index, const char *field) const {
    if (index >= observed_.size() || !observed_[index]->has(field)) return {};
    return observed_[index]->fields.at(field);
  }

  const Script &script_;
  Report *report_;
  bool status_callback_, message_callback_;
  PipeWorld world_;
  std::vector<const Line *> observed_;
  size_t acts_ = 0;
  std::deque<std::pair<std::string, std::string>> queue_;  // topic and id; none for events made here
};

}  // namespace

void replay_ph(const Script &script, Report *report) { PhPlayer(script, report).play(); }

}  // namespace flare::replay
