#include "exchanger/exchanger.h"

#include <algorithm>
#include <utility>

#include "base/failure.h"
#include "base/uuid.h"
#include "pipe/open_pipe.h"
#include "pipe/zmq/frames.h"

namespace flare {

// ---- Open and close ------------------------------------------------------------------------------------------

Exchanger::Exchanger(const Resolved &resolved, std::optional<RendezvousEntry> entry)
    : settings_(resolved.settings),
      read_timeout_chosen_(resolved.chosen("peer_read_timeout")),
      log_(settings_.log_level, settings_.log_file),
      entry_(std::move(entry)) {}

std::shared_ptr<Exchanger> Exchanger::open(const Resolved &given) {
  Resolved resolved = given;
  std::optional<RendezvousEntry> entry;
  if (!resolved.settings.rendezvous_dir.empty()) entry.emplace(RendezvousEntry::claim(&resolved.settings));
  if (resolved.settings.url.empty()) {
    throw Failure(FLARE_INVALID_ARGUMENT, "no URL to serve: set the option url, for example zmq+ipc:///PATH");
  }
  std::shared_ptr<Exchanger> exchanger(new Exchanger(resolved, std::move(entry)));
  exchanger->start(resolved);
  return exchanger;
}

void Exchanger::start(const Resolved &resolved) {
  {
    std::lock_guard lock(mutex_);
    refresh();
  }
  loop_ = std::make_unique<Loop>("flare-exchanger", [this](std::exception_ptr error) {
    std::string reason = "unknown exception";
    try {
      std::rethrow_exception(std::move(error));
    } catch (const std::exception &exception) {
      reason = exception.what();
    } catch (...) {
    }
    log_.error("internal error: " + reason);
    if (pipe_) pipe_->close("internal error");  // memory of the user is given back before anybody hears of the end
    on_over(FLARE_INTERNAL, reason);
  });
  loop_->run_and_wait([&] {
    task_alarm_ = loop_->make_alarm([this] { attend_tasks(); });
    pipe_ = open_pipe();
    url_ = pipe_->url();
    if (entry_) entry_->publish(resolved, profile_for_trainer(settings_, url_));
  });
  if (!settings_.trainer_profile.empty()) {
    handed_out_ = std::make_unique<WrittenProfile>(settings_.trainer_profile, profile_for_trainer(settings_, url_));
  }
}

std::unique_ptr<FramePipe> Exchanger::open_pipe() {
  Settings settings = settings_;
  const bool own_port = settings.advertise.find(':') == std::string::npos;  // else the entry has the forwarded one
  if (const std::string before = entry_ && own_port ? entry_->url_before(settings.url) : ""; !before.empty()) {
    settings.url = before;
    try {
      return flare::open_pipe(FramePipe::Role::kExchanger, settings, loop_.get(), log_, this);
    } catch (const Failure &failed) {
      log_.info("the port of the exchanger before is not free reason=" + std::string(failed.what()));
    }
  }
  return flare::open_pipe(FramePipe::Role::kExchanger, settings_, loop_.get(), log_, this);
}

Exchanger::~Exchanger() { close(); }

void Exchanger::stop() {
  std::lock_guard lock(mutex_);
  if (std::exchange(stopped_, true)) return;
  be_over(FLARE_STOPPED, "the exchanger was stopped");
  for (const auto &request : queue_) request->done_fd.set(true);
  for (const auto &[id, request] : sent_) request->done_fd.set(true);
  refresh();
}

void Exchanger::close() {
  std::lock_guard closing(close_mutex_);
  if (!loop_ || std::exchange(close_begun_, true)) return;
  handed_out_.reset();
  end("the exchanger closed");
  stop();
  if (pipe_) said_goodbye_fd_.wait(Clock::now() + settings_.close_timeout);
  try {
    loop_->run_and_wait([this] {
      task_alarm_.reset();
      if (pipe_) pipe_->close("the exchanger closed");
    });
    loop_->run_and_wait([this] { pipe_.reset(); });
  } catch (const Failure &failed) {
    log_.error(std::string("close: ") + failed.what());
  }
  loop_->stop();
  std::lock_guard lock(mutex_);
  closed_ = true;
  const auto queued = std::exchange(queue_, {});
  const auto sent = std::exchange(sent_, {});
  for (const auto &request : queued) finish(*request, FLARE_STOPPED, "the exchanger was closed");
  for (const auto &[id, request] : sent) finish(*request, FLARE_STOPPED, "the exchanger was closed");
  refresh();
}

Outcome Exchanger::end(const std::string &reason) {
  std::lock_guard lock(mutex_);
  return leave(FLARE_ENDED, topic::kEnd, reason);
}

Outcome Exchanger::abort(const std::string &reason) {
  std::lock_guard lock(mutex_);
  Outcome outcome = leave(FLARE_ABORTED, topic::kAbort, reason);
  if (outcome.status != FLARE_OK) return outcome;
  take_back(std::exchange(sent_, {}), FLARE_ABORTED, "the job was aborted: " + reason);
  return outcome;
}

void Exchanger::take_back(Requests requests, flare_status status, const std::string &reason) {
  loop_->post([this, requests = std::move(requests), status, reason] {
    for (const auto &[id, request] : requests) take_back(request, status, reason);
  });
}

// Memory of the user is given back by the pipe before the request says that it is done.
void Exchanger::take_back(const std::shared_ptr<Request> &request, flare_status status, const std::string &reason) {
  if (pipe_) pipe_->cancel(request->message_id, status, reason);
  std::lock_guard lock(mutex_);
  finish(*request, status, reason);
}

// No new task: what was not handed over is dropped, the agent is told, and no other is admitted.
Outcome Exchanger::leave(flare_status status, std::string_view topic, const std::string &reason) {
  if (over_) return *over_;
  be_over(status, reason);
  goodbye_ = new_uuid();
  const auto queued = std::exchange(queue_, {});
  for (const auto &request : queued) finish(*request, status, reason);
  refresh();
  loop_->post([this, topic, reason, id = goodbye_] {
    if (!pipe_) return;
    pipe_->close_doors(reason);
    send_signal(topic, id, "", reason);
  });
  return {};
}

// ---- State ---------------------------------------------------------------------------------------------------

void Exchanger::refresh() {
  connected_fd_.set(connected_ || over_.has_value());
  metric_fd_.set(!metrics_.empty() || over_.has_value());
  said_goodbye_fd_.set(over_ && goodbye_.empty() && !words_left_);
}

// Out of the rendezvous first: an agent that hears of the end and looks for another job does not find this one.
void Exchanger::be_over(flare_status status, const std::string &reason) {
  if (over_) return;
  entry_.reset();
  over_ = Outcome{status, reason};
}

Outcome Exchanger::wait_connected(int64_t timeout_ms) {
  return wait_for(
      &mutex_, connected_fd_, timeout_ms,
      [this]() -> std::optional<Outcome> {
        if (over_) return over_;
        if (connected_) return Outcome{};
        return std::nullopt;
      },
      loop_.get());
}

flare_state Exchanger::state() const {
  std::lock_guard lock(mutex_);
  if (!over_) return connected_ ? FLARE_STATE_CONNECTED : FLARE_STATE_CONNECTING;
  switch (over_->status) {
    case FLARE_ENDED: return FLARE_STATE_ENDED;
    case FLARE_STOPPED: return FLARE_STATE_STOPPED;
    case FLARE_PEER_GONE: return FLARE_STATE_PEER_GONE;
    default: return FLARE_STATE_ABORTED;
  }
}

// ---- Requests ------------------------------------------------------------------------------------------------

Outcome Exchanger::send(const std::shared_ptr<Request> &request, Shareable content, bool lent) {
  std::unique_lock lock(mutex_);
  if (request->state != Request::State::kDraft) {
    return {FLARE_INVALID_STATE, "task '" + request->id + "' was sent already"};
  }
  if (over_) return *over_;
  if (request->id.empty()) request->id = new_uuid();
  const auto same = [&](const std::shared_ptr<Request> &other) { return other->id == request->id; };
  const bool taken = std::any_of(queue_.begin(), queue_.end(), same) ||
                     std::any_of(sent_.begin(), sent_.end(), [&](const auto &entry) { return same(entry.second); });
  if (taken) return {FLARE_INVALID_STATE, "task '" + request->id + "' is under way already"};
  auto task = std::make_shared<Message>();
  task->topic = request->task_name;
  task->id = new_uuid();
  task->data = std::move(content);
  task->data.headers.set(header::kTaskId, request->id);
  task->data.headers.set(header::kTaskName, request->task_name);
  // Only those that this exchanger answers for: NVFlare's header of that name may name others.
  task->data.headers.erase(header::kReceiverIds);
  if (!request->receivers.empty()) {
    task->data.headers.set(header::kReceiverIds, List(request->receivers.begin(), request->receivers.end()));
  }
  task->data.headers.set(header::kJobId, settings_.job_id);
  task->data.headers.set(header::kSiteName, settings_.site);
  task->data.headers.set(header::kAttempt, request->attempt);
  wire::plan(*task, settings_.limits);  // throws for what cannot be sent
  request->message_id = task->id;
  request->task = std::move(task);
  request->lent = lent;
  request->state = Request::State::kQueued;
  queue_.push_back(request);
  loop_->line_up([this] { send_next(); });
  lock.unlock();
  loop_->help();
  return {};
}

void Exchanger::send_next() {
  MessagePtr task;
  SendOptions options;
  {
    std::lock_guard lock(mutex_);
    const bool busy =
        std::any_of(sent_.begin(), sent_.end(), [](const auto &entry) { return !entry.second->receiving; });
    if (!connected_ || busy || queue_.empty() || !pipe_) return;
    const auto request = queue_.front();
    queue_.pop_front();
    request->state = Request::State::kSent;
    sent_[request->message_id] = request;
    task = request->task;
    options.lent = request->lent;
    request->patience.reset();
  }
  options.timeout = settings_.submit_result_timeout;
  pipe_->send(task, options);
  attend_tasks();
}

void Exchanger::attend_tasks() {
  const TimePoint now = Clock::now();
  std::optional<TimePoint> next;
  std::vector<std::pair<std::string, std::string>> given_up;
  {
    std::lock_guard lock(mutex_);
    for (const auto &[id, request] : sent_) {
      const auto deadline = request->patience ? request->patience->deadline() : std::nullopt;
      if (!deadline) continue;
      if (now < *deadline) {
        next = earlier(next, deadline);
      } else {
        given_up.emplace_back(id, request->patience->reason());
        request->patience.reset();
      }
    }
  }
  for (const auto &[id, reason] : given_up) {
    loop_->post([this, id = id, reason = reason] {
      if (pipe_) pipe_->cancel(id, FLARE_STALLED, reason);
    });
  }
  if (task_alarm_) task_alarm_->set(next);
}

int Exchanger::done_fd(const Request &request) const {
  std::lock_guard lock(mutex_);
  return request.state == Request::State::kDraft ? -1 : request.done_fd.get();
}

Outcome Exchanger::wait(Request &request, int64_t timeout_ms, MessagePtr *reply) {
  return wait_for(
      &mutex_, request.done_fd, timeout_ms,
      [&]() -> std::optional<Outcome> {
        if (request.state == Request::State::kDraft) {
          return Outcome{FLARE_INVALID_STATE, "the task was not sent: call flare_request_send() first"};
        }
        if (request.state == Request::State::kDone) {
          if (request.outcome.status == FLARE_OK) *reply = request.reply;
          return request.outcome;
        }
        if (stopped_) return Outcome{FLARE_STOPPED, "the exchanger was stopped"};
        return std::nullopt;
      },
      loop_.get());
}

void Exchanger::abort(const std::shared_ptr<Request> &request, const std::string &reason) {
  bool sent = false;
  {
    std::lock_guard lock(mutex_);
    if (request->state == Request::State::kDraft || request->state == Request::State::kDone) return;
    sent = sent_.erase(request->message_id) > 0;
    std::erase(queue_, request);
    if (closed_ || !request->lent) finish(*request, FLARE_ABORTED, reason);
    if (closed_) return;
  }
  const auto take_it_back = [this, request, reason, sent] {
    take_back(request, FLARE_ABORTED, reason);
    if (sent && pipe_) send_signal(topic::kAbortTask, new_uuid(), request->id, reason);
    send_next();
  };
  if (!request->lent) {
    loop_->post(take_it_back);
    return;
  }
  try {
    loop_->run_and_wait(take_it_back);  // memory of the user is the user's again when this returns
  } catch (const Failure &) {           // closed in between
    std::lock_guard lock(mutex_);
    finish(*request, FLARE_ABORTED, reason);
  }
}

Outcome Exchanger::report(const Message &reply, const std::string &receiver, int64_t bytes) {
  return tell([id = reply.id, receiver, bytes](FramePipe *pipe) {
    pipe->report(id, receiver, static_cast<uint64_t>(bytes), 0);
  });
}

Outcome Exchanger::confirm(const Message &reply, const std::string &receiver, bool success, const std::string &reason) {
  return tell(
      [id = reply.id, receiver, success, reason](FramePipe *pipe) { pipe->confirm(id, receiver, success, reason); });
}

Outcome Exchanger::tell(std::function<void(FramePipe *)> word) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return {FLARE_STOPPED, "the exchanger was closed"};
  }
  loop_->post([this, word = std::move(word)] {
    if (pipe_) word(pipe_.get());
  });
  return {};
}

