#include "pipe/cell/cell_pipe.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "base/failure.h"
#include "base/uuid.h"
#include "fobs/shareable.h"
#include "pipe/cell/cell_options.h"
#include "pipe/cell/cell_words.h"
#include "pipe/cell/pipe_blobs.h"

namespace flare {

namespace {

// A peer that silence alone does not end is missed after so long.
constexpr Duration kUnheard = std::chrono::seconds(60);

fobs::ReadRules read_rules(const Limits &limits, const std::shared_ptr<BlockPool> &blocks) {
  fobs::ReadRules rules;
  rules.limits = limits;
  rules.new_block = [blocks](size_t size) { return blocks->take(size); };
  return rules;
}

}  // namespace

CellPipe::CellPipe(const Settings &settings, const ClientApiConfig &config, CellNaming naming, Loop *loop, Log log,
                   PipeListener *listener)
    : PipeDriver(cell_handler_options(handler_options(settings), settings), settings, loop, std::move(log), listener),
      config_(config),
      own_name_(pipe_cell_name(naming, {config.place.parent, config.site, config.token}, PipeEnd::kActive)),
      peer_name_(pipe_cell_name(naming, {config.place.parent, config.site, config.token}, PipeEnd::kPassive)),
      name_lock_("cell " + own_name_ + " " + config.place.url,
                 "is connected as the cell '" + own_name_ +
                     "' already, and NVFlare keeps one connection of each name: of several processes of a trainer only "
                     "the first (rank 0) opens an agent"),
      blocks_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      blobs_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      rules_(read_rules(settings.limits, blocks_)),
      peer_search_({config.place.parent, config.site, config.token, peer_name_},
                   config.auth_token_signature != kNotAuthenticated, settings.limits),
      client_(
          new CellClient(cell_client_options(config, own_name_, blobs_.get()), loop, this)),  // which only this may do
      keys_(settings.limits.max_queued_messages),
      source_(settings.limits),
      answers_(settings.limits, &source_, client_.get()),
      downloads_(rules_, client_.get(), &keys_),
      out_(config, peer_name_, settings.download_complete_timeout, client_.get(), &handler_) {
  if (settings.connect_timeout) connect_until_ = Clock::now() + *settings.connect_timeout;
  client_->open();
  set_alarm();
}

CellPipe::~CellPipe() { PipeDriver::close("closed"); }

void CellPipe::shut(const std::string &reason) {
  for (const std::string &id : referring()) release(id, reason);
  client_->close();
  downloads_.clear();
  out_.clear();
  blocks_->close();
  blobs_->close();
}

// ---- The cell ------------------------------------------------------------------------------------------------

template <typename F>
void CellPipe::guarded(F &&call) {
  try {
    call();
  } catch (const std::exception &error) {
    log_.error(std::string("internal error: ") + error.what());
    finish(FLARE_INTERNAL, error.what());
  }
}

void CellPipe::on_connected(const std::string &peer) {
  connected_ = true;
  if (!closed() && !over()) guarded([&] { take_connection(peer); });
  pump();
}

void CellPipe::take_connection(const std::string &peer) {
  const TimePoint now = Clock::now();
  name_watch_.on_ready(now);
  peer_search_.on_connected(now);
  const bool again = std::exchange(started_, true);
  connect_until_.reset();
  if (again) ++stats_.reconnects;
  if (!again) {
    handler_.start(now, false);
    unheard_until_ = now + settings_.heartbeat_timeout.value_or(kUnheard);
  }
  handler_.on_connected(now);
  PeerInfo info;
  info.instance = peer_name_;
  info.agent_id = config_.token;
  info.site = config_.site;
  info.job_id = config_.job_id;
  info.library = "NVFlare, by cell " + peer;
  listener_->on_up(info, false);
}

void CellPipe::on_disconnected(const std::string &reason, bool refused) {
  const bool before = std::exchange(connected_, false);
  if (closed() || over()) return;
  guarded([&] {
    if (!refused || started_) return lose_connection(before, reason);
    finish(FLARE_REFUSED, "no connection to " + config_.place.url + ": " + reason);
    if (!closed()) client_->close();
  });
  pump();
}

void CellPipe::lose_connection(bool was_there, const std::string &reason) {
  const TimePoint now = Clock::now();
  if (std::exchange(obstacle_, reason) != reason) log_.warn("no connection to " + config_.place.url + ": " + reason);
  if (was_there) {
    out_.on_lost(reason, now);
    listener_->on_down(false);
  }
  if (!name_watch_.on_lost(now) || closed()) return;
  finish(FLARE_REFUSED, "the cell at " + config_.place.url + " closed " + std::to_string(NameWatch::kMost) +
                            " connections soon after they were made (" + reason + "): another process has the name '" +
                            own_name_ +
                            "', which only one can have: end it, or open the agent in one process of the job only");
  if (!closed()) client_->close();  // else the other one would go on to be thrown out
}

void CellPipe::on_event(StreamCell::Event event) {
  if (closed()) return;
  guarded([&] { take_event(std::move(event)); });
  pump();
}

void CellPipe::take_event(StreamCell::Event event) {
  const TimePoint now = Clock::now();
  if (auto *received = std::get_if<StreamCell::Received>(&event)) {
    on_received(std::move(*received), now);
  } else if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) {
    on_answered(*answered, now);
  } else if (const auto *sent = std::get_if<StreamCell::Sent>(&event)) {
    answers_.on_sent(*sent, now);
  } else if (const auto *heard = std::get_if<StreamCell::Heard>(&event)) {
    if (heard->origin != peer_name_) return;
    unheard_until_.reset();
    peer_search_.on_peer_heard();
    handler_.on_peer_activity(now);
  } else if (const auto *encrypted = std::get_if<StreamCell::Encrypted>(&event)) {
    if (encrypted->origin != peer_name_) return;
    finish(
        FLARE_REFUSED,
        "the client job process sends messages that are encrypted from end to end (secure=True), which NVFlare's own "
        "pipes never are: let whatever sends them use secure=False. TLS of the connections is another matter");
  } else if (const auto *complaint = std::get_if<StreamCell::Complaint>(&event)) {
    ++stats_.frames_rejected;
    log_.warn(complaint->text);
  }
}

