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

// The executor of 2.8 that starts trainers waits in each round for the next sign of life.
constexpr Duration kLongestInterval = std::chrono::seconds(1);
constexpr Duration kSoon = std::chrono::seconds(10);
constexpr int kMostCutShort = 6;
constexpr Duration kDownloadRequest = std::chrono::seconds(600);  // np_streaming_per_request_timeout

double seconds(TimePoint time) { return to_seconds(time.time_since_epoch()); }
TimePoint time_point(double seconds) { return TimePoint(from_seconds(seconds)); }

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

flare_status status_of(std::string_view topic) {
  return topic == topic::kEnd ? FLARE_ENDED : topic == topic::kAbort ? FLARE_ABORTED : FLARE_PEER_GONE;
}

PipeHandler::Options handler_options(const Settings &settings) {
  PipeHandler::Options options;
  options.heartbeat_interval = std::min(settings.heartbeat_interval, kLongestInterval);
  options.heartbeat_timeout = settings.heartbeat_timeout;
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

}  // namespace

CellPipe::CellPipe(const Settings &settings, const ClientApiConfig &config, CellNaming naming, Loop *loop, Log log,
                   PipeListener *listener)
    : settings_(settings),
      config_(config),
      log_(std::move(log)),
      listener_(listener),
      own_name_(pipe_cell_name(naming, {config.place.parent, config.site, config.token}, PipeEnd::kActive)),
      peer_name_(pipe_cell_name(naming, {config.place.parent, config.site, config.token}, PipeEnd::kPassive)),
      name_lock_(own_name_, config.place.url),
      blocks_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      blobs_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      handler_(handler_options(settings), settings.limits),
      source_(settings.limits),
      alarm_(loop->make_alarm([this] { pump(); })) {
  rules_.limits = settings.limits;
  rules_.new_block = [pool = blocks_](size_t size) { return pool->take(size); };
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
  const fobs::ByReference reference{own_name_, new_uuid()};
  fobs::Written written =
      fobs::write_shareable(message->data, reference, settings_.limits, keys_of(message->request_id));
  outgoing->contents.push_back(chain_of(written.message));
  outgoing->by_reference = !written.items.empty();
  if (!outgoing->by_reference) return;
  const auto receivers = static_cast<int64_t>(std::max<size_t>(1, options.receivers.size()));
  source_.add(message->id, reference.ref_id, std::move(written.items), receivers,
              to_seconds(settings_.download_complete_timeout), seconds(Clock::now()));
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

void CellPipe::on_connected(const std::string &peer) {
  const TimePoint now = Clock::now();
  connected_ = true;
  connected_at_ = now;
  if (closed_ || over_) return pump();
  const bool again = std::exchange(started_, true);
  connect_until_.reset();
  if (again) ++stats_.reconnects;
  if (!again) handler_.start(now);
  handler_.on_connected(now);
  PeerInfo info;
  info.instance = peer_name_;
  info.agent_id = config_.token;
  info.site = config_.site;
  info.job_id = config_.job_id;
  info.library = "NVFlare, by cell " + peer;
  listener_->on_up(info, !again);
  pump();
}

void CellPipe::on_disconnected(const std::string &reason) {
  const bool before = std::exchange(connected_, false);
  if (closed_ || over_) return;
  if (std::exchange(obstacle_, reason) != reason) log_.warn("no connection to " + config_.place.url + ": " + reason);
  if (before) {
    listener_->on_down(false);
    check_for_another(reason, Clock::now());
  }
  pump();
}

// Of two processes with one name that NameLock cannot see, on two machines, each ends the other's connection.
void CellPipe::check_for_another(const std::string &reason, TimePoint now) {
  cut_short_ = now - connected_at_ < kSoon ? cut_short_ + 1 : 0;
  if (cut_short_ < kMostCutShort || closed_ || over_) return;
  finish(FLARE_REFUSED, "the connection was lost " + std::to_string(cut_short_) + " times as soon as it was there (" +
                            reason + "), as when another process connects as the cell '" + own_name_ +
                            "': only one may, of several processes of a trainer the first (rank 0)");
}

void CellPipe::on_event(StreamCell::Event event) {
  if (closed_) return;
  const TimePoint now = Clock::now();
  if (auto *received = std::get_if<StreamCell::Received>(&event)) {
    on_received(std::move(*received), now);
  } else if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) {
    on_answered(*answered, now);
  } else if (const auto *sent = std::get_if<StreamCell::Sent>(&event)) {
    auto node = leaving_.extract(sent->stream_id);
    if (!node.empty() && sent->error.empty()) source_.on_left(node.mapped().transaction, seconds(now));
  } else if (const auto *heard = std::get_if<StreamCell::Heard>(&event)) {
    if (heard->origin == peer_name_) handler_.on_peer_activity(now);
  } else if (const auto *complaint = std::get_if<StreamCell::Complaint>(&event)) {
    ++stats_.frames_rejected;
    log_.warn(complaint->text);
  }
  pump();
}

