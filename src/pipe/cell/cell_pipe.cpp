#include "pipe/cell/cell_pipe.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "base/failure.h"
#include "base/uuid.h"
#include "fobs/metric.h"
#include "fobs/npy.h"
#include "fobs/shareable.h"
#include "pipe/cell/cell_words.h"
#include "pipe/metric.h"

namespace flare {

namespace {

// Long before whoever has the arrays gives them up, when nobody asks for them (np_min_download_timeout).
constexpr Duration kDownloadRequest = std::chrono::seconds(60);

// Far below what a cell has room for (CellLimits::max_requests).
constexpr size_t kMaxMetricsUnderWay = 128;

// Lost ones included, the peer should hear us before it gives us up.
constexpr int kLeastBeatsPerTimeout = 3;

// A peer that silence alone does not end is missed after so long.
constexpr Duration kUnheard = std::chrono::seconds(60);

double seconds(TimePoint time) { return to_seconds(time.time_since_epoch()); }
TimePoint time_point(double seconds) { return TimePoint(from_seconds(seconds)); }

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

PipeHandler::Options handler_options(const Settings &settings) {
  PipeHandler::Options options;
  options.heartbeat_interval = settings.heartbeat_interval;
  options.heartbeat_timeout = settings.heartbeat_timeout;
  options.peer_interval = settings.heartbeat_interval;
  if (options.heartbeat_timeout) {  // the peer has the same
    const Duration most = *options.heartbeat_timeout / kLeastBeatsPerTimeout;
    options.heartbeat_interval = std::min(options.heartbeat_interval, most);
  }
  options.resend_interval = settings.resend_interval;
  options.max_resends = settings.max_resends;
  options.ack_delay = Duration::zero();
  return options;
}

CellSecurity security_of(const std::string &name) {
  return name == "mtls" ? CellSecurity::kMutualTls : name == "tls" ? CellSecurity::kTls : CellSecurity::kClear;
}

Chain chain_of(const fobs::Message &message) { return Chain(fobs::encode(message).take()); }

std::string channel_of(const std::string &name) { return std::string(kChannelPrefix) + name; }

class Raised {  // a flag, for as long as this lives
 public:
  explicit Raised(bool *flag) : flag_(flag) { *flag_ = true; }
  ~Raised() { *flag_ = false; }
  Raised(const Raised &) = delete;
  Raised &operator=(const Raised &) = delete;

