#include "cellnet/stream_cell.h"

#include <algorithm>
#include <new>

#include "base/failure.h"
#include "base/text.h"
#include "base/uuid.h"
#include "cellnet/header_map.h"

namespace flare {
namespace {

// Not in the middle of a character: NVFlare takes only whole ones.
std::string shortened(const std::string &text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

std::string error_text(const Map &headers) {
  const std::string text = text_of(headers, stream_key::kError);
  return text.empty() ? "the stream failed, the peer does not say why" : text;
}

bool tells_error(const Map &headers) {
  return number_of(headers, stream_key::kKind) == stream_kind::kError || headers.find(stream_key::kError) != nullptr;
}

bool is_answer(const Map &headers) { return text_of(headers, stream_key::kChannel) == kReturnOnly; }

std::string finished_name(const std::string &origin, int64_t id) { return origin + '\n' + std::to_string(id); }

}  // namespace

// ---- The connection

void StreamCell::on_connected(const std::string &peer) { peer_ = peer; }

void StreamCell::on_disconnected(const std::string &reason) {
  peer_.clear();
  messages_.clear();
  tell_sent(reason);
  for (Outgoings *list : {&small_, &large_}) {
    for (const Outgoing &outgoing : std::exchange(*list, {})) ended(outgoing, reason, true);
  }
  while (!requests_.empty()) fail_request(requests_.begin()->first, return_code::kCommError, reason, true);
  while (!incoming_.empty()) drop_stream(StreamKey(incoming_.begin()->first), reason, false);
}

std::vector<AddressedMessage> StreamCell::say_goodbye(TimePoint now, double wall_time) {
  while (!large_.empty()) stop_sending(large_.front().stream.id(), "the sender leaves", true);
  std::vector<AddressedMessage> messages;
  const auto take_all = [&] {
    while (auto message = take_message(now, wall_time)) messages.push_back(*std::move(message));
  };
  take_all();
  OutgoingMessage bye;
  bye.kind = OutgoingMessage::Kind::kRequest;
  bye.destination = peer_;
  bye.channel = kCellChannel;
  bye.topic = kByeTopic;
  bye.request_id = new_uuid();
  bye.optional = true;
  send_soon(std::move(bye));
  take_all();
  return messages;
}

// ---- What is sent

std::string StreamCell::request(Blob blob, Duration timeout, TimePoint now) {
  std::string id = new_uuid();
  if (requests_.size() >= limits_.max_requests) {
    events_.emplace_back(Answered{id, std::string(return_code::kCommError), "too many requests at once", {}, {}, true});
    return id;
  }
  Map headers = blob.headers;
  headers.set(stream_key::kEncoding, blob.encoding);
  headers.set(cell_key::kPayloadBytes, static_cast<int64_t>(blob.content.size()));
  headers.set(stream_key::kRequestId, id);
  requests_[id] = {blob.destination, next_stream_id_, timeout, now + timeout, {}, false};
  start(std::move(blob), std::move(headers), id, now);
  return id;
}

std::string StreamCell::ask_peers(const std::string &cell, Duration timeout, TimePoint now) {
  OutgoingMessage question;
  question.kind = OutgoingMessage::Kind::kRequest;
  question.destination = cell;
  question.channel = kManagerChannel;
  question.topic = kPeersTopic;
  question.optional = true;
  question.request_id = new_uuid();
  std::string id = question.request_id;
  requests_[id] = {cell, next_stream_id_++, timeout, now + timeout, {}, true};
  if (peer_.empty()) {
    fail_request(id, return_code::kCommError, "not connected", true);
  } else {
    send_soon(std::move(question));
  }
  return id;
}

int64_t StreamCell::answer(const Received &question, std::string_view return_code, Blob blob, TimePoint now) {
  Map headers = std::move(blob.headers);
  headers.set(cell_key::kReturnCode, return_code);
  headers.set(cell_key::kRequestId, text_of(question.headers, cell_key::kRequestId));
  headers.set(cell_key::kMessageType, message_type::kReply);
  headers.set(stream_key::kRequestId, question.request_id);
  headers.set(stream_key::kEncoding, blob.encoding);
  headers.set(cell_key::kPayloadBytes, static_cast<int64_t>(blob.content.size()));
  blob.destination = question.origin;
  blob.channel = kReturnOnly;
  blob.topic = question.channel + ":" + question.topic;
  return start(std::move(blob), std::move(headers), "", now);
}

int64_t StreamCell::notify(Blob blob, TimePoint now) {
  Map headers = std::move(blob.headers);
  headers.set(stream_key::kEncoding, blob.encoding);
  headers.set(cell_key::kPayloadBytes, static_cast<int64_t>(blob.content.size()));
  return start(std::move(blob), std::move(headers), "", now);
}

int64_t StreamCell::start(Blob blob, Map headers, std::string request_id, TimePoint now) {
  const int64_t id = next_stream_id_++;
  const size_t names = blob.destination.size() + blob.channel.size() + blob.topic.size();
  const bool too_long = encode_map(headers).size() + names > limits_.max_header_bytes;
  Outgoing outgoing{StreamOut(id, std::move(blob), std::move(headers), limits_, now), std::move(request_id)};
  if (peer_.empty()) {
    ended(outgoing, "not connected", true);
  } else if (too_long) {
    ended(outgoing, "its headers are more than a frame can have");
  } else if (small_.size() + large_.size() >= limits_.max_unsent) {
    ended(outgoing, "too much waits to be sent", true);
  } else {
    (outgoing.stream.is_small() ? small_ : large_).push_back(std::move(outgoing));
  }
  return id;
}

std::optional<AddressedMessage> StreamCell::take_message(TimePoint now, double wall_time) {
  tell_sent("");
  if (peer_.empty()) return std::nullopt;
  if (!messages_.empty()) {
    OutgoingMessage message = std::move(messages_.front());
    messages_.pop_front();
    return address(std::move(message), options_.identity, peer_, wall_time);
  }
  if (!small_.empty()) return take_chunk(&small_, small_.begin(), now, wall_time);
  const auto next = std::find_if(large_.begin(), large_.end(), [](const Outgoing &o) { return o.stream.may_send(); });
  if (next == large_.end()) return std::nullopt;
  return take_chunk(&large_, next, now, wall_time);
}

AddressedMessage StreamCell::take_chunk(Outgoings *from, Outgoings::iterator outgoing, TimePoint now,
                                        double wall_time) {
  AddressedMessage chunk = address(outgoing->stream.next_chunk(now), options_.identity, peer_, wall_time);
  progressed(outgoing->request_id, now);
  if (outgoing->stream.done()) {
    if (outgoing->request_id.empty()) leaving_ = outgoing->stream.id();
    from->erase(outgoing);
  } else {
    from->splice(from->end(), *from, outgoing);
  }
  return chunk;
}

StreamCell::Outgoing *StreamCell::find_outgoing(int64_t stream_id, const std::string &destination) {
  for (Outgoings *list : {&large_, &small_}) {
    for (Outgoing &outgoing : *list) {
      if (outgoing.stream.id() == stream_id && outgoing.stream.destination() == destination) return &outgoing;
    }
  }
  return nullptr;
}

std::optional<StreamCell::Outgoing> StreamCell::take_outgoing(int64_t stream_id) {
  for (Outgoings *list : {&large_, &small_}) {
    const auto found = std::find_if(list->begin(), list->end(), [&](auto &o) { return o.stream.id() == stream_id; });
    if (found == list->end()) continue;
    std::optional<Outgoing> outgoing = std::move(*found);
    list->erase(found);
    return outgoing;
  }
  return std::nullopt;
}

void StreamCell::stop_sending(int64_t stream_id, const std::string &error, bool tell) {
  const std::optional<Outgoing> outgoing = take_outgoing(stream_id);
  if (!outgoing) return;
  if (tell) send_soon(outgoing->stream.error_chunk(shortened(error, limits_.max_name)));
  ended(*outgoing, error);
}

// Before all of it was sent.
void StreamCell::ended(const Outgoing &outgoing, const std::string &error, bool local) {
  if (outgoing.request_id.empty()) {
    events_.emplace_back(Sent{outgoing.stream.id(), error});
  } else {
    fail_request(outgoing.request_id, return_code::kCommError, error, local);
  }
}

void StreamCell::tell_sent(const std::string &error) {
  if (leaving_) events_.emplace_back(Sent{*std::exchange(leaving_, std::nullopt), error});
}

// ---- Requests of ours

void StreamCell::cancel(const std::string &request_id, const std::string &reason) {
  const auto found = requests_.find(request_id);
  if (found != requests_.end()) forget_request(found, reason);
  std::erase_if(events_, [&](const Event &event) {
    const auto *answered = std::get_if<Answered>(&event);
    return answered && answered->request_id == request_id;
  });
}

// Neither its stream nor that of its answer goes on.
void StreamCell::forget_request(std::map<std::string, Request>::iterator request, const std::string &reason) {
  const Request gone = std::move(request->second);
  requests_.erase(request);
  if (const auto outgoing = take_outgoing(gone.stream_id)) {
    send_soon(outgoing->stream.error_chunk(shortened(reason, limits_.max_name)));
  }
  if (gone.answer && incoming_.erase(*gone.answer) > 0) remember_finished(*gone.answer);
}

void StreamCell::fail_request(const std::string &request_id, std::string_view code, const std::string &error,
                              bool local) {
  const auto found = requests_.find(request_id);
  if (found == requests_.end()) return;
  Answered answered{request_id, std::string(code), error, {}, {}, local};
  forget_request(found, error);
  events_.emplace_back(std::move(answered));
}

void StreamCell::progressed(const std::string &request_id, TimePoint now) {
  const auto found = requests_.find(request_id);
  if (found != requests_.end()) found->second.until = now + found->second.timeout;
}

// ---- What comes

void StreamCell::on_message(const CellMessage &message, TimePoint now) {
  const Map &headers = message.headers;
  const std::string origin = text_of(headers, cell_key::kOrigin);
  if (origin.empty() || !is_name(origin)) return complain("a message that does not say who sent it");
  if (text_of(headers, cell_key::kDestination) != options_.identity.fqcn) {
    return complain("a message from " + origin + " that is not for us");  // a leaf of the network passes nothing on
  }
  heard(origin);
  const std::string type = text_of(headers, cell_key::kMessageType);
  if (type == message_type::kRequest) return on_request(message, origin, now);
  if (type != message_type::kReply && type != message_type::kReturn) {
    return complain("a message of unknown type from " + origin);
  }
  on_reply(message, origin);
}

// The only ones of ours that are answered so are bye, for which nobody waits, and ask_peers().
void StreamCell::on_reply(const CellMessage &message, const std::string &origin) {
  const Value *value = message.headers.find(cell_key::kRequestId);
  if (value && value->list() && !value->list()->empty()) value = &value->list()->front();  // one that came back
  if (!value || !value->text()) return;
  const std::string id = *value->text();
  // What cannot be delivered comes back from whoever could not.
  const auto found = requests_.find(id);
  if (found == requests_.end() || !found->second.of_the_cell) return;
  if (origin != found->second.destination && origin != peer_) return;
  forget_request(found, "it was answered already");
  events_.emplace_back(Answered{id, text_of(message.headers, cell_key::kReturnCode),
                                text_of(message.headers, cell_key::kError), message.headers,
                                copy_bytes(message.payload.data, message.payload.size)});
}

void StreamCell::on_request(const CellMessage &message, const std::string &origin, TimePoint now) {
  const Map &headers = message.headers;
  const std::string channel = text_of(headers, cell_key::kChannel);
  const std::string topic = text_of(headers, cell_key::kTopic);
  const std::string request_id = text_of(headers, cell_key::kRequestId);
  // All are repeated in what we answer, for which they would leave no place.
  if (!is_name(channel) || !is_name(topic) || !is_name(request_id)) {
    return complain("a message with too long a channel, topic or id from " + origin);
  }
  if (channel == kStreamChannel && topic == kDataTopic) return on_chunk(message, origin, now);
  if (channel == kStreamChannel && topic == kAckTopic) return on_acknowledgement(headers, origin, now);
  const bool bye = channel == kCellChannel && topic == kByeTopic;
  if (bye) events_.emplace_back(PeerLeaves{});
  if (!flag_of(headers, cell_key::kReplyExpected)) return;
  OutgoingMessage reply;
  reply.kind = OutgoingMessage::Kind::kReply;
  reply.destination = origin;
  reply.channel = channel;
  reply.topic = topic;
  reply.request_id = request_id;
  reply.optional = flag_of(headers, cell_key::kOptional);
  reply.headers.set(cell_key::kReturnCode, bye ? return_code::kOk : return_code::kProcessException);
  if (!bye) reply.headers.set(cell_key::kError, "no callback");
  send_soon(std::move(reply));
}

void StreamCell::on_acknowledgement(const Map &headers, const std::string &origin, TimePoint now) {
  const int64_t id = number_of(headers, stream_key::kId);
  Outgoing *outgoing = find_outgoing(id, origin);
  if (!tells_error(headers)) {
    // Late ones, of streams that are over, are usual.
    if (outgoing && outgoing->stream.on_ack(number_of(headers, stream_key::kOffset), now)) {
      progressed(outgoing->request_id, now);
    }
    return;
  }
  if (outgoing) return stop_sending(id, error_text(headers), false);
  // Of one chunk, as most are, the stream is over before its receiver can say anything.
  const auto found = std::find_if(requests_.begin(), requests_.end(), [&](const auto &entry) {
    return entry.second.stream_id == id && entry.second.destination == origin;
  });
  if (found != requests_.end()) fail_request(std::string(found->first), return_code::kCommError, error_text(headers));
}

void StreamCell::on_chunk(const CellMessage &message, const std::string &origin, TimePoint now) {
  const StreamKey key(origin, number_of(message.headers, stream_key::kId));
  if (key.second < 0) return complain("a chunk without a stream from " + origin);
  if (finished_.contains(finished_name(key.first, key.second))) return;
  if (tells_error(message.headers)) return fail_stream(key, message.headers, error_text(message.headers), false);
  try {
    if (!incoming_.contains(key) && !open_stream(key, message.headers, now)) return;
    StreamIn &stream = incoming_.at(key);
    const bool news = stream.on_chunk(message.headers, message.payload, now);
    if (news && incoming_bytes() > limits_.max_incoming_bytes) too_large("too many bytes at once");
    if (news && is_answer(stream.headers())) progressed(text_of(stream.headers(), stream_key::kRequestId), now);
    if (const auto offset = stream.take_ack()) acknowledge(key, *offset);
    if (stream.whole()) give_out(key);
  } catch (const Failure &failure) {
    fail_stream(key, message.headers, failure.what(), true);
  } catch (const std::bad_alloc &) {
    const std::string size = std::to_string(number_of(message.headers, stream_key::kSize));
    fail_stream(key, message.headers, "no memory for a blob of " + size + " bytes", true);
  }
}

// An answer may fail before its stream is open.
void StreamCell::fail_stream(const StreamKey &key, const Map &headers, const std::string &reason, bool tell) {
  const bool answers = expects_answer(key, headers);
  drop_stream(key, reason, tell);
  if (answers) fail_request(text_of(headers, stream_key::kRequestId), return_code::kCommError, reason);
}

bool StreamCell::open_stream(const StreamKey &key, const Map &headers, TimePoint now) {
  if (flag_of(headers, cell_key::kEncrypted)) {
    events_.emplace_back(Encrypted{key.first});
    throw Failure(FLARE_PROTOCOL, "encryption from end to end (cn__secure) is not supported");
  }
  if (is_answer(headers) && !expects_answer(key, headers)) {
    remember_finished(key);
    return false;
  }
  const std::string channel = text_of(headers, stream_key::kChannel);
  const std::string topic = text_of(headers, stream_key::kTopic);
  if (!is_name(channel) || !is_name(topic) || !is_name(text_of(headers, stream_key::kRequestId))) {
    throw Failure(FLARE_PROTOCOL, "too long a channel, topic or id");
  }
  if (channel != kReturnOnly && !options_.channels.contains(channel)) {
    throw Failure(FLARE_PROTOCOL, "No callback is registered for " + channel + "/" + topic);
  }
  check_room(headers);
  incoming_.emplace(key, StreamIn(headers, limits_, now, options_.places));
  if (is_answer(headers)) requests_.at(text_of(headers, stream_key::kRequestId)).answer = key;
  return true;
}

// It may be too late, from somebody else, or the second one.
bool StreamCell::expects_answer(const StreamKey &key, const Map &headers) {
  const auto request = requests_.find(text_of(headers, stream_key::kRequestId));
  return request != requests_.end() && request->second.destination == key.first &&
         request->second.answer.value_or(key) == key;
}

void StreamCell::check_room(const Map &headers) const {
  if (incoming_.size() >= limits_.max_incoming_streams) too_large("too many streams at once");
  const uint64_t reserved = incoming_bytes();
  const int64_t size = std::max<int64_t>(0, number_of(headers, stream_key::kSize));
  if (reserved > limits_.max_incoming_bytes || static_cast<uint64_t>(size) > limits_.max_incoming_bytes - reserved) {
    too_large("too many bytes at once");
  }
}

uint64_t StreamCell::incoming_bytes() const {
  uint64_t reserved = 0;
  for (const auto &[key, stream] : incoming_) reserved += stream.reserved_bytes();
  return reserved;
}

void StreamCell::give_out(const StreamKey &key) {
  const StreamIn stream = std::move(incoming_.at(key));
  incoming_.erase(key);
  remember_finished(key);
  const Map &headers = stream.headers();
  const std::string request_id = text_of(headers, stream_key::kRequestId);
  if (is_answer(headers)) {
    // It may come before all of the request went.
    forget_request(requests_.find(request_id), "it was answered already");
    events_.emplace_back(Answered{request_id, text_of(headers, cell_key::kReturnCode),
                                  text_of(headers, cell_key::kError), headers, stream.content()});
    return;
  }
  events_.emplace_back(Received{key.first, text_of(headers, stream_key::kChannel), text_of(headers, stream_key::kTopic),
                                request_id, key.second, headers, stream.content()});
}

void StreamCell::drop_stream(const StreamKey &key, const std::string &reason, bool tell) {
  const auto found = incoming_.find(key);
  std::string request_id;
  if (found != incoming_.end()) {
    if (is_answer(found->second.headers())) request_id = text_of(found->second.headers(), stream_key::kRequestId);
    incoming_.erase(found);
  }
  remember_finished(key);
  if (tell) tell_sender(key, reason);
  if (request_id.empty()) {
    complain("a blob from " + key.first + " failed: " + reason);
  } else {
    fail_request(request_id, return_code::kCommError, reason);
  }
}

void StreamCell::remember_finished(const StreamKey &key) {
  const std::string name = finished_name(key.first, key.second);
  if (!finished_.insert(name).second) return;
  finished_order_.push_back(name);
  if (finished_order_.size() <= limits_.max_finished) return;
  finished_.erase(finished_order_.front());
  finished_order_.pop_front();
}

void StreamCell::refuse(const Received &question, const std::string &reason, TimePoint now) {
  if (question.request_id.empty()) return tell_sender({question.origin, question.stream_id}, reason);
  Blob blob;
  blob.headers.set(cell_key::kError, shortened(reason, limits_.max_name));
  answer(question, return_code::kProcessException, std::move(blob), now);
}

void StreamCell::tell_sender(const StreamKey &key, const std::string &reason) {
  answer_stream(key, stream_kind::kError, stream_key::kError, shortened(reason, limits_.max_name));
}

void StreamCell::acknowledge(const StreamKey &key, int64_t offset) {
  answer_stream(key, stream_kind::kAck, stream_key::kOffset, offset);
}

void StreamCell::answer_stream(const StreamKey &key, int64_t kind, std::string_view name, Value value) {
  OutgoingMessage message;
  message.destination = key.first;
  message.channel = kStreamChannel;
  message.topic = kAckTopic;
  message.headers.set(stream_key::kId, key.second);
  message.headers.set(stream_key::kKind, kind);
  message.headers.set(name, std::move(value));
  send_soon(std::move(message));
}

// ---- Time

void StreamCell::on_time(TimePoint now) {
  std::vector<int64_t> stuck;
  for (const Outgoing &outgoing : large_) {
    const auto deadline = outgoing.stream.deadline();
    if (deadline && now >= *deadline) stuck.push_back(outgoing.stream.id());
  }
  for (const int64_t id : stuck) {
    stop_sending(id, "no acknowledgement came for " + duration_text(limits_.ack_progress_timeout), true);
  }
  std::vector<std::string> late;
  for (const auto &[id, request] : requests_) {
    if (now >= request.until) late.push_back(id);
  }
  for (const std::string &id : late) {
    fail_request(id, return_code::kTimeout, "no answer came for " + duration_text(requests_.at(id).timeout));
  }
  std::vector<StreamKey> silent;
  for (const auto &[key, stream] : incoming_) {
    if (now >= stream.deadline()) silent.push_back(key);
  }
  for (const StreamKey &key : silent) {
    drop_stream(key, "nothing more of it came for " + duration_text(limits_.read_timeout), true);
  }
}

std::optional<TimePoint> StreamCell::deadline() const {
  std::optional<TimePoint> first;
  for (const Outgoing &outgoing : large_) first = earlier(first, outgoing.stream.deadline());
  for (const auto &[id, request] : requests_) first = earlier(first, request.until);
  for (const auto &[key, stream] : incoming_) first = earlier(first, stream.deadline());
  return first;
}

// ---- Small things

// What a peer does not read at all is lost in the end; it has its time-outs.
void StreamCell::send_soon(OutgoingMessage message) {
  if (!peer_.empty() && messages_.size() < limits_.max_unsent) messages_.push_back(std::move(message));
}

void StreamCell::heard(const std::string &origin) {
  if (heard_.size() < limits_.max_remarks && heard_.insert(origin).second) events_.emplace_back(Heard{origin});
}

void StreamCell::complain(const std::string &text) {
  if (complaints_ >= limits_.max_remarks) return;
  ++complaints_;
  events_.emplace_back(Complaint{text});
}

std::vector<StreamCell::Event> StreamCell::take_events() {
  heard_.clear();
  complaints_ = 0;
  return std::exchange(events_, {});
}

}  // namespace flare