void Exchanger::send_signal(std::string_view topic, const std::string &id, const std::string &task_id,
                            const std::string &reason) {
  auto message = std::make_shared<Message>();
  message->topic = topic;
  message->id = id;
  message->data.headers.set(header::kReason, reason);
  if (!task_id.empty()) message->data.headers.set(header::kTaskId, task_id);
  SendOptions options;
  options.timeout = settings_.submit_result_timeout;
  {
    std::lock_guard lock(mutex_);
    if (!present_) {  // nobody is there to be told
      if (goodbye_ == id) goodbye_.clear();
      refresh();
      return;
    }
  }
  pipe_->send(message, options);
}

void Exchanger::finish(Request &request, flare_status status, const std::string &reason) {
  if (request.state == Request::State::kDone) return;
  request.state = Request::State::kDone;
  request.outcome = {status, reason};
  request.task.reset();
  request.done_fd.set(true);
}

std::shared_ptr<Request> Exchanger::asked(const Message &reply) const {
  const auto found = sent_.find(reply.request_id);
  // TX-09: a reply belongs to its request by id and topic.
  return found != sent_.end() && found->second->task_name == reply.topic ? found->second : nullptr;
}

// ---- Metrics -------------------------------------------------------------------------------------------------

Outcome Exchanger::next_metric(int64_t timeout_ms, Metric *metric) {
  return wait_for(&mutex_, metric_fd_, timeout_ms, [&]() -> std::optional<Outcome> {
    if (!metrics_.empty()) {
      *metric = std::move(metrics_.front());
      metrics_.pop_front();
      refresh();
      return Outcome{};
    }
    return over_;
  });
}