void CellPipe::on_received(StreamCell::Received received, TimePoint now) {
  if (received.channel == kDownloadChannel) return on_download_request(received, now);
  if (received.topic == kHeartbeatTopic || received.request_id.empty()) {
    // A client job process begins each round with one, and waits for one of ours (TX-12).
    const bool of_tasks = received.topic == kHeartbeatTopic && received.channel == channel_of(config_.task_channel);
    if (of_tasks && received.origin == peer_name_) handler_.beat_soon(now);
    return;
  }
  if (received.origin != peer_name_) {
    client_->refuse(received, "this pipe is that of " + peer_name_);
    return;
  }
  on_message(std::move(received), now);
}

void CellPipe::on_message(StreamCell::Received received, TimePoint now) {
  const auto message = message_of(received);
  if (over() && (message->topic == topic::kEnd || message->topic == topic::kAbort)) {  // said again
    client_->answer(received, return_code::kOk, {});
    return;
  }
  if (message->id.empty() || message->id.size() > wire::kMaxId || over()) {
    client_->refuse(received, over() ? over_reason() : "a message of a pipe needs an id");
    return;
  }
  const Bytes content = received.content;
  received.content = {};
  questions_.insert_or_assign(message->id, std::move(received));
  // A repeat is known by its id, and is not even looked at.
  switch (handler_.on_message(*message, now)) {
    case PipeHandler::Received::kIgnored: return;
    case PipeHandler::Received::kRepeated: ++stats_.duplicates_dropped; return;
    case PipeHandler::Received::kNew: break;
  }
  take(message, content, now);
}

// It is acknowledged at once, and its arrays are fetched after that, however long it takes.
void CellPipe::take(const std::shared_ptr<Message> &message, const Bytes &content, TimePoint now) {
  std::optional<Refusal> refusal;
  try {
    fobs::Message decoded = fobs::decode(content, settings_.limits);
    message->data.headers = fobs::read_headers(decoded, rules_);
    refusal = listener_->on_offered(*message, downloads_.under_way());
    if (!refusal && downloads_.under_way() >= settings_.limits.max_transactions)
      refusal = Refusal{"too many transfers"};
    if (!refusal) downloads_.add(message, std::move(decoded));
  } catch (const Failure &failure) {
    refusal = Refusal{failure.what(), true};
  } catch (const std::bad_alloc &) {
    refusal = Refusal{"not enough memory for it"};
  }
  handler_.on_taken(*message, refusal, now);
  if (refusal) {
    ++stats_.frames_rejected;
    log_.warn("refused message topic=" + message->topic + " id=" + message->id + ": " + refusal->reason);
  }
}