 private:
  bool *flag_;
};

// Of a task that was taken and cannot be worked on: NVFlare's executor takes it for what a failed trainer says.
MessagePtr failed_reply(const Message &task, const std::string &reason) {
  auto reply = std::make_shared<Message>();
  reply->kind = MessageKind::kReply;
  reply->topic = task.topic;
  reply->id = new_uuid();
  reply->request_id = task.id;
  Map &headers = reply->data.headers;
  headers.set(header::kReturnCode, "EXECUTION_EXCEPTION");
  headers.set(header::kReason, reason);
  headers.set(header::kTaskId, text_header(task.data, header::kTaskId, task.id));
  headers.set(header::kTaskName, text_header(task.data, header::kTaskName, task.topic));
  return reply;
}

// All the attempts to send a message: until then what it refers to must be there.
Duration span_of(const Settings &settings, Duration timeout) {
  const Duration once = timeout + settings.resend_interval;
  const double times = 1.0 + static_cast<double>(settings.max_resends.value_or(0));
  return std::max(settings.download_complete_timeout, from_seconds(std::min(to_seconds(once) * times, 1e9)));
}

}  // namespace

CellPipe::CellPipe(const Settings &settings, const ClientApiConfig &config, CellNaming naming, Loop *loop, Log log,
                   PipeListener *listener)
    : settings_(settings),
      config_(config),
      log_(std::move(log)),
      listener_(listener),
      own_name_(pipe_cell_name(naming, {config.place.parent, config.site, config.token}, PipeEnd::kActive)),
      peer_name_(pipe_cell_name(naming, {config.place.parent, config.site, config.token}, PipeEnd::kPassive)),
      name_lock_("cell " + own_name_ + " " + config.place.url,
                 "is connected as the cell '" + own_name_ +
                     "' already, and NVFlare keeps one connection of each name: of several processes of a trainer only "
                     "the first (rank 0) opens an agent"),
      blocks_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      blobs_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      handler_(handler_options(settings), settings.limits),
      source_(settings.limits),
      metrics_(kMaxMetricsUnderWay),
      peer_search_({config.place.parent, config.site, config.token, peer_name_},
                   config.auth_token_signature != kNotAuthenticated, settings.limits),
      alarm_(loop->make_alarm([this] { pump(); })) {
  rules_.limits = settings.limits;
  rules_.new_block = [pool = blocks_](size_t size) { return pool->take(size); };
  if (parse_cell_url(config.place.url).tls && config.place.security == "clear") {
    throw Failure(FLARE_INVALID_ARGUMENT, "'" + config.place.url +
                                              "' asks for TLS, and the configuration for none: set cell_security to "
                                              "mtls, or tls, and workspace_dir to the site's folder");
  }
  if (config.place.security != "clear" && !has_token()) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "a secure server takes nothing without auth_token and auth_token_signature: NVFlare leaves both in "
                  "client_api_config.json for a trainer that it starts");
  }
  CellClient::Options options;
  options.identity = {own_name_, config.site, config.auth_token, config.auth_token_signature};
  options.url = config.place.url;
  options.security = security_of(config.place.security);
  if (options.security != CellSecurity::kClear) options.tls = tls_files_of(config.workspace, options.security);
  options.expected_peer = config.place.parent;
  options.channels = {channel_of(config.task_channel), std::string(kDownloadChannel)};
  if (config.metric_channel) options.channels.insert(channel_of(*config.metric_channel));
  options.places = {blobs_.get(), fobs::first_elements_at};
  client_.reset(new CellClient(options, loop, this));  // not everybody may use this as its listener
  if (settings.connect_timeout) connect_until_ = Clock::now() + *settings.connect_timeout;
  client_->open();
  set_alarm();
}

CellPipe::~CellPipe() { CellPipe::close("closed"); }

// ---- Pipe ----------------------------------------------------------------------------------------------------

void CellPipe::send(const MessagePtr &message, const SendOptions &options) {
  if (closed_) return;
  if (over_) return refuse(*message, *over_, over_reason_);
  Outgoing outgoing;
  outgoing.message = message;
  outgoing.timeout = options.timeout;
  outgoing.receivers = options.receivers;
  try {
    lay_out(message, options, &outgoing);
  } catch (const Failure &failure) {
    return refuse(*message, failure.status(), failure.what());
  } catch (const std::bad_alloc &) {
    return refuse(*message, FLARE_OUT_OF_MEMORY, "not enough memory to send it");
  }
  const bool by_reference = outgoing.by_reference;
  outgoing_.insert_or_assign(message->id, std::move(outgoing));
  if (by_reference) listener_->on_transaction(message->id);
  handler_.send(message, options.timeout, Clock::now());
  pump();
}

// What is sent again is the same bytes: made anew they would have a second set of references.
void CellPipe::lay_out(const MessagePtr &message, const SendOptions &options, Outgoing *outgoing) {
  if (message->topic == topic::kMetric) {
    if (!config_.metric_channel) return;
    for (const Metric &metric : to_metrics(*message)) {
      outgoing->contents.push_back(chain_of(
          fobs::write_metric(metric.type, metric.name, metric.value, metric.step, metric.path, settings_.limits)));
    }
    return;
  }
  std::optional<fobs::ByReference> reference;
  if (settings_.cell_arrays != "inside") reference = {own_name_, new_uuid()};
  fobs::Written written =
      fobs::write_shareable(message->data, reference, settings_.limits, keys_of(message->request_id));
  outgoing->contents.push_back(chain_of(written.message));
  outgoing->by_reference = !written.items.empty();
  if (!outgoing->by_reference) return;
  const auto receivers = static_cast<int64_t>(std::max<size_t>(1, options.receivers.size()));
  source_.add(message->id, reference->ref_id, std::move(written.items), receivers,
              to_seconds(span_of(settings_, outgoing->timeout)), seconds(Clock::now()));
}