// ---- From the pipe -------------------------------------------------------------------------------------------

void Exchanger::on_up(const PeerInfo &peer, bool new_peer) {
  log_.info("agent connected agent=" + peer.agent_id + " library=" + peer.library);
  std::vector<std::shared_ptr<Request>> again;
  {
    std::lock_guard lock(mutex_);
    connected_ = present_ = true;
    if (new_peer) {
      // Another process: what the one before had in hand is handed out again.
      for (const auto &[id, request] : sent_) {
        auto task = std::make_shared<Message>(*request->task);
        task->data.headers.set(header::kAttempt, ++request->attempt);
        request->task = std::move(task);
        request->receiving = false;
        request->state = Request::State::kQueued;
        again.push_back(request);
      }
      sent_.clear();
      queue_.insert(queue_.begin(), again.begin(), again.end());
    }
    refresh();
  }
  loop_->post([this] { send_next(); });
}

void Exchanger::on_down(bool left) {
  std::lock_guard lock(mutex_);
  connected_ = false;
  if (left) present_ = false;
  if (over_ && left) {
    goodbye_.clear();
    // No other agent is admitted that could answer.
    take_back(std::exchange(sent_, {}), FLARE_PEER_GONE, "the agent left at the end of the job");
  }
  refresh();
}

std::optional<Refusal> Exchanger::on_offered(const Message &message, size_t) {
  if (message.kind == MessageKind::kRequest) {
    if (message.topic == topic::kMetric) return std::nullopt;
    return Refusal{"an exchanger takes results and metrics, not '" + message.topic + "'", true};
  }
  std::lock_guard lock(mutex_);
  const auto request = asked(message);
  if (!request) return Refusal{"nobody asked for this result (any more)", true};
  request->receiving = true;
  loop_->post([this] { send_next(); });
  return std::nullopt;
}

