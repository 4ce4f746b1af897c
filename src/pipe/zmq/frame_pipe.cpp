#include "pipe/zmq/frame_pipe.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/checksum.h"
#include "base/failure.h"
#include "base/uuid.h"
#include "base/version.h"

namespace flare {

namespace {

constexpr int kMaxConfirms = 10;

std::string ack_id(const wire::Settled &settled) {
  return settled.receiver.empty() ? settled.transaction : settled.transaction + "/" + settled.receiver;
}

}  // namespace

FramePipe::FramePipe(Role role, const Settings &settings, std::unique_ptr<Link> link, Loop *loop, Log log,
                     PipeListener *listener)
    : PipeDriver(handler_options(settings), settings, loop, std::move(log), listener),
      loop_(loop),
      link_(std::move(link)),
      service_(settings.limits),
      blocks_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      stage_(loop, [this] { serve_waiting(); }) {
  const SessionIdentity identity{new_uuid(),     settings.agent_id, settings.site,  settings.job_id,
                                 settings.token, library_version(), wire_versions()};
  if (role == Role::kAgent) {
    session_ = std::make_unique<AgentSession>(identity, settings.connect_timeout, settings.url, Clock::now());
  } else {
    auto session = std::make_unique<ExchangerSession>(
        identity, [this](const Connection &connection) { return link_->reachable(connection); });
    exchanger_session_ = session.get();
    session_ = std::move(session);
  }
  itself_ = std::make_shared<FramePipe *>(this);
  link_->open(this);
  set_alarm();
}

FramePipe::~FramePipe() { PipeDriver::close("closed"); }

// ---- Pipe ----------------------------------------------------------------------------------------------------

void FramePipe::cancel(const std::string &id, flare_status status, const std::string &reason) {
  const auto found = outgoing_.find(id);
  if (closed() || found == outgoing_.end()) return;
  // The receiver may have asked for everything already: what is under way must not complete it.
  if (found->second.by_reference) transmit(session_->control(), wire::ChunkRefused{id, status, reason});
  PipeDriver::cancel(id, status, reason);
}

PipeStats FramePipe::stats() const {
  PipeStats stats = stats_;
  stats.frames_rejected += session_->refused();
  stats.reconnects = std::max<int64_t>(0, session_->ups() - 1);
  return stats;
}

void FramePipe::shut(const std::string &reason) {
  send_acks();
  itself_.reset();
  // An exchanger has said _END_ or _ABORT_. A frame under way while the peer disconnects could keep libzmq from ending.
  if (!exchanger_session_ && !session_->control().empty()) transmit(session_->control(), wire::Bye{reason});
  outgoing_.clear();
  incoming_.clear();
  service_.cancel_all(FLARE_STOPPED, reason);
  blocks_->close();
  link_->close(std::chrono::milliseconds(500));
}

void FramePipe::close_doors(const std::string &reason) { exchanger_session_->close_doors(reason); }

// ---- Frames --------------------------------------------------------------------------------------------------

void FramePipe::send_acks() {
  for (auto &ack : std::exchange(acks_, {})) transmit(session_->control(), std::move(ack));
}

bool FramePipe::transmit(const Connection &to, wire::Body body, const Bytes &payload, bool lent) {
  if (to.empty()) return false;
  if (link_->send(to, {session_->epoch(), std::move(body)}, payload, lent)) return true;
  session_->on_unreachable(to, Clock::now());
  return false;
}

void FramePipe::on_connection(const Connection &connection, bool up) {
  if (closed()) return;
  session_->on_connection(connection, up, Clock::now());
  pump();
}

void FramePipe::on_turned_away(const std::string &reason, bool for_good) {
  if (closed() || over()) return;
  log_.warn("no connection: " + reason);
  session_->on_turned_away(reason, for_good);
  pump();
}

size_t FramePipe::max_envelope_bytes(const Connection &from) const {
  const bool admitted = from == session_->control() || from == session_->bulk();
  return admitted ? settings_.limits.max_envelope_bytes : settings_.limits.max_greeting_bytes;
}

void FramePipe::on_bad_frame(const Connection &, const std::string &reason) {
  ++stats_.frames_rejected;
  log_.warn("refused a frame: " + reason);
}

void FramePipe::on_frame(const Connection &from, wire::Envelope envelope, Bytes payload) {
  if (closed()) return;
  const TimePoint now = Clock::now();
  if (session_->on_frame(from, envelope, now)) {
    handler_.on_peer_activity(now);
    if (const auto *data = std::get_if<wire::Data>(&envelope.body)) on_data(*data, payload, now);
    if (const auto *ack = std::get_if<wire::Ack>(&envelope.body)) on_ack(*ack, now);
    if (const auto *request = std::get_if<ChunkRequest>(&envelope.body)) on_chunk_request(from, *request);
    if (const auto *chunk = std::get_if<wire::Chunk>(&envelope.body)) on_chunk(*chunk, payload, now);
    if (const auto *settled = std::get_if<wire::Settled>(&envelope.body)) on_settled(*settled, now);
    if (const auto *progress = std::get_if<wire::Progress>(&envelope.body)) on_progress(*progress);
    if (const auto *refused = std::get_if<wire::ChunkRefused>(&envelope.body)) {
      const auto found = incoming_.find(refused->transaction);
      if (found != incoming_.end()) {
        found->second.downloader.on_refused(refused->status < 0 ? refused->status : FLARE_ABORTED, refused->reason);
      }
    }
    if (const auto *bye = std::get_if<wire::Bye>(&envelope.body)) {
      // An agent that leaves may be followed by another; without its exchanger an agent has nothing left to do.
      if (!exchanger_session_) finish(FLARE_ENDED, bye->reason);
    }
  }
  pump();
}

void FramePipe::on_data(const wire::Data &data, const Bytes &payload, TimePoint now) {
  const Message &message = *data.message;
  const bool ends = message.topic == topic::kEnd || message.topic == topic::kAbort;
  if (message.topic == topic::kPeerGone || (ends && exchanger_session_)) {
    ++stats_.frames_rejected;
    transmit(session_->control(),
             wire::Ack{message.id, false, "'" + message.topic + "' is not for a peer to say", true});
    return;
  }
  switch (handler_.on_message(message, now)) {
    case PipeHandler::Received::kIgnored: return;
    case PipeHandler::Received::kRepeated: ++stats_.duplicates_dropped; return;
    case PipeHandler::Received::kNew: break;
  }
  pump_handler();  // a reply: its question is accepted before anybody hears of the answer
  if (closed() || over()) return;
  const bool by_reference = !data.payload.sizes.empty() && !data.payload.inlined;
  std::optional<Refusal> refusal;
  if (data.payload.inlined && (payload.size != data.payload.sizes.front() ||
                               checksum(payload.data, payload.size) != data.payload.inline_checksum)) {
    refusal = Refusal{"the payload does not match its checksum"};
    ++stats_.frames_rejected;
  }
  if (!refusal) refusal = listener_->on_offered(message, incoming_.size());
  if (!refusal && by_reference) {
    try {
      if (incoming_.size() >= settings_.limits.max_transactions) throw Failure(FLARE_TOO_LARGE, "too many transfers");
      if (confirms_.size() >= settings_.limits.max_words_left) {
        throw Failure(FLARE_TOO_LARGE, "the ends of too many transfers are not acknowledged");
      }
      Incoming incoming{data, Downloader(message.id, data.payload.sizes, settings_.streaming_idle_timeout,
                                         settings_.resend_interval * 2, settings_.limits, now, blocks_.get())};
      if (session_->bulk().empty()) incoming.downloader.on_disconnected();
      incoming_.insert_or_assign(message.id, std::move(incoming));
    } catch (const Failure &failure) {
      refusal = Refusal{failure.what()};
    } catch (const std::bad_alloc &) {
      refusal = Refusal{"not enough memory for its tensors"};
    }
  }
  handler_.on_taken(message, refusal, now);
  if (refusal) {
    log_.warn("refused message topic=" + message.topic + " id=" + message.id + ": " + refusal->reason);
    return;
  }
  if (message.kind == MessageKind::kReply) {
    replies_taken_.push_back(message.id);
    if (replies_taken_.size() > settings_.limits.max_uploads) replies_taken_.pop_front();
  }
  if (by_reference) return;
  std::vector<Bytes> objects;
  if (data.payload.inlined) objects.push_back(payload);
  stats_.bytes_received += static_cast<int64_t>(payload.size);
  listener_->on_message(wire::attach(data, objects));
}

void FramePipe::on_ack(const wire::Ack &ack, TimePoint now) {
  if (confirms_.erase(ack.id) > 0) return tell_words_left();
  handler_.on_ack(ack.id, ack.accepted ? std::nullopt : std::optional(Refusal{ack.reason, ack.for_good}), now);
}

// In the order of the requests: one that waits lets no other pass.
void FramePipe::on_chunk_request(const Connection &from, const ChunkRequest &request) {
  // Who asks for more at once than all transfers together may asks again for what it misses.
  if (waiting_.size() < settings_.limits.chunk_window * settings_.limits.max_transactions)
    waiting_.emplace_back(from, request);
  serve_waiting();
}

void FramePipe::serve_waiting() {
  while (!closed() && !waiting_.empty() && serve(waiting_.front().first, waiting_.front().second)) waiting_.pop_front();
}

// False: there is no room for now.
bool FramePipe::serve(const Connection &to, const ChunkRequest &request) {
  std::string refusal;
  auto bytes = service_.serve(request, receiver_of(request.transaction, ""), &refusal);
  if (!bytes) {
    transmit(to, wire::ChunkRefused{request.transaction, FLARE_ABORTED, refusal});
    return true;
  }
  const auto found = outgoing_.find(request.transaction);
  if (found != outgoing_.end() && found->second.lent && !stage_.copy(*bytes, &*bytes)) return false;
  stats_.bytes_sent += static_cast<int64_t>(bytes->size);
  transmit(to, wire::Chunk{request.transaction, request.object, request.offset, checksum(bytes->data, bytes->size)},
           *bytes);
  return true;
}

void FramePipe::on_chunk(const wire::Chunk &chunk, const Bytes &payload, TimePoint now) {
  const auto found = incoming_.find(chunk.transaction);
  if (found == incoming_.end()) return;  // over already: a repeated or late chunk
  const auto verdict =
      found->second.downloader.on_chunk(chunk.object, chunk.offset, payload.data, payload.size, chunk.checksum, now);
  if (verdict == Downloader::Verdict::kStored) stats_.bytes_received += static_cast<int64_t>(payload.size);
  if (verdict == Downloader::Verdict::kCorrupt) {
    ++stats_.frames_rejected;
    log_.warn("corrupt chunk transaction=" + chunk.transaction + " object=" + std::to_string(chunk.object) +
              " offset=" + std::to_string(chunk.offset));
  }
}

void FramePipe::on_settled(const wire::Settled &settled, TimePoint now) {
  // Whoever fetched it all has accepted it, even when its Ack is still under way.
  handler_.on_ack(settled.transaction, std::nullopt, now);
  const bool known = service_.confirm(settled.transaction, receiver_of(settled.transaction, settled.receiver),
                                      settled.success, settled.reason);
  if (!known && outgoing_.contains(settled.transaction)) ++stats_.frames_rejected;
  transmit(session_->control(), wire::Ack{ack_id(settled), true, "", false});
}

void FramePipe::on_progress(const wire::Progress &progress) {
  // One that comes after the end was only slow.
  if (!outgoing_.contains(progress.transaction)) return;
  if (!service_.report(progress.transaction, receiver_of(progress.transaction, progress.receiver),
                       static_cast<int64_t>(progress.bytes), static_cast<int64_t>(progress.items))) {
    ++stats_.frames_rejected;
  }
}

std::string FramePipe::receiver_of(const std::string &transaction, const std::string &named) const {
  if (!named.empty()) return named;
  const auto found = outgoing_.find(transaction);
  return found == outgoing_.end() ? "" : found->second.puller;
}

// ---- Messages on their way out -------------------------------------------------------------------------------

PipeDriver::LaidOut FramePipe::lay_out(const MessagePtr &message, const SendOptions &options) {
  Outgoing outgoing;
  outgoing.lent = options.lent;
  if (!options.receivers.empty()) outgoing.puller = options.receivers.front();
  std::vector<Bytes> objects;
  Limits limits = settings_.limits;
  if (options.receivers.size() > 1) limits.inline_bytes = 0;  // inlined it would be settled before the others have it
  outgoing.payload = wire::lay_out(*message, limits, &objects);
  if (outgoing.payload.inlined) {
    outgoing.inlined = objects.front();
  } else if (!objects.empty()) {
    outgoing.by_reference = true;
    service_.add(message->id, std::move(objects), options.receivers);
  }
  const bool by_reference = outgoing.by_reference;
  outgoing_.insert_or_assign(message->id, std::move(outgoing));
  return {by_reference, options.timeout};
}

void FramePipe::transmit(const MessagePtr &message) {
  send_acks();
  // Their acknowledgements may be lost, and an agent that hears of the end believes that its result never came.
  if (message->topic == topic::kEnd) {
    for (const std::string &id : replies_taken_) transmit(session_->control(), wire::Ack{id, true, "", false});
  }
  const Outgoing &outgoing = outgoing_.at(message->id);
  // Without a connection nothing is lost: on_connected() transmits again.
  transmit(session_->control(), wire::Data{message, outgoing.payload}, outgoing.inlined);
}

void FramePipe::transmit_ack(const PipeHandler::TransmitAck &ack) {
  const auto refusal = ack.refusal.value_or(Refusal{});
  acks_.push_back({ack.id, !ack.refusal, refusal.reason, refusal.for_good});
  if (acks_.size() > 1) return;
  // The next message is often made as soon as this one is in the user's hands: then both travel together, and wake
  // the peer once.
  loop_->put_off([pipe = std::weak_ptr(itself_)] {
    if (const auto alive = pipe.lock()) (*alive)->send_acks();
  });
}

void FramePipe::transmit_heartbeat() {
  transmit(session_->control(), wire::Heartbeat{++heartbeats_, wire::Phase::kIdle});
}

bool FramePipe::on_decided(const MessagePtr &message, bool accepted, const std::string &) {
  if (accepted) stats_.bytes_sent += static_cast<int64_t>(outgoing_.at(message->id).inlined.size);
  return accepted;
}

void FramePipe::withdraw(const std::string &id, flare_status status, const std::string &reason) {
  service_.cancel(id, status, reason);
}

void FramePipe::release(const std::string &id, const std::string &) { outgoing_.erase(id); }

// ---- Actions -------------------------------------------------------------------------------------------------

void FramePipe::act(TimePoint now) {
  session_->on_time(now);
  for (auto &[transaction, incoming] : incoming_) incoming.downloader.on_time(now);
  for (auto &[transaction, confirm] : confirms_) {
    if (now >= confirm.again) send_confirm(&confirm, now);
  }
  std::erase_if(confirms_, [](const auto &entry) { return entry.second.tries > kMaxConfirms; });
  blocks_->trim(now);
  tell_words_left();
  PipeDriver::act(now);
  session_->want_bulk(!incoming_.empty() || service_.live() > 0, now);
}

bool FramePipe::pump_session() {
  const auto actions = session_->take_actions();
  for (const auto &action : actions) {
    if (!closed()) perform(action);
  }
  return !actions.empty();
}

bool FramePipe::pump_transfers() {
  const bool busy = pump_service();
  return pump_downloads() || busy;
}

bool FramePipe::pump_service() {
  for (const TransferEvent &event : service_.take_progress()) {
    if (!closed() && outgoing_.contains(event.transaction)) listener_->on_progress(event);
  }
  const auto settlements = service_.take_settled();
  for (const auto &settlement : settlements) {
    if (closed()) break;
    const auto found = outgoing_.find(settlement.transaction);
    if (found == outgoing_.end()) continue;
    if (settlement.status != FLARE_OK) {
      transmit(session_->control(), wire::ChunkRefused{settlement.transaction, settlement.status, settlement.reason});
    }
    conclude(settlement.transaction, settlement.status, settlement.reason);
  }
  return !settlements.empty();
}

bool FramePipe::pump_downloads() {
  const TimePoint now = Clock::now();
  std::vector<std::string> finished;
  for (auto &[transaction, incoming] : incoming_) {
    for (auto &request : incoming.downloader.take_requests(now)) transmit(session_->bulk(), std::move(request));
    if (const auto report = incoming.downloader.take_report(now)) {
      transmit(session_->bulk(), wire::Progress{transaction, "", static_cast<uint64_t>(report->bytes_done),
                                                static_cast<uint32_t>(report->items_done)});
    }
    if (incoming.downloader.state() != Downloader::State::kRunning) finished.push_back(transaction);
  }
  for (const auto &transaction : finished) {
    if (!closed()) finish_download(transaction);
  }
  return !finished.empty();
}

void FramePipe::perform(const Session::Action &action) {
  if (const auto *send = std::get_if<Session::Send>(&action)) {
    if (!link_->send(send->to, send->envelope, {}, false)) session_->on_unreachable(send->to, Clock::now());
  } else if (const auto *up = std::get_if<Session::Up>(&action)) {
    const TimePoint now = Clock::now();
    if (up->new_peer) forget_peer();
    if (!std::exchange(started_, true)) handler_.start(now);
    handler_.on_peer_activity(now);
    for (auto &[transaction, confirm] : confirms_) send_confirm(&confirm, now);
    handler_.on_connected(now);
    listener_->on_up(up->peer, up->new_peer);
  } else if (std::holds_alternative<Session::BulkUp>(action)) {
    for (auto &[transaction, incoming] : incoming_) incoming.downloader.on_reconnected(Clock::now());
  } else if (const auto *renew = std::get_if<Session::Renew>(&action)) {
    log_.warn("nothing gets through on the " + renew->connection + " connection; making another");
    if (renew->connection == kBulk) {
      for (auto &[transaction, incoming] : incoming_) incoming.downloader.on_disconnected();
    }
    link_->renew(renew->connection);
  } else if (const auto *down = std::get_if<Session::Down>(&action)) {
    waiting_.clear();  // asked on a connection that is not there any more
    for (auto &[transaction, incoming] : incoming_) incoming.downloader.on_disconnected();
    listener_->on_down(down->left);
  } else if (const auto *over = std::get_if<Session::Over>(&action)) {
    finish(over->status, over->reason);
  }
}

void FramePipe::finish_download(const std::string &transaction) {
  auto node = incoming_.extract(transaction);
  if (node.empty()) return;
  Incoming &incoming = node.mapped();
  if (incoming.downloader.state() == Downloader::State::kComplete) {
    const MessagePtr message = wire::attach(incoming.data, incoming.downloader.take_objects());
    confirm(transaction, "", true, "");
    listener_->on_message(message);
    return;
  }
  confirm(transaction, "", false, incoming.downloader.reason());
  listener_->on_message_lost(incoming.data.message, incoming.downloader.status(), incoming.downloader.reason());
}

void FramePipe::report(const std::string &transaction, const std::string &receiver, uint64_t bytes, uint32_t items) {
  if (!closed()) transmit(session_->control(), wire::Progress{transaction, receiver, bytes, items});
}

void FramePipe::confirm(const std::string &transaction, const std::string &receiver, bool success,
                        const std::string &reason) {
  if (closed()) return;
  wire::Settled settled{transaction, success, reason, receiver};
  Confirm &confirm = confirms_[ack_id(settled)];
  confirm.settled = std::move(settled);
  tell_words_left();
  send_confirm(&confirm, Clock::now());
  set_alarm();
}

void FramePipe::tell_words_left() {
  if (words_left_ == !confirms_.empty()) return;
  words_left_ = !words_left_;
  listener_->on_words_left(words_left_);
}

void FramePipe::send_confirm(Confirm *confirm, TimePoint now) {
  confirm->again = now + settings_.resend_interval;
  if (transmit(session_->control(), confirm->settled)) ++confirm->tries;
}

void FramePipe::forget_peer() {
  handler_.forget_received();
  acks_.clear();
  replies_taken_.clear();
  waiting_.clear();
  confirms_.clear();
  tell_words_left();
  // Taken out first: nothing of the old peer may be answered to the new one.
  const auto outgoing = std::exchange(outgoing_, {});
  forget_sends("the peer was replaced");
  for (const auto &[id, message] : outgoing) service_.cancel(id, FLARE_PEER_GONE, "the peer was replaced");
  auto incoming = std::exchange(incoming_, {});
  for (auto &[transaction, download] : incoming) {
    listener_->on_message_lost(download.data.message, FLARE_PEER_GONE, "the peer that sent it was replaced");
  }
  pump_handler();
  service_.take_settled();
}

void FramePipe::end(flare_status status, const std::string &reason) {
  if (status == FLARE_ENDED) return;
  for (auto &[transaction, incoming] : incoming_) incoming.downloader.on_refused(status, reason);
  service_.cancel_all(status, reason);
  pump_service();
  pump_downloads();
}

std::optional<TimePoint> FramePipe::deadline() const {
  auto deadline = earlier(session_->deadline(), blocks_->deadline());
  for (const auto &[transaction, incoming] : incoming_) deadline = earlier(deadline, incoming.downloader.deadline());
  for (const auto &[transaction, confirm] : confirms_) deadline = earlier(deadline, confirm.again);
  return deadline;
}

}  // namespace flare