void CellPipe::on_received(StreamCell::Received received, TimePoint now) {
  if (received.channel == kDownloadChannel) return on_download_request(received, seconds(now));
  if (received.topic == kHeartbeatTopic || received.request_id.empty()) return;
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
void CellPipe::take(const MessagePtr &message, const Bytes &content, TimePoint now) {
  std::optional<Refusal> refusal = listener_->on_offered(*message);
  try {
    if (!refusal && incoming_.size() >= settings_.limits.max_transactions) refusal = Refusal{"too many transfers"};
    if (!refusal) {
      fobs::Message decoded = fobs::decode(content, settings_.limits);
      auto sources = fobs::sources_of(decoded, settings_.limits);
      incoming_.insert_or_assign(message->id,
                                 Incoming{message, std::move(decoded), ArrayDownload(std::move(sources), rules_)});
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
  auto node = asked_.extract(answered.request_id);
  if (node.empty()) return;
  const Asked &asked = node.mapped();
  if (asked.source) {
    const auto found = incoming_.find(asked.message_id);
    if (found == incoming_.end()) return;
    stats_.bytes_received += static_cast<int64_t>(answered.content.size);
    if (answered.return_code == return_code::kTimeout) {
      log_.warn("whoever has the arrays did not answer; a secure server drops what comes without a valid token" +
                std::string(has_token() ? "" : ", and the configuration has none (auth_token)"));
    }
    found->second.download.on_answer(*asked.source, answered.return_code, answered.content, seconds(now));
    return;
  }
  const auto found = outgoing_.find(asked.message_id);
  if (found == outgoing_.end()) return;
  Outgoing &outgoing = found->second;
  outgoing.asked.erase(answered.request_id);
  if (answered.return_code != return_code::kOk && outgoing.failure.empty()) {
    outgoing.failure = answered.error.empty() ? "the peer answered " + answered.return_code : answered.error;
  }
  if (!outgoing.asked.empty()) return;
  const std::string failure = std::exchange(outgoing.failure, "");
  handler_.on_ack(asked.message_id, failure.empty() ? std::nullopt : std::optional(Refusal{failure}), now);
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
  const bool metric = outgoing.message->topic == topic::kMetric;
  const std::string channel = channel_of(metric ? *config_.metric_channel : config_.task_channel);
  for (const Chain &content : outgoing.contents) {
    Blob one = blob(peer_name_, channel, outgoing.message->topic, content);
    one.headers = headers_of(*outgoing.message);
    // The peer takes a message of one id once only.
    if (metric && outgoing.contents.size() > 1) one.headers.set(pipe_key::kMessageId, new_uuid());
    const std::string request = client_->request(std::move(one), outgoing.timeout);
    outgoing.asked.insert(request);
    asked_[request] = {id, std::nullopt};
  }
}

void CellPipe::stop_asking(Outgoing *outgoing, const std::string &reason) {
  for (const std::string &request : std::exchange(outgoing->asked, {})) {
    asked_.erase(request);
    client_->cancel(request, reason);
  }
  outgoing->failure.clear();
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
  static const Chain kNothing = chain_of({fobs::Object(""), {}});
  for (const std::string &channel : channels) {
    Blob beat = blob(peer_name_, channel_of(channel), kHeartbeatTopic, kNothing);
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
  pumping_ = true;
  try {
    act();
  } catch (...) {  // as a rule the connection ends by it, and the next one goes on
    pumping_ = false;
    throw;
  }
  pumping_ = false;
  set_alarm();
}

void CellPipe::act() {
  const TimePoint now = Clock::now();
  if (connect_until_ && now >= *connect_until_) {
    connect_until_.reset();
    finish(FLARE_UNREACHABLE, "no cell answered at " + config_.place.url + " within connect_timeout" +
                                  (obstacle_.empty() ? "" : ": " + obstacle_));
  }
  handler_.on_time(now);
  source_.on_time(seconds(now));
  for (auto &[id, incoming] : incoming_) incoming.download.on_time(seconds(now));
  blocks_->trim(now);
  blobs_->trim(now);
  for (bool busy = true; busy && !closed_;) {
    busy = pump_handler();
    busy = pump_source() || busy;
    busy = pump_downloads() || busy;
  }
}

bool CellPipe::pump_handler() {
  const auto actions = handler_.take_actions();
  // What an ending session takes with it is reported before the end itself, but for the same reason.
  for (const auto &action : actions) {
    if (const auto *status = std::get_if<PipeHandler::Status>(&action)) ending_ = status_of(status->topic);
  }
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
      const flare_status status = over_.value_or(sent->for_good ? FLARE_ABORTED : ending_);
      outgoing.settlement = ArraySource::Settlement{sent->id, status, sent->reason};
      source_.cancel(sent->id, status, sent->reason, seconds(Clock::now()));
    }
    if (sent->accepted) {
      const std::string &task = outgoing.message->request_id;
      std::erase_if(keys_, [&](const auto &keys) { return keys.first == task; });
    }
    const bool settled = outgoing.settlement.has_value();
    listener_->on_accepted(sent->id, sent->accepted, sent->reason);
    if (settled) settle(sent->id);
  } else if (const auto *status = std::get_if<PipeHandler::Status>(&action)) {
    finish(status_of(status->topic), status->reason);
  }
}

bool CellPipe::pump_source() {
  for (TransferEvent &event : source_.take_progress()) {
    const auto found = outgoing_.find(event.transaction);
    if (closed_ || found == outgoing_.end()) continue;
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
      asked_[client_->request(std::move(asking), kDownloadRequest)] = {id, request.source};
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
      if (what.message_id != id || !what.source) continue;
      asked_.erase(request);
      client_->cancel(request, download.reason());
    }
    listener_->on_message_lost(incoming.message, download.status(), download.reason());
    return;
  }
  try {
    auto message = std::make_shared<Message>(*incoming.message);
    fobs::Keys keys;
    message->data = fobs::read_shareable(incoming.content, download.take_downloads(), rules_, &keys);
    if (!keys.empty()) keys_.emplace_back(id, std::move(keys));
    if (keys_.size() > settings_.limits.max_queued_messages) keys_.pop_front();
    listener_->on_message(message);
  } catch (const Failure &failure) {
    listener_->on_message_lost(incoming.message, failure.status(), failure.what());
  } catch (const std::bad_alloc &) {
    listener_->on_message_lost(incoming.message, FLARE_OUT_OF_MEMORY, "not enough memory for its arrays");
  }
}

// Nothing of the message is referred to any more when the listener hears of it.
void CellPipe::settle(const std::string &id) {
  const auto found = outgoing_.find(id);
  if (found == outgoing_.end()) return;
  const ArraySource::Settlement settlement = *found->second.settlement;
  let_go(id, &found->second, settlement.reason);
  outgoing_.erase(found);
  listener_->on_settled(id, settlement.status, settlement.reason);
}

const fobs::Keys &CellPipe::keys_of(const std::string &task) const {
  static const fobs::Keys kNone;
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const auto &keys) { return keys.first == task; });
  return found == keys_.end() ? kNone : found->second;
}

void CellPipe::finish(flare_status status, const std::string &reason) {
  if (over_) return;
  over_ = status;
  over_reason_ = reason;
  connect_until_.reset();
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
  }
  if (!closed_) listener_->on_over(status, reason);
}

void CellPipe::set_alarm() {
  if (closed_) return;
  auto deadline = earlier(connect_until_, handler_.deadline());
  if (const auto own = source_.deadline()) deadline = earlier(deadline, time_point(*own));
  for (const auto &[id, incoming] : incoming_) {
    if (const auto again = incoming.download.deadline()) deadline = earlier(deadline, time_point(*again));
  }
  alarm_->set(earlier(deadline, earlier(blocks_->deadline(), blobs_->deadline())));
}

}  // namespace flare