void CellPipe::on_download_request(const StreamCell::Received &received, TimePoint now) {
  if (received.request_id.empty()) return;
  try {
    stats_.bytes_sent += answers_.serve(received, now);
  } catch (const Failure &failure) {
    ++stats_.frames_rejected;
    client_->refuse(received, failure.what());
  } catch (const std::bad_alloc &) {
    client_->refuse(received, "not enough memory to answer");
  }
}

void CellPipe::on_answered(const StreamCell::Answered &answered, TimePoint now) {
  if (const auto finding = peer_search_.on_answered(answered, now)) return on_found(*finding);
  out_.on_answered(answered, now);
  if (downloads_.on_answered(answered, now)) stats_.bytes_received += static_cast<int64_t>(answered.content.size);
  for (const std::string &task : downloads_.take_unanswered()) {
    log_.warn("arrays of task " + task + " are asked for again: " + answered.error +
              ". A secure server drops what comes without a valid token" +
              (has_token(config_) ? ": auth_token or auth_token_signature may be wrong or too old"
                                  : ", and the configuration has none (auth_token)"));
  }
}

// About the token in a blob, as a secure server takes nothing else from whoever is connected with it.
void CellPipe::search_peer(TimePoint now) {
  for (const auto &question : peer_search_.take_questions(now)) {
    if (!question.about_token) {
      peer_search_.asked(client_->ask_peers(question.cell, PeerSearch::kPatience), question);
      continue;
    }
    Blob asking = fobs_blob(question.cell, kManagerChannel, kPeersTopic, chain_of({fobs::Object(), {}}));
    asking.optional = true;
    peer_search_.asked(client_->request(std::move(asking), PeerSearch::kPatience), question);
  }
}

void CellPipe::on_found(const PeerSearch::Finding &finding) {
  if (finding.peer_is_there) unheard_until_.reset();
  if (!finding.warning.empty()) log_.warn(finding.warning);
}

// ---- What goes out -------------------------------------------------------------------------------------------

// What is sent again is the same bytes: made anew they would have a second set of references.
PipeDriver::LaidOut CellPipe::lay_out(const MessagePtr &message, const SendOptions &options) {
  std::vector<Chain> contents;
  bool by_reference = false;
  if (message->topic == topic::kMetric) {
    if (config_.metric_channel) contents = metric_contents(*message, settings_.limits);
  } else {
    std::optional<fobs::ByReference> reference;
    if (settings_.cell_arrays != "inside") reference = {own_name_, new_uuid()};
    fobs::Written written =
        fobs::write_shareable(message->data, reference, settings_.limits, keys_.of(message->request_id));
    contents.push_back(chain_of(written.message));
    by_reference = !written.items.empty();
    if (by_reference) {
      const auto receivers = static_cast<int64_t>(std::max<size_t>(1, options.receivers.size()));
      source_.add(message->id, reference->ref_id, std::move(written.items), receivers,
                  to_seconds(span_of(settings_, options.timeout)), to_seconds(Clock::now()));
    }
  }
  out_.add(message, std::move(contents), options);
  return {by_reference, options.timeout};
}

void CellPipe::transmit(const MessagePtr &message) { out_.transmit(message->id, connected_, Clock::now()); }

void CellPipe::transmit_heartbeat() {
  ++heartbeats_;
  std::vector<std::string> channels = {config_.task_channel};
  if (config_.metric_channel) channels.push_back(*config_.metric_channel);
  for (const std::string &channel : channels) {
    if (connected_) client_->notify(heartbeat_blob(peer_name_, channel, heartbeats_, wall_time()));
  }
}

void CellPipe::transmit_ack(const PipeHandler::TransmitAck &ack) {
  auto question = questions_.extract(ack.id);
  if (question.empty() || !connected_) return;
  if (ack.refusal) {
    client_->refuse(question.mapped(), ack.refusal->reason);
  } else {
    client_->answer(question.mapped(), return_code::kOk, {});
  }
}

bool CellPipe::on_decided(const MessagePtr &message, bool accepted, const std::string &reason) {
  out_.stop(message->id, reason);
  if (accepted) keys_.forget(message->request_id);
  return accepted;
}