// Settles a message that was never on its way.
void CellPipe::refuse(const Message &message, flare_status status, const std::string &reason) {
  listener_->on_accepted(message.id, false, reason);
  listener_->on_settled(message.id, status, reason);
}

void CellPipe::cancel(const std::string &id, flare_status status, const std::string &reason) {
  const auto found = outgoing_.find(id);
  if (closed_ || found == outgoing_.end()) return;
  if (!found->second.settlement) found->second.settlement = ArraySource::Settlement{id, status, reason};
  stop_asking(&found->second, reason);
  source_.cancel(id, status, reason, seconds(Clock::now()));
  if (found->second.decided) {
    settle(id);
  } else {
    handler_.cancel(id, reason);
  }
  pump();
}

PipeStats CellPipe::stats() const { return stats_; }

void CellPipe::close(const std::string &reason) {
  if (std::exchange(closed_, true)) return;
  handler_.stop(reason);
  alarm_.reset();
  for (auto &[id, outgoing] : outgoing_) {
    if (outgoing.by_reference) let_go(id, &outgoing, reason);
  }
  client_->close();
  outgoing_.clear();
  incoming_.clear();
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
  if (!closed_ && !over_) guarded([&] { take_connection(peer); });
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
  if (closed_ || over_) return;
  guarded([&] {
    if (!refused || started_) return lose_connection(before, reason);
    finish(FLARE_REFUSED, "no connection to " + config_.place.url + ": " + reason);
    if (!closed_) client_->close();
  });
  pump();
}

void CellPipe::lose_connection(bool was_there, const std::string &reason) {
  const TimePoint now = Clock::now();
  if (std::exchange(obstacle_, reason) != reason) log_.warn("no connection to " + config_.place.url + ": " + reason);
  if (was_there) {
    for (auto &[id, outgoing] : outgoing_) lost_here(&outgoing, reason, now);
    listener_->on_down(false);
  }
  if (!name_watch_.on_lost(now) || closed_) return;
  finish(FLARE_REFUSED, "the cell at " + config_.place.url + " closed " + std::to_string(NameWatch::kMost) +
                            " connections soon after they were made (" + reason + "): another process has the name '" +
                            own_name_ +
                            "', which only one can have: end it, or open the agent in one process of the job only");
  if (!closed_) client_->close();  // else the other one would go on to be thrown out
}

