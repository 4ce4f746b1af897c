// Kind agent: TaskBook above PipeHandler, with the agent's rules around them (AG-02..AG-15).
#include <string>

#include "agent/task_book.h"
#include "kinds.h"
#include "pipe_world.h"

namespace flare::replay {

namespace {

constexpr double kGetPoll = 0.5;
constexpr int64_t kTotalRounds = 5;          // of every task that has a round
constexpr const char *kContent = "content";  // a header of the scripts: what the body of a task is

class AgentPlayer {
 public:
  AgentPlayer(const Script &script, Report *report)
      : script_(script),
        head_(script.head()),
        report_(report),
        book_(Limits().max_queued_messages),
        world_(script,
               {[this](const std::string &topic) { status(topic); }, [this](const Line &line) { arrived(line); }}) {}

  void play() {
    world_.produce({{"ev", "open"}, {"name", "task"}});
    world_.start();
    world_.run([this](const Line &line, std::function<void()> over) { act(line, std::move(over)); });
    if (submitting_) book_.answer(task_id_of(*book_.in_hand()));  // AG-13: in every case
    world_.compare(report_);
    const Line &end = script_.end();
    report_->expect(end, "queue", queue_);
    report_->expect(end, "agent_stop", book_.over_status().has_value());
    report_->expect(end, "cur", current());
  }

 private:
  Json current() const { return book_.in_hand() ? Json(task_id_of(*book_.in_hand())) : Json(); }

  // AG-03.
  void status(const std::string &topic) {
    book_.over(topic == topic::kEnd ? FLARE_ENDED : FLARE_PEER_GONE, topic);
    world_.stop(head_.flag("close_pipe"));
  }

  void arrived(const Line &line) {
    const std::string topic = line.text("topic");
    if (topic == topic::kStreamProgress) return;
    auto task = std::make_shared<Message>();
    task->topic = topic;
    task->id = line.text("id");
    task->data.headers.set(header::kTaskId, task->id);
    task->data.headers.set(header::kTaskName, topic);
    task->data.headers.set(kContent, line.maybe_text("task").value_or(""));
    if (const auto round = line.maybe_integer("round")) {
      task->data.headers.set(header::kCurrentRound, *round);
      task->data.headers.set(header::kNumRounds, kTotalRounds);
    }
    adopt_rounds(task->data);
    book_.arrived(task);
    queue_ += (queue_.empty() ? "" : ",") + topic;
  }

  // What was queued when the pipe ended stays where it is upstream, unread; TaskBook lets go of it.
  void taken() {
    const size_t comma = queue_.find(',');
    queue_ = comma == std::string::npos ? "" : queue_.substr(comma + 1);
  }

  void act(const Line &line, std::function<void()> over) {
    const std::string what = line.text("do");
    Json event = {{"ev", "act"}, {"do", what}, {"t0", rounded(world_.now())}};
    if (what == "get") return get(event, line.maybe_number("arg"), world_.now(), std::move(over));
    if (what == "submit" || what == "submit_none" || what == "submit_bad") {
      return submit(event, what != "submit_bad", std::move(over));
    }
    if (what == "get_next_state") {
      event["cur"] = current();
      event["stopped"] = book_.over_status().has_value();
    } else if (what == "stop") {
      book_.over(FLARE_STOPPED, "stopped");
      world_.stop(head_.flag("close_pipe"));
    }
    world_.produce(event);
    over();
  }

  // AG-06. TaskBook says what there is; upstream asks it every 0.5 s, and its clock first.
  void get(Json event, std::optional<double> timeout, double since, std::function<void()> over) {
    // W-04: the pipe may have stopped without a word; then nothing comes any more.
    const bool silent = world_.handler().stopped() && !book_.over_status() && !book_.in_hand();
    const bool late = timeout && world_.now() - since >= *timeout;
    const bool open = !book_.over_status() && !book_.in_hand();
    if (open && late) {
      event["task"] = nullptr;
    } else {
      const TaskBook::Next next = silent ? TaskBook::Next{FLARE_TIMEOUT, "", nullptr} : book_.next();
      if (next.status == FLARE_TIMEOUT) {
        world_.at(world_.now() + kGetPoll, [=, this] { get(event, timeout, since, over); });
        return;
      }
      if (next.status == FLARE_OK) {
        taken();
        show_task(&event, *next.task);
      } else {
        event["err"] = next.status == FLARE_INVALID_STATE ? "CallStateError" : "AgentClosed";
      }
    }
    world_.produce(event);
    over();
  }

  // AG-08, AG-11: a message without a proper task in it is consumed.
  void show_task(Json *event, const Message &task) {
    const std::string content = text_header(task.data, kContent);
    if (content != "dxo") {
      (*event)["err"] = content == "bad" ? "RuntimeError" : "ValueError";
      book_.answer(task_id_of(task));
      return;
    }
    const auto number = [&](std::string_view name) {
      const Value *value = task.data.meta.find(name);
      return value ? maybe(value->integer()) : Json();
    };
    (*event)["task"] = task_id_of(task);
    (*event)["name"] = task_name_of(task);
    (*event)["round"] = number(meta::kCurrentRound);
    (*event)["total"] = number(meta::kTotalRounds);
  }

  // AG-13, AG-15.
  void submit(Json event, bool convertible, std::function<void()> over) {
    const MessagePtr task = book_.in_hand();
    if (!task || !convertible) {
      if (task) book_.answer(task_id_of(*task));
      event["ret"] = false;
      world_.produce(event);
      return over();
    }
    auto reply = std::make_shared<Message>();
    reply->kind = MessageKind::kReply;
    reply->topic = task_name_of(*task);
    reply->id = "reply-" + std::to_string(++replies_);
    reply->request_id = task->id;
    submitting_ = true;
    world_.send(reply, head_.number_of("submit_timeout"), [=, this](SendResult result) mutable {
      submitting_ = false;
      book_.answer(task_id_of(*task));
      event["ret"] = result == SendResult::kYes;
      world_.produce(event);
      over();
    });
  }

  const Script &script_;
  const Line &head_;
  Report *report_;
  TaskBook book_;
  PipeWorld world_;
  std::string queue_;
  bool submitting_ = false;
  int64_t replies_ = 0;
};

}  // namespace

void replay_agent(const Script &script, Report *report) { AgentPlayer(script, report).play(); }

}  // namespace flare::replay