void CellPipe::withdraw(const std::string &id, flare_status status, const std::string &reason) {
  out_.stop(id, reason);
  source_.cancel(id, status, reason, to_seconds(Clock::now()));
}

// Nothing that is on its way refers to the message any more.
void CellPipe::release(const std::string &id, const std::string &reason) {
  out_.forget(id, reason);
  answers_.take_back(id);
}

// ---- The turn ------------------------------------------------------------------------------------------------

void CellPipe::act(TimePoint now) {
  guarded([&] {
    if (!over()) check_connection(now);
    if (connected_ && !over()) search_peer(now);
    source_.on_time(to_seconds(now));
    downloads_.on_time(now);
    blocks_->trim(now);
    blobs_->trim(now);
    PipeDriver::act(now);
  });
}

void CellPipe::check_connection(TimePoint now) {
  if (connect_until_ && now >= *connect_until_) {
    connect_until_.reset();
    finish(FLARE_UNREACHABLE, "no cell answered at " + config_.place.url + " within connect_timeout" +
                                  (obstacle_.empty() ? "" : ": " + obstacle_));
  }
  if (!over() && unheard_until_ && now >= *unheard_until_) {
    unheard_until_.reset();
    log_.warn("connected, but nothing was heard yet from '" + peer_name_ +
              "', the client job process's end of the pipe. It begins with its first task; if that is under way, the "
              "two ends have not the same token, site or scheme of names");
  }
}

bool CellPipe::pump_transfers() {
  bool busy = connected_ && !over() && out_.ask_metrics();
  busy = pump_source() || busy;
  return pump_downloads() || busy;
}

bool CellPipe::pump_source() {
  for (TransferEvent &event : source_.take_progress()) {
    if (!closed() && out_.on_fetched(&event, Clock::now())) listener_->on_progress(event);
  }
  const auto settlements = source_.take_settled();
  for (const auto &settlement : settlements) {
    if (closed() || conclude(settlement.transaction, settlement.status, settlement.reason)) continue;
    // Who has fetched it all has accepted it, even when its word for that is still under way.
    if (settlement.status == FLARE_OK) {
      handler_.on_ack(settlement.transaction, std::nullopt, Clock::now());
    } else {  // a peer that took it now would pass on references to nothing
      out_.stop(settlement.transaction, settlement.reason);
      handler_.cancel(settlement.transaction, settlement.reason);
    }
  }
  return !settlements.empty();
}

bool CellPipe::pump_downloads() {
  if (connected_) downloads_.ask();
  bool busy = false;
  while (const auto finished = closed() ? std::nullopt : downloads_.take_finished()) {
    if (finished->status == FLARE_OK) {
      listener_->on_message(finished->task);
    } else {
      lose(finished->task, finished->status, finished->reason);
    }
    busy = true;
  }
  return busy;
}

// NVFlare's own agent acknowledges a task when it has all of it; from one that acknowledges before the client job
// process waits for a result, so it has to be told (W-18).
void CellPipe::lose(const MessagePtr &task, flare_status status, const std::string &reason) {
  listener_->on_message_lost(task, status, reason);
  if (closed() || over() || task->kind != MessageKind::kRequest) return;
  // NVFlare's executor takes it for what a failed trainer says.
  Shareable answer = failed_result("EXECUTION_EXCEPTION", "the trainer could not get the task: " + reason);
  send_own(reply_to(*task, std::move(answer)), settings_.submit_result_timeout);
}

void CellPipe::end(flare_status status, const std::string &reason) {
  if (status == FLARE_ENDED) return;
  downloads_.fail_all(status, reason);
  for (const std::string &id : referring()) source_.cancel(id, status, reason, to_seconds(Clock::now()));
  pump_source();
  pump_downloads();
}

std::optional<TimePoint> CellPipe::deadline() const {
  auto deadline = over() ? std::nullopt : earlier(connect_until_, unheard_until_);
  if (connected_ && !over()) deadline = earlier(deadline, peer_search_.deadline());
  if (const auto own = source_.deadline()) deadline = earlier(deadline, time_point(*own));
  deadline = earlier(deadline, downloads_.deadline());
  return earlier(deadline, earlier(blocks_->deadline(), blobs_->deadline()));
}

}  // namespace flare