void CellPipe::on_event(StreamCell::Event event) {
  if (closed_) return;
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
    auto node = leaving_.extract(sent->stream_id);
    if (!node.empty() && sent->error.empty()) source_.on_left(node.mapped().transaction, seconds(now));
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
  if (received.channel == kDownloadChannel) return on_download_request(received, seconds(now));
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
  auto message = std::make_shared<Message>();
  message->kind =
      text_of(received.headers, pipe_key::kMessageType) == kPipeReply ? MessageKind::kReply : MessageKind::kRequest;
  message->topic = received.topic;
  message->id = text_of(received.headers, pipe_key::kMessageId);
  message->request_id = text_of(received.headers, pipe_key::kRequestId);
  if (over_ && (message->topic == topic::kEnd || message->topic == topic::kAbort)) {  // said again
    client_->answer(received, return_code::kOk, {});
    return;
  }
  if (message->id.empty() || message->id.size() > wire::kMaxId || over_) {
    client_->refuse(received, over_ ? over_reason_ : "a message of a pipe needs an id");
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
    refusal = listener_->on_offered(*message, incoming_.size());
    if (!refusal && incoming_.size() >= settings_.limits.max_transactions) refusal = Refusal{"too many transfers"};
    if (!refusal) {
      auto sources = fobs::sources_of(decoded, settings_.limits);
      incoming_.insert_or_assign(
          message->id, Incoming{message, std::move(decoded), ArrayDownload(std::move(sources), rules_), false});
    }
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

void CellPipe::on_download_request(const StreamCell::Received &received, double now) {
  if (received.request_id.empty()) return;
  ArraySource::Answer answer;
  Chain content;
  try {
    answer = source_.serve(fobs::read_request(fobs::decode(received.content, settings_.limits)), received.origin, now);
    if (answer.content) content = chain_of(*answer.content);
  } catch (const Failure &failure) {
    ++stats_.frames_rejected;
    client_->refuse(received, failure.what());
    return;
  } catch (const std::bad_alloc &) {
    client_->refuse(received, "not enough memory to answer");
    return;
  }
  Blob blob;
  blob.content = std::move(content);
  if (blob.content.size() > 0) blob.encoding = encoding::kFobs;
  stats_.bytes_sent += static_cast<int64_t>(blob.content.size());
  leaving_[client_->answer(received, answer.return_code, std::move(blob))] = {answer.finished, answer.has_items};
}

void CellPipe::on_answered(const StreamCell::Answered &answered, TimePoint now) {
  if (const auto finding = peer_search_.on_answered(answered)) return on_found(*finding);
  auto node = asked_.extract(answered.request_id);
  if (node.empty()) return;
  const Asked &asked = node.mapped();
  if (asked.cursor) return on_download_answer(asked, answered, now);
  const auto found = outgoing_.find(asked.message_id);
  if (found == outgoing_.end()) return;
  Outgoing &outgoing = found->second;
  outgoing.asked.erase(answered.request_id);
  if (answered.local) return lost_here(&outgoing, answered.error, now);
  // A peer that takes it only with its arrays has its time: sent again, it would lack those that were fetched. If it
  // stops, the source ends the wait.
  const bool fetching = outgoing.fetched_at && now - *outgoing.fetched_at < outgoing.timeout;
  if (answered.return_code == return_code::kTimeout && fetching) return;
  std::string failure;
  if (answered.return_code != return_code::kOk) {
    failure = answered.error.empty() ? "the peer answered " + answered.return_code : answered.error;
  }
  if (asked.metric) {
    const auto attempt = metrics_.on_answer(asked.message_id, *asked.metric, failure);
    if (!attempt) return;
    failure = attempt->failure;
  }
  handler_.on_ack(asked.message_id, failure.empty() ? std::nullopt : std::optional(Refusal{failure}), now);
}

// About the token in a blob, as a secure server takes nothing else from whoever is connected with it.
void CellPipe::search_peer(TimePoint now) {
  for (const auto &question : peer_search_.take_questions(now)) {
    if (!question.about_token) {
      peer_search_.asked(client_->ask_peers(question.cell, PeerSearch::kPatience), question);
      continue;
    }
    Blob asking = blob(question.cell, kManagerChannel, kPeersTopic, chain_of({fobs::Object(), {}}));
    asking.optional = true;
    peer_search_.asked(client_->request(std::move(asking), PeerSearch::kPatience), question);
  }
}

void CellPipe::on_found(const PeerSearch::Finding &finding) {
  if (finding.peer_is_there) unheard_until_.reset();
  if (!finding.warning.empty()) log_.warn(finding.warning);
}

void CellPipe::on_download_answer(const Asked &asked, const StreamCell::Answered &answered, TimePoint now) {
  const auto found = incoming_.find(asked.message_id);
  if (found == incoming_.end()) return;
  Incoming &incoming = found->second;
  if (answered.local) return incoming.download.on_not_sent(*asked.cursor, seconds(now));
  if (answered.return_code == return_code::kTimeout && !std::exchange(incoming.warned, true)) {
    log_.warn("arrays of task " + asked.message_id + " are asked for again: " + answered.error +
              ". A secure server drops what comes without a valid token" +
              (has_token() ? ": auth_token or auth_token_signature may be wrong or too old"
                           : ", and the configuration has none (auth_token)"));
  }
  stats_.bytes_received += static_cast<int64_t>(answered.content.size);
  incoming.download.on_answer(*asked.cursor, answered.return_code, answered.content, seconds(now));
}

// ---- What goes out -------------------------------------------------------------------------------------------

Blob CellPipe::blob(const std::string &destination, std::string_view channel, std::string_view topic,
                    Chain content) const {
  Blob blob;
  blob.destination = destination;
  blob.channel = channel;
  blob.topic = topic;
  blob.encoding = encoding::kFobs;
  blob.content = std::move(content);
  return blob;
}

Map CellPipe::headers_of(const Message &message) const {
  Map headers;
  const bool reply = message.kind == MessageKind::kReply;
  headers.set(pipe_key::kMessageType, reply ? kPipeReply : kPipeRequest);
  headers.set(pipe_key::kMessageId, message.id);
  if (reply) headers.set(pipe_key::kRequestId, message.request_id);
  headers.set(pipe_key::kStart, wall_time());
  headers.set(pipe_key::kRootId, message.id);
  if (reply) headers.set(pipe_key::kRootTtl, to_seconds(settings_.download_complete_timeout));
  if (config_.pass_through && message.topic != topic::kMetric) headers.set(pipe_key::kPassThrough, true);
  return headers;
}

void CellPipe::transmit(const std::string &id) {
  const auto found = outgoing_.find(id);
  if (found == outgoing_.end()) return;
  Outgoing &outgoing = found->second;
  stop_asking(&outgoing, "sent again");
  if (outgoing.contents.empty()) {  // metrics of a job that wants none
    handler_.on_ack(id, std::nullopt, Clock::now());
    return;
  }
  if (!connected_) return;  // on_connected() transmits again
  handler_.on_handed_over(id);
  if (outgoing.message->topic == topic::kMetric) {
    metrics_.begin(id, outgoing.contents.size());  // pump_metrics() asks
  } else {
    ask(&outgoing, outgoing.contents.front(), std::nullopt);
  }
}

void CellPipe::ask(Outgoing *outgoing, const Chain &content, const std::optional<MetricWindow::Metric> &metric) {
  const Message &message = *outgoing->message;
  Blob one =
      blob(peer_name_, channel_of(metric ? *config_.metric_channel : config_.task_channel), message.topic, content);
  one.headers = headers_of(message);
  if (metric) one.headers.set(pipe_key::kMessageId, metric->id);
  const std::string request = client_->request(std::move(one), outgoing->timeout);
  outgoing->asked.insert(request);
  asked_[request] = {message.id, std::nullopt, metric ? std::optional(metric->index) : std::nullopt};
}

void CellPipe::stop_asking(Outgoing *outgoing, const std::string &reason) {
  metrics_.stop(outgoing->message->id);
  for (const std::string &request : std::exchange(outgoing->asked, {})) {
    asked_.erase(request);
    client_->cancel(request, reason);
  }
}

void CellPipe::lost_here(Outgoing *outgoing, const std::string &reason, TimePoint now) {
  stop_asking(outgoing, reason);
  if (!outgoing->decided) handler_.on_not_sent(outgoing->message->id, reason, now);
}

// Nothing that is on its way refers to the message any more.
void CellPipe::let_go(const std::string &id, Outgoing *outgoing, const std::string &reason) {
  stop_asking(outgoing, reason);
  for (auto answer = leaving_.begin(); answer != leaving_.end();) {
    const auto [stream, leaving] = *answer++;
    if (leaving.transaction != id || !leaving.has_arrays) continue;
    leaving_.erase(stream);
    client_->stop(stream, "the arrays are not there any more");
  }
}

void CellPipe::transmit_heartbeats() {
  ++heartbeats_;
  std::vector<std::string> channels = {config_.task_channel};
  if (config_.metric_channel) channels.push_back(*config_.metric_channel);
  static const Chain nothing = chain_of({fobs::Object(""), {}});
  for (const std::string &channel : channels) {
    Blob beat = blob(peer_name_, channel_of(channel), kHeartbeatTopic, nothing);
    beat.optional = true;
    beat.headers.set(pipe_key::kMessageType, kPipeRequest);
    beat.headers.set(pipe_key::kMessageId, new_uuid());
    beat.headers.set(pipe_key::kStart, wall_time());
    beat.headers.set(pipe_key::kHeartbeat, heartbeats_);
    if (connected_) client_->notify(std::move(beat));
  }
}

// ---- Actions -------------------------------------------------------------------------------------------------

void CellPipe::pump() {
  if (pumping_ || closed_) return;
  {
    const Raised pumping(&pumping_);
    guarded([this] { act(); });
  }
  set_alarm();
}

void CellPipe::act() {
  const TimePoint now = Clock::now();
  if (connect_until_ && now >= *connect_until_) {
    connect_until_.reset();
    finish(FLARE_UNREACHABLE, "no cell answered at " + config_.place.url + " within connect_timeout" +
                                  (obstacle_.empty() ? "" : ": " + obstacle_));
  }
  if (unheard_until_ && now >= *unheard_until_) {
    unheard_until_.reset();
    log_.warn("connected, but nothing was heard yet from '" + peer_name_ +
              "', the client job process's end of the pipe. It begins with its first task; if that is under way, the "
              "two ends have not the same token, site or scheme of names");
  }
  if (connected_ && !over_) search_peer(now);
  handler_.check_held_up(due_, now);
  handler_.on_time(now);
  source_.on_time(seconds(now));
  for (auto &[id, incoming] : incoming_) incoming.download.on_time(seconds(now));
  blocks_->trim(now);
  blobs_->trim(now);
  for (bool busy = true; busy && !closed_;) {
    busy = pump_handler();
    busy = pump_metrics() || busy;
    busy = pump_source() || busy;
    busy = pump_downloads() || busy;
  }
}

bool CellPipe::pump_metrics() {
  bool busy = false;
  while (const auto metric = connected_ && !over_ ? metrics_.next() : std::nullopt) {
    Outgoing &batch = outgoing_.at(metric->batch);
    ask(&batch, batch.contents.at(metric->index), metric);
    busy = true;
  }
  return busy;
}

bool CellPipe::pump_handler() {
  const auto actions = handler_.take_actions();
  for (const auto &action : actions) {
    if (!closed_) perform(action);
  }
  return !actions.empty();
}

void CellPipe::perform(const PipeHandler::Action &action) {
  if (const auto *send = std::get_if<PipeHandler::Transmit>(&action)) {
    transmit(send->message->id);
  } else if (const auto *ack = std::get_if<PipeHandler::TransmitAck>(&action)) {
    auto question = questions_.extract(ack->id);
    if (question.empty() || !connected_) return;
    if (ack->refusal) {
      client_->refuse(question.mapped(), ack->refusal->reason);
    } else {
      client_->answer(question.mapped(), return_code::kOk, {});
    }
  } else if (std::holds_alternative<PipeHandler::TransmitHeartbeat>(action)) {
    transmit_heartbeats();
  } else if (const auto *sent = std::get_if<PipeHandler::Sent>(&action)) {
    const auto found = outgoing_.find(sent->id);
    if (found == outgoing_.end()) return;
    Outgoing &outgoing = found->second;
    outgoing.decided = true;
    stop_asking(&outgoing, sent->reason);
    if (sent->accepted && !outgoing.by_reference) {
      if (!outgoing.settlement) outgoing.settlement = ArraySource::Settlement{sent->id, FLARE_OK, ""};
    } else if (!sent->accepted && !outgoing.settlement) {
      const flare_status status =
          over_.value_or(sent->for_good ? FLARE_ABORTED : handler_.ended().value_or(FLARE_STALLED));
      outgoing.settlement = ArraySource::Settlement{sent->id, status, sent->reason};
      source_.cancel(sent->id, status, sent->reason, seconds(Clock::now()));
    }
    if (sent->accepted) {
      const std::string &task = outgoing.message->request_id;
      std::erase_if(keys_, [&](const auto &keys) { return keys.first == task; });
    }
    const bool settled = outgoing.settlement.has_value();
    if (!outgoing.own) {
      listener_->on_accepted(sent->id, sent->accepted, sent->reason);
    } else if (!sent->accepted) {
      log_.error("the peer was not told that task " + outgoing.message->request_id + " is lost: " + sent->reason);
    }
    if (settled) settle(sent->id);
  } else if (const auto *status = std::get_if<PipeHandler::Status>(&action)) {
    finish(status_of(*status), status->reason);
  }
}

bool CellPipe::pump_source() {
  for (TransferEvent &event : source_.take_progress()) {
    const auto found = outgoing_.find(event.transaction);
    if (closed_ || found == outgoing_.end()) continue;
    found->second.fetched_at = Clock::now();
    // The cells that come have names that no task knows. A single one that is expected is whoever comes.
    const std::vector<std::string> &expected = found->second.receivers;
    if (expected.size() <= 1) event.receiver = expected.empty() ? "" : expected.front();
    listener_->on_progress(event);
  }
  const auto settlements = source_.take_settled();
  for (const auto &settlement : settlements) {
    const auto found = outgoing_.find(settlement.transaction);
    if (closed_ || found == outgoing_.end()) continue;
    if (!found->second.settlement) found->second.settlement = settlement;
    // Who has fetched it all has accepted it, even when its word for that is still under way.
    if (settlement.status == FLARE_OK && !found->second.decided) {
      handler_.on_ack(settlement.transaction, std::nullopt, Clock::now());
    } else if (found->second.decided) {
      settle(settlement.transaction);
    } else {  // a peer that took it now would pass on references to nothing
      stop_asking(&found->second, settlement.reason);
      handler_.cancel(settlement.transaction, settlement.reason);
    }
  }
  return !settlements.empty();
}

bool CellPipe::pump_downloads() {
  std::vector<std::string> finished;
  for (auto &[id, incoming] : incoming_) {
    if (!connected_ && incoming.download.state() == ArrayDownload::State::kRunning) continue;  // they can wait
    for (auto &request : incoming.download.take_requests()) {
      Blob asking = blob(request.fqcn, kDownloadChannel, kDownloadTopic, chain_of(request.content));
      asked_[client_->request(std::move(asking), kDownloadRequest)] = {id, request.cursor, std::nullopt};
    }
    if (incoming.download.state() != ArrayDownload::State::kRunning) finished.push_back(id);
  }
  for (const std::string &id : finished) {
    if (!closed_) finish_download(id);
  }
  return !finished.empty();
}

void CellPipe::finish_download(const std::string &id) {
  auto node = incoming_.extract(id);
  Incoming &incoming = node.mapped();
  ArrayDownload &download = incoming.download;
  if (download.state() == ArrayDownload::State::kFailed) {
    for (auto asked = asked_.begin(); asked != asked_.end();) {
      const auto [request, what] = *asked++;
      if (what.message_id != id || !what.cursor) continue;
      asked_.erase(request);
      client_->cancel(request, download.reason());
    }
    return lose(incoming.message, download.status(), download.reason());
  }
  auto message = std::make_shared<Message>(*incoming.message);
  fobs::Keys keys;
  try {
    message->data = fobs::read_shareable(incoming.content, download.take_downloads(), rules_, &keys);
  } catch (const Failure &failure) {
    return lose(incoming.message, failure.status(), failure.what());
  } catch (const std::bad_alloc &) {
    return lose(incoming.message, FLARE_OUT_OF_MEMORY, "not enough memory for its arrays");
  }
  if (!keys.empty()) keys_.emplace_back(id, std::move(keys));
  if (keys_.size() > settings_.limits.max_queued_messages) keys_.pop_front();
  listener_->on_message(message);
}

// NVFlare's own agent acknowledges a task when it has all of it; from one that acknowledges before the client job
// process waits for a result, so it has to be told (W-18).
void CellPipe::lose(const MessagePtr &task, flare_status status, const std::string &reason) {
  listener_->on_message_lost(task, status, reason);
  if (closed_ || over_ || task->kind != MessageKind::kRequest) return;
  Outgoing outgoing;
  outgoing.message = failed_reply(*task, "the trainer could not get the task: " + reason);
  outgoing.timeout = settings_.submit_result_timeout;
  outgoing.own = true;
  lay_out(outgoing.message, {}, &outgoing);
  const MessagePtr message = outgoing.message;
  outgoing_.insert_or_assign(message->id, std::move(outgoing));
  handler_.send(message, settings_.submit_result_timeout, Clock::now());
}

// Nothing of the message is referred to any more when the listener hears of it.
void CellPipe::settle(const std::string &id) {
  const auto found = outgoing_.find(id);
  if (found == outgoing_.end()) return;
  const ArraySource::Settlement settlement = *found->second.settlement;
  let_go(id, &found->second, settlement.reason);
  const bool own = found->second.own;
  outgoing_.erase(found);
  metrics_.forget(id);
  if (!own) listener_->on_settled(id, settlement.status, settlement.reason);
}

const fobs::Keys &CellPipe::keys_of(const std::string &task) const {
  static const fobs::Keys none;
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const auto &keys) { return keys.first == task; });
  return found == keys_.end() ? none : found->second;
}