void Exchanger::on_message(const MessagePtr &message) {
  if (message->kind == MessageKind::kRequest) {
    size_t dropped = 0;
    std::lock_guard lock(mutex_);
    for (Metric &metric : to_metrics(*message)) {
      if (metrics_.size() >= settings_.limits.max_metrics) {
        metrics_.pop_front();
        ++dropped;
      }
      metrics_.push_back(std::move(metric));
    }
    if (dropped > 0) log_.warn(std::to_string(dropped) + " metrics were dropped, as nobody reads them");
    refresh();
    return;
  }
  std::shared_ptr<Request> request;
  {
    std::lock_guard lock(mutex_);
    request = asked(*message);
    if (!request) return;
    sent_.erase(request->message_id);
  }
  reclaim(*request);
  std::lock_guard lock(mutex_);
  if (request->state == Request::State::kDone) return;  // aborted in between
  auto reply = std::make_shared<Message>(*message);
  // TX-09: the round is that of the task.
  if (const Value *round = request->task->data.headers.find(header::kCurrentRound)) {
    reply->data.headers.set(header::kCurrentRound, *round);
  }
  request->reply = std::move(reply);
  finish(*request, FLARE_OK, "");
}

void Exchanger::on_message_lost(const MessagePtr &message, flare_status status, const std::string &reason) {
  log_.warn("result lost task=" + text_header(message->data, header::kTaskId) + " reason=" + reason);
  std::shared_ptr<Request> request;
  {
    std::lock_guard lock(mutex_);
    request = asked(*message);
    // Lost with its sender: the task is handed out again to the next.
    if (!request || status == FLARE_PEER_GONE) return;
    sent_.erase(request->message_id);
  }
  reclaim(*request);
  std::lock_guard lock(mutex_);
  finish(*request, status, reason);
}

