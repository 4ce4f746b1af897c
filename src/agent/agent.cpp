#include "agent/agent.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/failure.h"
#include "base/uuid.h"
#include "model/result_rules.h"
#include "pipe/open_pipe.h"

namespace flare {

namespace {

flare_task_kind kind_of(const std::string &name, const Settings &settings) {
  if (name == settings.train_task_name) return FLARE_TASK_TRAIN;
  if (name == settings.evaluate_task_name) return FLARE_TASK_VALIDATE;
  if (name == settings.submit_model_task_name) return FLARE_TASK_SUBMIT_MODEL;
  return FLARE_TASK_OTHER;
}

// A resident may wait for months, beside jobs that are not for it.
constexpr size_t kMaxPassedOver = 1000;

}  // namespace

// ---- Open and close ------------------------------------------------------------------------------------------

Agent::Agent(const Resolved &resolved)
    : own_(resolved),
      log_(settings_.log_level, settings_.log_file),
      session_(resolved),
      book_(settings_.limits.max_queued_messages),
      metrics_(static_cast<size_t>(settings_.metric_queue), settings_.limits),
      launch_mode_(settings_.launch_once) {
  for (const std::string &name : resolved.unknown) log_.warn("environment variable " + name + " is not an option");
}

std::shared_ptr<Agent> Agent::open(const Resolved &resolved) {
  if (resolved.settings.url.empty() && resolved.settings.rendezvous_dir.empty()) {
    throw Failure(
        FLARE_INVALID_ARGUMENT,
        "no URL: set FLARE_AGENT_URL, the option url or rendezvous_dir, or name a profile in FLARE_AGENT_PROFILE");
  }
  Resolved fixed = resolved;  // the program may go to another folder before these are used
  Settings &own = fixed.settings;
  for (std::string *path : {&own.rendezvous_dir, &own.curve_secret_key_file, &own.curve_exchanger_key_file}) {
    std::error_code error;
    if (!path->empty()) *path = std::filesystem::absolute(*path, error).string();
  }
  std::shared_ptr<Agent> agent(new Agent(fixed));
  agent->start();
  return agent;
}

void Agent::start() {
  {
    std::lock_guard lock(mutex_);
    refresh();
  }
  loop_ = std::make_unique<Loop>("flare-agent", [this](std::exception_ptr error) {
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
  loop_->run_and_wait([this] {
    upload_alarm_ = loop_->make_alarm([this] { attend_uploads(); });
    stop_watch_ = loop_->make_watch(stop_bell_.get(), [this] {
      stop_watch_.reset();  // it stays rung
      stop();
    });
    if (!settings_.url.empty()) {
      pipe_ = open_agent_pipe(settings_, loop_.get(), log_, this);
      return;
    }
    search_.emplace(settings_.agent_id, settings_.rendezvous_dir, settings_.connect_timeout, Clock::now());
    search_alarm_ = loop_->make_alarm([this] {
      try {
        look_for_exchanger();
      } catch (const Failure &failed) {
        on_over(failed.status(), failed.what());
      }
    });
    look_for_exchanger();
  });
}

void Agent::look_for_exchanger() {
  if (pipe_) {  // the one before did not answer
    pipe_->close("another exchanger is tried");
    pipe_.reset();
  }
  seat_.reset();
  {
    std::lock_guard lock(mutex_);
    if (book_.over_status()) return;
  }
  for (;;) {
    if (const auto end = search_->end(Clock::now())) {
      search_alarm_.reset();
      search_.reset();
      on_over(end->status, end->reason);
      return;
    }
    RendezvousLook look = look_for_job(settings_, search_->avoided(Clock::now()));
    if (look.seat) {
      if (try_exchanger(*std::move(look.seat))) return;
      continue;
    }
    search_->on_nothing(look.taken);
    search_alarm_->set(search_->next_look(Clock::now()));
    return;
  }
}

bool Agent::try_exchanger(RendezvousSeat seat) {
  const std::string job = seat.job, path = seat.path;
  const Duration patience = search_->on_found(job, Clock::now());
  try {
    std::map<std::string, std::string> told = seat.values;
    // Either option says the exchanger's key, and what this agent was given itself counts.
    if (!settings_.curve_exchanger_key_file.empty()) told.erase("curve_exchanger_key");
    Resolved session = with_more(own_, told, "rendezvous entry " + path);
    session.settings.connect_timeout = patience;
    pipe_ = open_agent_pipe(session.settings, loop_.get(), log_, this);
    log_.info("exchanger found job=" + job + " url=" + session.settings.url);
    seat_ = std::move(seat);
    std::lock_guard lock(mutex_);
    session_ = std::move(session);
    return true;
  } catch (const Failure &failed) {  // what its entry says is not for this agent
    log_passed_over(job, failed.what());
    search_->on_failed(FLARE_UNREACHABLE, failed.what(), Clock::now());
    return false;
  }
}

void Agent::log_passed_over(const std::string &job, const std::string &reason) {
  const std::string record = "exchanger passed over job=" + job + " reason=" + reason;
  if (passed_over_.size() >= kMaxPassedOver) passed_over_.clear();
  if (passed_over_.insert(record).second) log_.warn(record);
}

Agent::~Agent() { close(); }

void Agent::stop() {
  std::lock_guard lock(mutex_);
  if (std::exchange(stopped_, true)) return;
  book_.over(FLARE_STOPPED, "the agent was stopped");
  for (auto &[id, flag] : in_hands_) {
    if (const auto raised = flag.lock()) raised->store(true);
  }
  for (auto &[id, upload] : uploads_) upload->accepted_fd.set(true);
  log_.end_reading();
  refresh();
  if (closed_) return;
  loop_->post([this] { abandon_uploads(); });
}

void Agent::heed_stop() {
  if (asked_to_stop()) stop();
}

void Agent::abandon_uploads() {
  {
    std::lock_guard lock(mutex_);
    const auto uploads = uploads_;
    for (const auto &[id, upload] : uploads) {
      upload->on_stop(Clock::now());
      if (upload->settled()) settled(upload);
    }
  }
  attend_uploads();
}

void Agent::close() {
  std::lock_guard closing(close_mutex_);
  if (!loop_ || std::exchange(close_begun_, true)) return;
  stop();
  {
    // The job must not wait for a task that nobody will answer any more.
    std::lock_guard lock(mutex_);
    if (const MessagePtr task = book_.in_hand(); task && !closed_ && book_.wanted() == TaskBook::Wanted::kYes) {
      book_.answer(task_id_of(*task));
      start_upload(*task, reply_to(*task, failed_result("EXECUTION_EXCEPTION",
                                                        "the trainer closed its agent without answering the task")));
    }
    refresh();
  }
  loop_->help();
  const TimePoint deadline = Clock::now() + settings_.close_timeout;
  idle_fd_.wait(deadline);
  try {
    loop_->run_and_wait([this] {
      upload_alarm_.reset();
      stop_watch_.reset();
      search_alarm_.reset();
      search_.reset();
      if (!pipe_) return;
      pipe_->close("the agent closed");
      std::lock_guard lock(mutex_);
      pipe_stats_ = pipe_->stats();
      closed_ = true;
    });
    loop_->run_and_wait([this] {
      pipe_.reset();
      seat_.reset();
    });
  } catch (const Failure &failed) {
    log_.error(std::string("close: ") + failed.what());
  }
  loop_->stop();
  std::lock_guard lock(mutex_);
  closed_ = true;
  metrics_.drop_all();
  const auto unsettled = uploads_;
  for (const auto &[id, upload] : unsettled) settle(upload, FLARE_STOPPED, "the agent was closed");
  refresh();
}

// ---- State ---------------------------------------------------------------------------------------------------

void Agent::refresh() {
  task_fd_.set(book_.ready());
  connected_fd_.set(connected_ || book_.over_status());
  // Metrics alone are not waited for without a peer; results are, as long as it may come back.
  idle_fd_.set(uploads_.empty() && (metrics_.empty() || !connected_));
}

std::optional<Outcome> Agent::over() const {
  if (!book_.over_status()) return std::nullopt;
  return Outcome{*book_.over_status(), book_.over_reason()};
}

Outcome Agent::wait_connected(int64_t timeout_ms) {
  heed_stop();
  return wait_for(
      &mutex_, connected_fd_, timeout_ms,
      [this]() -> std::optional<Outcome> {
        if (auto ended = over()) return ended;
        if (connected_) return Outcome{};
        return std::nullopt;
      },
      loop_.get());
}

flare_state Agent::state() {
  heed_stop();
  std::lock_guard lock(mutex_);
  if (!book_.over_status()) return connected_ ? FLARE_STATE_CONNECTED : FLARE_STATE_CONNECTING;
  switch (*book_.over_status()) {
    case FLARE_ENDED: return FLARE_STATE_ENDED;
    case FLARE_STOPPED: return FLARE_STATE_STOPPED;
    case FLARE_PEER_GONE: return FLARE_STATE_PEER_GONE;
    case FLARE_REFUSED: return FLARE_STATE_REFUSED;
    case FLARE_UNREACHABLE: return FLARE_STATE_UNREACHABLE;
    default: return FLARE_STATE_ABORTED;
  }
}

const char *Agent::info(const std::string &name) {
  std::lock_guard lock(mutex_);
  std::string text;
  if (name == "url") text = session_.settings.url;
  if (name == "url_source" && session_.chosen("url")) text = session_.sources.at("url");
  if (name == "agent_id") text = settings_.agent_id;
  if (name == "site") text = peer_ && !peer_->site.empty() ? peer_->site : settings_.site;
  if (name == "job_id") text = peer_ && !peer_->job_id.empty() ? peer_->job_id : settings_.job_id;
  if (name == "peer_version" && peer_) text = peer_->library;
  if (name == "wire_version" && peer_) text = std::to_string(peer_->wire_version);
  if (name == "close_reason") text = book_.over_reason();
  return text.empty() ? nullptr : texts_.insert(std::move(text)).first->c_str();
}

flare_agent_stats Agent::stats() {
  PipeStats pipe;
  bool closed;
  {
    std::lock_guard lock(mutex_);
    pipe = pipe_stats_;
    closed = closed_;
  }
  if (!closed) {
    try {
      loop_->run_and_wait([&] { pipe = pipe_ ? pipe_->stats() : pipe_stats_; });
    } catch (const Failure &) {
      // It closed in between; the copy is its last word.
    }
  }
  std::lock_guard lock(mutex_);
  flare_agent_stats stats = counts_;
  stats.bytes_received = pipe.bytes_received;
  stats.bytes_sent = pipe.bytes_sent;
  stats.reconnects = pipe.reconnects;
  stats.duplicates_dropped = pipe.duplicates_dropped;
  stats.frames_rejected = pipe.frames_rejected;
  stats.metrics_sent = metrics_.accepted();
  stats.metrics_dropped = metrics_.dropped();
  return stats;
}

Outcome Agent::next_log_record(int64_t timeout_ms, Log::Record *record) {
  heed_stop();
  return wait_for(&mutex_, log_.unread(), timeout_ms, [&]() -> std::optional<Outcome> {
    if (auto unread = log_.take()) {
      *record = *std::move(unread);
      return Outcome{};
    }
    if (stopped_) return Outcome{FLARE_STOPPED, "the agent was stopped"};
    return std::nullopt;
  });
}

// ---- Tasks ---------------------------------------------------------------------------------------------------

Outcome Agent::next_task(int64_t timeout_ms, std::shared_ptr<Task> *task) {
  heed_stop();
  return wait_for(
      &mutex_, task_fd_, timeout_ms,
      [&]() -> std::optional<Outcome> {
        TaskBook::Next next = book_.next();
        refresh();
        if (next.status == FLARE_TIMEOUT) return std::nullopt;
        if (next.status == FLARE_OK) {
          *task = std::make_shared<Task>(shared_from_this(), next.task,
                                         kind_of(task_name_of(*next.task), session_.settings));
          in_hands_[(*task)->id()] = (*task)->aborted_;
        }
        return Outcome{next.status, next.reason};
      },
      loop_.get());
}

Outcome Agent::submit(Task &task, Shareable result, bool lent, std::shared_ptr<Upload> *upload) {
  heed_stop();
  MessagePtr reply;
  std::vector<uint64_t> sizes;
  const Settings &told = session_.settings;
  try {  // now: the task is still in hand, and can be answered with something else
    carry_headers(task.data(), &result);
    nest_tensors(task.data(), &result);
    if (task.kind() == FLARE_TASK_TRAIN && is_model(result)) {
      if (told.check_results) check_model(task.data(), result);
      if (told.params_transfer_type == "DIFF" && result.kind == kind::kWeights) {
        subtract_model(task.data(), &result);
        lent = false;  // the differences are in memory of our own
      }
    }
    reply = reply_to(*task.message(), std::move(result));
    sizes = payload_sizes(settings_, *reply);
  } catch (const Failure &refused) {
    std::lock_guard lock(mutex_);
    task.refusal_ = refused.what();
    throw;
  }
  std::unique_lock lock(mutex_);
  if (auto ended = over()) return *ended;
  const auto under_way = static_cast<size_t>(
      std::count_if(uploads_.begin(), uploads_.end(), [](const auto &entry) { return !entry.second->stands_in(); }));
  if (under_way >= settings_.limits.max_uploads) {
    return {FLARE_INVALID_STATE,
            std::to_string(under_way) + " results are still on their way: wait until one is delivered"};
  }
  const bool aborted = task.aborted_->load();
  const MessagePtr asked = book_.in_hand();
  const bool keep = book_.wanted() == TaskBook::Wanted::kMaybe;
  if (!book_.answer(task.id())) return {FLARE_INVALID_STATE, "task '" + task.id() + "' was answered already"};
  task.answered_ = true;
  in_hands_.erase(task.id());
  refresh();
  if (aborted) return {FLARE_ABORTED, "task '" + task.id() + "' was aborted by the peer: its result is not wanted"};
  if (reply->request_id != asked->id) {  // another peer has asked again
    auto answer = std::make_shared<Message>(*reply);
    answer->request_id = asked->id;
    reply = std::move(answer);
  }
  *upload = start_upload(*asked, std::move(reply), sizes, lent, keep);
  lock.unlock();
  loop_->help();
  return {};
}

Outcome Agent::fail(Task &task, const std::string &return_code, const std::string &reason) {
  std::shared_ptr<Upload> upload;
  return submit(task, failed_result(return_code, reason), false, &upload);
}

void Agent::abandon(const Task &task) {
  std::unique_lock lock(mutex_);
  const bool wanted = book_.wanted() == TaskBook::Wanted::kYes;  // its flag is raised by a stop as well
  const MessagePtr asked = book_.in_hand();
  if (task.answered_ || !book_.answer(task.id())) return;
  in_hands_.erase(task.id());
  // After a stop the peer is still there, and waits.
  const bool heard = !closed_ && book_.over_status().value_or(FLARE_STOPPED) == FLARE_STOPPED;
  if (heard && wanted) {
    Shareable answer =
        task.refusal_.empty()
            ? failed_result("EXECUTION_EXCEPTION", "the trainer released the task without a result")
            : failed_result("EXECUTION_RESULT_ERROR", "the trainer's result was not sent: " + task.refusal_);
    start_upload(*asked, reply_to(*asked, std::move(answer)));
  }
  refresh();
  lock.unlock();
  loop_->help();
}

std::shared_ptr<Upload> Agent::start_upload(const Message &task, MessagePtr reply, const std::vector<uint64_t> &sizes,
                                            bool lent, bool keep) {
  auto upload = std::make_shared<Upload>(std::move(reply), lent, sizes, receiver_ids(task.data), Clock::now());
  if (keep) {
    upload->keep();
    uploads_[upload->task_id()] = upload;
    refresh();
  } else {
    post_reply(upload);
  }
  return upload;
}

void Agent::post_reply(const std::shared_ptr<Upload> &upload) {
  uploads_[upload->task_id()] = upload;
  refresh();
  loop_->line_up([this, upload] { send_reply(upload); });
}

std::shared_ptr<Upload> Agent::upload_of(const std::string &message_id) const {
  for (const auto &[task, upload] : uploads_) {
    if (upload->message_id() == message_id) return upload;
  }
  return nullptr;
}

void Agent::send_reply(const std::shared_ptr<Upload> &upload) {
  flush_metrics(true);
  MessagePtr reply;
  SendOptions options;
  {
    std::lock_guard lock(mutex_);
    if (upload->settled() || !pipe_) return;
    reply = upload->reply();
    options.lent = upload->lent();
    options.receivers = upload->receivers();
    upload->begin(settings_);
  }
  options.timeout = settings_.submit_result_timeout;
  pipe_->send(reply, options);
  attend_uploads();
}

void Agent::attend_uploads() {
  const TimePoint now = Clock::now();
  std::optional<TimePoint> next;
  std::vector<std::pair<std::string, Outcome>> verdicts;
  {
    std::lock_guard lock(mutex_);
    for (const auto &[id, upload] : uploads_) {
      upload->on_time(now);
      if (auto verdict = upload->take_verdict()) verdicts.emplace_back(upload->message_id(), *std::move(verdict));
      next = earlier(next, upload->deadline());
    }
  }
  for (const auto &[id, verdict] : verdicts) give_up(id, verdict.status, verdict.reason);
  if (upload_alarm_) upload_alarm_->set(next);
}

// ---- Results -------------------------------------------------------------------------------------------------

Outcome Agent::wait(Upload &upload, flare_level level, int64_t timeout_ms) {
  heed_stop();
  const bool accepted = level == FLARE_ACCEPTED;
  return wait_for(
      &mutex_, accepted ? upload.accepted_fd : upload.settled_fd, timeout_ms,
      [&]() -> std::optional<Outcome> {
        if (auto outcome = accepted ? upload.accepted() : upload.settled()) return outcome;
        if (accepted ? stopped_ : upload.wait_over()) {
          return Outcome{FLARE_STOPPED, "the agent was stopped during the upload"};
        }
        return std::nullopt;
      },
      loop_.get());
}

UploadSnapshot Agent::progress(const Upload &upload) const {
  std::lock_guard lock(mutex_);
  return upload.snapshot(Clock::now());
}

Outcome Agent::wait_progress(Upload &upload, int64_t seen, int64_t timeout_ms, UploadSnapshot *snapshot) {
  heed_stop();
  return wait_for(&mutex_, upload.progress_fd, timeout_ms, [&]() -> std::optional<Outcome> {
    upload.looked(seen);
    *snapshot = upload.snapshot(Clock::now());
    if (snapshot->changes > seen || upload.settled()) {
      upload.looked(snapshot->changes);
      return Outcome{};
    }
    if (stopped_) return Outcome{FLARE_STOPPED, "the agent was stopped during the upload"};
    return std::nullopt;
  });
}

bool Agent::should_exit() const {
  std::lock_guard lock(mutex_);
  return launch_mode_.should_exit();
}

void Agent::cancel(Upload &upload) {
  std::string id;
  {
    std::lock_guard lock(mutex_);
    if (upload.settled() || closed_) return;
    id = upload.message_id();
    if (id.empty()) {
      settle(uploads_.at(upload.task_id()), FLARE_ABORTED, "the upload was cancelled");
      return;
    }
  }
  give_up(id, FLARE_ABORTED, "the upload was cancelled by the trainer");
}

// Posted, also from the loop thread: the upload may be waiting for its turn to be sent.
void Agent::give_up(const std::string &message_id, flare_status status, const std::string &reason) {
  loop_->post([this, message_id, status, reason] {
    if (pipe_) pipe_->cancel(message_id, status, reason);
  });
}

void Agent::settle(const std::shared_ptr<Upload> &upload, flare_status status, const std::string &reason) {
  if (upload->settled()) return;
  upload->settle(status, reason, Clock::now());
  settled(upload);
}

void Agent::settled(const std::shared_ptr<Upload> &upload) {
  const bool delivered = upload->settled()->status == FLARE_OK;
  if (!upload->stands_in()) {
    ++(delivered ? counts_.results_delivered : counts_.results_failed);
    launch_mode_.submitted(true, delivered);
  }
  const auto found = uploads_.find(upload->task_id());
  if (found != uploads_.end() && found->second == upload) uploads_.erase(found);
  refresh();
}

// ---- Metrics -------------------------------------------------------------------------------------------------

Outcome Agent::log(Metric metric) {
  heed_stop();
  metric.time = wall_time();
  std::lock_guard lock(mutex_);
  if (auto ended = over()) return *ended;
  metrics_.push(std::move(metric));
  refresh();
  if (connected_ && !std::exchange(flush_posted_, true)) loop_->post([this] { flush_metrics(false); });
  return {};
}

void Agent::flush_metrics(bool all) {
  for (;;) {
    MessagePtr message;
    {
      std::lock_guard lock(mutex_);
      flush_posted_ = false;
      if (!connected_ || !pipe_) return;
      const auto batch = metrics_.take_batch(all);
      if (batch.empty()) return;
      message = to_message(batch);
      metrics_.sent(message->id, batch.size());
    }
    SendOptions options;
    options.timeout = settings_.submit_result_timeout;
    pipe_->send(message, options);
  }
}

// ---- From the pipe -------------------------------------------------------------------------------------------

void Agent::on_up(const PeerInfo &peer, bool new_peer) {
  log_.info("connected peer=" + peer.library + " job=" + peer.job_id + " site=" + peer.site);
  search_alarm_.reset();
  search_.reset();
  std::lock_guard lock(mutex_);
  peer_ = peer;
  connected_ = true;
  if (new_peer) {
    // Finished results are kept: they answer the same task when the new peer asks for it again.
    book_.peer_replaced();
    std::erase_if(uploads_, [](const auto &entry) { return entry.second->stands_in(); });
    for (auto &[task, upload] : uploads_) upload->keep();
    metrics_.drop_all();
    if (stopped_) loop_->post([this] { abandon_uploads(); });  // nor will this peer be waited for
  }
  refresh();
  if (!std::exchange(flush_posted_, true)) loop_->post([this] { flush_metrics(false); });
}

void Agent::on_down(bool) {
  std::lock_guard lock(mutex_);
  connected_ = false;
  if (!book_.over_status()) log_.warn("connection lost; trying to get it back url=" + session_.settings.url);
  refresh();
}

std::optional<Refusal> Agent::on_offered(const Message &message, size_t under_way) {
  if (message.kind == MessageKind::kReply) return Refusal{"an agent has asked nothing", true};
  // After a stop as well: it may end what the close waits for.
  if (message.topic == topic::kAbortTask) return std::nullopt;
  std::lock_guard lock(mutex_);
  if (book_.over_status()) return Refusal{"the agent takes no more tasks: " + book_.over_reason()};
  if (book_.full(under_way)) return Refusal{"too many tasks are waiting"};
  if (receiver_ids(message.data).size() > settings_.limits.max_receivers) {
    return Refusal{"more than " + std::to_string(settings_.limits.max_receivers) + " receivers of one result", true};
  }
  return std::nullopt;
}

void Agent::on_message(const MessagePtr &message) {
  if (message->topic == topic::kAbortTask) {
    on_task_aborted(text_header(message->data, header::kTaskId), text_header(message->data, header::kReason));
  } else {
    on_task(message);
  }
}

void Agent::on_task(const MessagePtr &message) {
  std::shared_ptr<Upload> kept;
  std::string before;
  {
    std::lock_guard lock(mutex_);
    const auto upload = uploads_.find(task_id_of(*message));
    if (upload != uploads_.end()) {
      kept = upload->second;
      before = kept->message_id();
      auto reply = std::make_shared<Message>(*kept->reply());
      reply->id = new_uuid();
      reply->request_id = message->id;
      kept->send_again(std::move(reply));
    } else {
      auto task = std::make_shared<Message>(*message);
      adopt_rounds(task->data);
      ++counts_.tasks_received;
      book_.arrived(task);
      // A new peer that asks for other tasks will not ask for these results any more.
      const auto uploads = uploads_;
      for (const auto &[id, waiting] : uploads) {
        if (waiting->message_id().empty()) {
          settle(waiting, FLARE_PEER_GONE, "the peer was replaced and did not ask for this task again");
        }
      }
    }
    refresh();
  }
  if (!before.empty()) give_up(before, FLARE_ABORTED, "the peer asked for the result again");
  if (kept) send_reply(kept);
}

void Agent::on_task_aborted(const std::string &task_id, const std::string &reason) {
  log_.info("task aborted task=" + task_id + " reason=" + reason);
  std::string upload_id;
  {
    std::lock_guard lock(mutex_);
    book_.aborted(task_id);
    if (const auto hand = in_hands_.find(task_id); hand != in_hands_.end()) {
      if (const auto flag = hand->second.lock()) flag->store(true);
    }
    if (const auto upload = uploads_.find(task_id); upload != uploads_.end()) {
      upload_id = upload->second->message_id();
      upload->second->not_wanted();
    }
    refresh();
  }
  if (!upload_id.empty()) give_up(upload_id, FLARE_ABORTED, "the peer aborted the task: " + reason);
}

void Agent::on_message_lost(const MessagePtr &message, flare_status status, const std::string &reason) {
  // The peer knows: its transfer failed, or it took the task back.
  const std::string record = "task lost task=" + task_id_of(*message) + " reason=" + reason;
  status == FLARE_ABORTED ? log_.info(record) : log_.error(record);
}

void Agent::on_accepted(const std::string &id, bool accepted, const std::string &reason) {
  {
    std::lock_guard lock(mutex_);
    if (metrics_.done(id, accepted)) {
      if (!accepted) log_.warn("metrics were not accepted: " + reason);
      refresh();
      if (!std::exchange(flush_posted_, true)) loop_->post([this] { flush_metrics(false); });
      return;
    }
    const auto upload = upload_of(id);
    if (!upload || !accepted) return;  // on_settled says why
    if (!upload->stands_in()) ++counts_.results_accepted;
    upload->on_accepted(Clock::now());
  }
  attend_uploads();
}

void Agent::on_transaction(const std::string &id) {
  std::lock_guard lock(mutex_);
  if (const auto upload = upload_of(id)) upload->on_transaction(Clock::now());
}

void Agent::on_progress(const TransferEvent &event) {
  {
    std::lock_guard lock(mutex_);
    const auto upload = upload_of(event.transaction);
    if (!upload) return;
    upload->on_progress(event, Clock::now());
  }
  attend_uploads();
}

void Agent::on_settled(const std::string &id, flare_status status, const std::string &reason) {
  std::lock_guard lock(mutex_);
  const auto upload = upload_of(id);
  if (!upload) return;
  const MessagePtr reply = upload->reply();
  const bool taken = upload->accepted().has_value();
  upload->on_settled(status, reason, Clock::now());
  const Outcome outcome = *upload->settled();
  if (outcome.status != FLARE_OK) {
    log_.warn("result not delivered task=" + upload->task_id() + " reason=" + outcome.reason);
  }
  settled(upload);
  // What stands in for another is sent until it is taken, or nobody waits for it any more.
  const bool waited_for = !taken && !upload->unwanted() && !over();
  if (outcome.status != FLARE_OK && waited_for && (!upload->stands_in() || status == FLARE_STALLED)) {
    answer_instead(*reply, outcome.reason);
  }
}

void Agent::answer_instead(const Message &reply, const std::string &reason) {
  auto answer = std::make_shared<Message>(reply);
  answer->id = new_uuid();
  answer->data = failed_result("EXECUTION_RESULT_ERROR", "the trainer's result was not delivered: " + reason);
  for (const std::string_view name : {header::kTaskId, header::kTaskName}) {
    answer->data.headers.set(name, text_header(reply.data, name));
  }
  auto upload = std::make_shared<Upload>(std::move(answer), false, std::vector<uint64_t>(), std::vector<std::string>(),
                                         Clock::now());
  upload->stand_in();
  post_reply(upload);
}

void Agent::on_over(flare_status status, const std::string &cause) {
  if (search_ && search_->on_failed(status, cause, Clock::now())) {
    if (status != FLARE_UNREACHABLE && status != FLARE_ENDED) log_passed_over(seat_->job, cause);
    search_alarm_->set(Clock::now());
    return;
  }
  std::string reason = cause;
  std::lock_guard lock(mutex_);
  if (status == FLARE_UNREACHABLE && !settings_.url.empty()) reason += " (it came from " + own_.sources.at("url") + ")";
  connected_ = status == FLARE_ENDED && connected_;
  book_.over(status, reason);
  for (auto &[id, flag] : in_hands_) {
    if (const auto raised = flag.lock()) raised->store(true);
  }
  const auto uploads = uploads_;
  for (const auto &[id, upload] : uploads) {
    if (status != FLARE_ENDED || upload->message_id().empty()) settle(upload, status, reason);
  }
  metrics_.drop_all();
  refresh();
}

}  // namespace flare