void CellPipe::finish(flare_status status, const std::string &reason) {
  if (over_) return;
  over_ = status;
  over_reason_ = reason;
  connect_until_.reset();
  unheard_until_.reset();
  log_.info("session over status=" + std::string(flare_status_text(status)) + " reason=" + reason);
  handler_.stop(reason);
  pump_handler();
  if (status != FLARE_ENDED) {
    const double now = seconds(Clock::now());
    for (auto &[id, incoming] : incoming_) incoming.download.fail(status, reason);
    std::vector<std::string> ids;
    for (const auto &[id, outgoing] : outgoing_) ids.push_back(id);
    for (const std::string &id : ids) source_.cancel(id, status, reason, now);
    pump_source();
    pump_downloads();
    for (const std::string &id : ids) give_up(id, status, reason);
  }
  if (!closed_) listener_->on_over(status, reason);
}

// What a defect kept from being settled.
void CellPipe::give_up(const std::string &id, flare_status status, const std::string &reason) {
  const auto found = outgoing_.find(id);
  if (closed_ || found == outgoing_.end()) return;
  Outgoing &outgoing = found->second;
  stop_asking(&outgoing, reason);
  if (!outgoing.settlement) outgoing.settlement = ArraySource::Settlement{id, status, reason};
  if (!std::exchange(outgoing.decided, true) && !outgoing.own) listener_->on_accepted(id, false, reason);
  settle(id);
}

void CellPipe::set_alarm() {
  if (closed_) return;
  auto deadline = earlier(earlier(connect_until_, unheard_until_), handler_.deadline());
  if (connected_ && !over_) deadline = earlier(deadline, peer_search_.deadline());
  if (const auto own = source_.deadline()) deadline = earlier(deadline, time_point(*own));
  for (const auto &[id, incoming] : incoming_) {
    if (const auto again = incoming.download.deadline()) deadline = earlier(deadline, time_point(*again));
  }
  due_ = earlier(deadline, earlier(blocks_->deadline(), blobs_->deadline()));
  alarm_->set(due_);
}

}  // namespace flare