// What is answered is not fetched any more, whatever the agent asks for: memory of the user is given back before the
// request is done.
void Exchanger::reclaim(const Request &request) {
  if (request.lent) pipe_->cancel(request.message_id, FLARE_ABORTED, "the task was answered");
}

void Exchanger::on_transaction(const std::string &id) {
  std::lock_guard lock(mutex_);
  const auto found = sent_.find(id);
  if (found == sent_.end()) return;
  found->second->patience.emplace(
      TaskPatience::Options{settings_.streaming_idle_timeout, settings_.peer_read_timeout, read_timeout_chosen_},
      Clock::now());
}

void Exchanger::on_progress(const TransferEvent &event) {
  {
    std::lock_guard lock(mutex_);
    const auto found = sent_.find(event.transaction);
    if (found == sent_.end() || !found->second->patience) return;
    found->second->patience->on_progress(Clock::now());
    // It has the task: how long it computes is its business.
    if (terminal(event.state)) found->second->patience.reset();
  }
  attend_tasks();
}

void Exchanger::on_accepted(const std::string &id, bool, const std::string &) {
  std::lock_guard lock(mutex_);
  if (id != goodbye_) return;
  goodbye_.clear();
  refresh();
}

void Exchanger::on_settled(const std::string &id, flare_status status, const std::string &reason) {
  if (status == FLARE_OK) return;
  std::lock_guard lock(mutex_);
  const auto found = sent_.find(id);
  if (found == sent_.end()) return;
  const auto request = found->second;
  sent_.erase(found);
  finish(*request, status, "task '" + request->id + "' was not received: " + reason);
  loop_->post([this] { send_next(); });
}

void Exchanger::on_words_left(bool any) {
  std::lock_guard lock(mutex_);
  words_left_ = any;
  refresh();
}

void Exchanger::on_over(flare_status status, const std::string &reason) {
  log_.info("session over reason=" + reason);
  std::lock_guard lock(mutex_);
  connected_ = present_ = false;
  words_left_ = false;
  goodbye_.clear();
  be_over(status, reason);
  const auto queued = std::exchange(queue_, {});
  const auto sent = std::exchange(sent_, {});
  for (const auto &request : queued) finish(*request, status, reason);
  for (const auto &[id, request] : sent) finish(*request, status, reason);
  refresh();
}

}  // namespace flare
