#include <algorithm>
#include <cstring>
#include <utility>

#include "base/failure.h"
#include "base/text.h"
#include "pipe/zmq/frames.h"
#include "wire_generated.h"

namespace flare::wire {

namespace {

namespace fb = flatbuffers;

// FlatBuffers' offsets reach 2 GiB; nobody needs half of it for names.
constexpr size_t kMaxRead = size_t{1} << 30;
constexpr uintptr_t kBufferAlignment = 8;

[[noreturn]] void refuse(const std::string &what) { throw Failure(FLARE_PROTOCOL, what); }
// The verifier looks only at the alignment of a vector's length.
template <typename Vector>
const Vector *aligned(const Vector *vector) {
  if (vector && vector->size() > 0 && reinterpret_cast<uintptr_t>(vector->Data()) % kBufferAlignment != 0) {
    refuse("a vector in the envelope is not aligned");
  }
  return vector;
}

template <typename Enum, typename Coded>
Enum known(Coded coded, Enum last, const char *what) {
  if (static_cast<unsigned>(coded) > static_cast<unsigned>(last)) {
    refuse(std::string("unknown ") + what + " " + std::to_string(static_cast<unsigned>(coded)));
  }
  return static_cast<Enum>(coded);
}

// Reads a verified envelope. What the verifier cannot know is that parts may be shared: a small envelope could then
// stand for gigabytes. So all that is copied is paid for, and there is as much to spend as the envelope has bytes.
class Decoder {
 public:
  Decoder(size_t size, const Limits &limits) : limits_(limits), unspent_(size) {}

  Envelope read(const fbs::Envelope &from) {
    Envelope envelope;
    envelope.epoch = from.epoch();
    envelope.body = body(from);
    return envelope;
  }

 private:
  Body body(const fbs::Envelope &from) {
    switch (from.body_type()) {
      case fbs::Body::Hello: return hello(*from.body_as_Hello());
      case fbs::Body::Welcome: return welcome(*from.body_as_Welcome());
      case fbs::Body::Reject: return reject(*from.body_as_Reject());
      case fbs::Body::Data: return data(*from.body_as_Data());
      case fbs::Body::Ack: return ack(*from.body_as_Ack());
      case fbs::Body::Heartbeat: return heartbeat(*from.body_as_Heartbeat());
      case fbs::Body::Bye: return Bye{reason(from.body_as_Bye()->reason())};
      case fbs::Body::ChunkRequest: return chunk_request(*from.body_as_ChunkRequest());
      case fbs::Body::Chunk: return chunk(*from.body_as_Chunk());
      case fbs::Body::ChunkRefused: return chunk_refused(*from.body_as_ChunkRefused());
      case fbs::Body::Settled: return settled(*from.body_as_Settled());
      case fbs::Body::Progress: return progress(*from.body_as_Progress());
      default: refuse("an unknown kind of envelope: " + std::to_string(static_cast<unsigned>(from.body_type())));
    }
  }

  void spend(size_t bytes) {
    if (bytes > unspent_) refuse("the envelope uses one part twice");
    unspent_ -= bytes;
  }

  std::string text(const fb::String *from, size_t max, const char *what) {
    if (!from) return {};
    const std::string_view view(from->c_str(), from->size());
    if (view.size() > max) {
      too_large(std::string(what) + " of " + std::to_string(view.size()) + " bytes: at most " + std::to_string(max) +
                " are allowed");
    }
    spend(view.size());
    if (!is_utf8(view)) refuse(std::string(what) + " is not UTF-8");
    return std::string(view);
  }
  std::string name(const fb::String *from, const char *what) { return text(from, limits_.max_text, what); }
  std::string reason(const fb::String *from) { return text(from, kMaxReason, "a reason"); }
  std::string id(const fb::String *from) {
    std::string id = text(from, kMaxId, "an id");
    if (id.empty()) refuse("an id is missing");
    return id;
  }

  // ---- Session

  Hello hello(const fbs::Hello &from) {
    Hello hello;
    hello.min_version = from.min_version();
    hello.max_version = from.max_version();
    hello.lane = known(from.lane(), Lane::kBulk, "lane");
    hello.epoch = from.epoch();
    hello.instance = name(from.instance(), "the instance");
    hello.agent_id = name(from.agent_id(), "the agent id");
    hello.token = name(from.token(), "the token");
    hello.library = name(from.library(), "the library's name");
    hello.host = name(from.host(), "the host's name");
    hello.capabilities = from.capabilities();
    return hello;
  }

  Welcome welcome(const fbs::Welcome &from) {
    Welcome welcome;
    welcome.version = from.version();
    welcome.lane = known(from.lane(), Lane::kBulk, "lane");
    welcome.epoch = from.epoch();
    welcome.instance = name(from.instance(), "the instance");
    welcome.agent_id = name(from.agent_id(), "the agent id");
    welcome.site = name(from.site(), "the site's name");
    welcome.job_id = name(from.job_id(), "the job id");
    welcome.library = name(from.library(), "the library's name");
    welcome.host = name(from.host(), "the host's name");
    welcome.capabilities = from.capabilities();
    return welcome;
  }

  Reject reject(const fbs::Reject &from) {
    return {known(from.refusal(), Refusal::kOver, "refusal"), reason(from.reason())};
  }

  Heartbeat heartbeat(const fbs::Heartbeat &from) {
    return {from.sequence(), known(from.phase(), Phase::kSending, "phase")};
  }

  // ---- Transfers

  uint64_t max_object() const { return std::max<uint64_t>(limits_.max_tensor_bytes, limits_.chunk_bytes); }

  uint64_t offset(uint64_t offset) const {
    if (offset > max_object()) too_large("an offset of " + std::to_string(offset) + " bytes");
    return offset;
  }

  ChunkRequest chunk_request(const fbs::ChunkRequest &from) {
    if (from.length() == 0) refuse("a request for a chunk of no bytes");
    if (from.length() > limits_.chunk_bytes) {
      too_large("a request for a chunk of " + std::to_string(from.length()) + " bytes");
    }
    return {id(from.transaction()), from.object(), offset(from.offset()), from.length()};
  }

  Chunk chunk(const fbs::Chunk &from) {
    return {id(from.transaction()), from.object(), offset(from.offset()), from.checksum()};
  }

  ChunkRefused chunk_refused(const fbs::ChunkRefused &from) {
    return {id(from.transaction()), from.status(), reason(from.reason())};
  }

  std::string receiver(const fb::String *from) { return text(from, kMaxReceiver, "a receiver's name"); }

  Settled settled(const fbs::Settled &from) {
    return {id(from.transaction()), from.success(), reason(from.reason()), receiver(from.receiver())};
  }

  Progress progress(const fbs::Progress &from) {
    if (from.bytes() > limits_.max_message_bytes) too_large("a progress of " + std::to_string(from.bytes()) + " bytes");
    return {id(from.transaction()), receiver(from.receiver()), from.bytes(), from.items()};
  }

  // ---- Messages

  Ack ack(const fbs::Ack &from) { return {id(from.id()), from.accepted(), reason(from.reason()), from.for_good()}; }

  Data data(const fbs::Data &from) {
    payload_ = payload(from);
    const auto message = std::make_shared<Message>();
    message->kind = known(from.kind(), MessageKind::kReply, "kind of message");
    message->topic = name(from.topic(), "a topic");
    message->id = id(from.id());
    message->request_id = text(from.request_id(), kMaxId, "an id");
    message->data.kind = name(from.data_kind(), "a data kind");
    message->data.headers = map(from.headers());
    message->data.body = map(from.body());
    message->data.meta = map(from.meta());
    if (next_slot_ != payload_.slots.size()) refuse("the envelope has more slots than values for them");
    return {message, std::move(payload_)};
  }

  Payload payload(const fbs::Data &from) {
    Payload payload;
    const auto *slots = aligned(from.slots());
    const auto *objects = aligned(from.objects());
    const size_t slot_count = slots ? slots->size() : 0;
    const size_t object_count = objects ? objects->size() : 0;
    if (slot_count > limits_.max_tensors) too_large("a message of " + std::to_string(slot_count) + " tensors");
    if (object_count > slot_count) refuse("the payload has more objects than slots");
    uint64_t total = 0;
    payload.sizes.reserve(object_count);
    for (size_t i = 0; i < object_count; ++i) {
      const uint64_t size = objects->Get(static_cast<fb::uoffset_t>(i));
      if (size > max_object() || size > limits_.max_message_bytes - total) {
        too_large("a payload with an object of " + std::to_string(size) + " bytes");
      }
      total += size;
      payload.sizes.push_back(size);
    }
    std::vector<uint64_t> filled(object_count);
    payload.slots.reserve(slot_count);
    for (size_t i = 0; i < slot_count; ++i) {
      payload.slots.push_back(slot(*slots->Get(static_cast<fb::uoffset_t>(i)), payload.sizes, &filled));
    }
    if (filled != payload.sizes) refuse("an object of the payload does not end with its last slot");
    payload.inlined = from.inlined();
    payload.inline_checksum = from.inline_checksum();
    if (payload.inlined && object_count != 1) refuse("an inlined payload is not one object");
    if (payload.inlined && total > std::max(limits_.inline_bytes, limits_.chunk_bytes)) {
      too_large("an inlined payload of " + std::to_string(total) + " bytes");
    }
    return payload;
  }

  // Slots that ascend cannot overlap, so that the values of a message never have more bytes than its objects.
  Payload::Slot slot(const fbs::Slot &from, const std::vector<uint64_t> &sizes, std::vector<uint64_t> *filled) const {
    const Payload::Slot slot{from.object(), from.offset(), from.size()};
    if (slot.size > limits_.max_tensor_bytes) too_large("a tensor of " + std::to_string(slot.size) + " bytes");
    if (slot.size == 0) {
      if (slot.object != 0 || slot.offset != 0) refuse("an empty slot has a place");
      return slot;
    }
    if (slot.object >= sizes.size()) refuse("a slot is in object " + std::to_string(slot.object) + ", which is none");
    const uint64_t object_size = sizes[slot.object];
    uint64_t &end = (*filled)[slot.object];
    if (slot.offset < end) refuse("two slots overlap, or are out of order");
    if (slot.offset > object_size || slot.size > object_size - slot.offset) refuse("a slot reaches out of its object");
    end = slot.offset + slot.size;
    return slot;
  }

  uint64_t next_size() {
    if (next_slot_ == payload_.slots.size()) refuse("the envelope has fewer slots than values for them");
    return payload_.slots[next_slot_++].size;
  }

  Map map(const fb::Vector<fb::Offset<fbs::Entry>> *from) {
    Map map;
    if (!from) return map;
    size_t count = 0;
    for (const fbs::Entry *entry : *from) {
      const std::string key = name(entry->key(), "a key");
      map.set(key, read_value(*entry));
      if (map.size() != ++count) refuse("key " + std::to_string(count) + " of a map is there twice");
    }
    return map;
  }

  List list(const fb::Vector<fb::Offset<fbs::Item>> *from) {
    List list;
    if (!from) return list;
    list.reserve(from->size());
    for (const fbs::Item *item : *from) list.push_back(read_value(*item));
    return list;
  }

  // Of an Entry or an Item.
  template <typename Holder>
  Value read_value(const Holder &holder) {
    if (holder.value_type() == fbs::Value::NONE) return {};
    if (!holder.value()) refuse("a value is missing");
    switch (holder.value_type()) {
      case fbs::Value::BoolValue: return holder.value_as_BoolValue()->value();
      case fbs::Value::IntValue: return holder.value_as_IntValue()->value();
      case fbs::Value::DoubleValue: return holder.value_as_DoubleValue()->value();
      case fbs::Value::TextValue: return text(holder.value_as_TextValue()->value(), kMaxRead, "a text");
      case fbs::Value::BytesValue: next_size(); return Bytes();
      case fbs::Value::ListValue: return list(holder.value_as_ListValue()->items());
      case fbs::Value::MapValue: return map(holder.value_as_MapValue()->entries());
      case fbs::Value::TensorValue: return tensor(*holder.value_as_TensorValue());
      case fbs::Value::OpaqueValue: return opaque(*holder.value_as_OpaqueValue());
      default: refuse("an unknown type of value: " + std::to_string(static_cast<unsigned>(holder.value_type())));
    }
  }

  Tensor tensor(const fbs::TensorValue &from) {
    Tensor tensor;
    tensor.dtype = from.dtype();
    if (const auto *shape = aligned(from.shape())) {
      if (shape->size() > static_cast<size_t>(limits_.max_dimensions)) {
        too_large("a tensor of " + std::to_string(shape->size()) + " dimensions");
      }
      spend(sizeof(int64_t) * shape->size());
      tensor.shape.assign(shape->begin(), shape->end());
    }
    uint64_t size = 0;
    try {
      size = tensor_bytes(tensor.dtype, tensor.shape.data(), static_cast<int32_t>(tensor.shape.size()), limits_);
    } catch (const Failure &failure) {
      // What would be a wrong argument of the user is here a wrong envelope of the peer.
      throw Failure(failure.status() == FLARE_TOO_LARGE ? FLARE_TOO_LARGE : FLARE_PROTOCOL, failure.what());
    }
    if (next_size() != size) refuse("the slot of a tensor " + describe(tensor) + " has another size");
    return tensor;
  }

  OpaqueObject opaque(const fbs::OpaqueValue &from) {
    next_size();
    return {name(from.type_name(), "the name of a type"), {}};
  }

  const Limits &limits_;
  size_t unspent_;
  Payload payload_;  // of the message that is being read
  size_t next_slot_ = 0;
};

}  // namespace

Envelope decode(const void *data, size_t size, const Limits &limits) {
  if (size > std::min(limits.max_envelope_bytes, kMaxRead)) {
    too_large("an envelope of " + std::to_string(size) + " bytes");
  }
  if (size < 2 * sizeof(fb::uoffset_t) || !fbs::EnvelopeBufferHasIdentifier(data)) {
    refuse(std::string("a frame without the identifier ") + fbs::EnvelopeIdentifier());
  }
  Block moved;
  if (reinterpret_cast<uintptr_t>(data) % kBufferAlignment != 0) {
    moved = Block(size);
    std::memcpy(moved.data(), data, size);
    data = moved.data();
  }
  fb::Verifier::Options options;
  // Envelope, Data, and two tables for each level: the entry or item, and what it holds. In the innermost container
  // there is one level more.
  options.max_depth = static_cast<fb::uoffset_t>(2 + 2 * (limits.max_depth + 1));
  // A table that is not shared has an offset of its own pointing to it, and begins with another.
  options.max_tables = static_cast<fb::uoffset_t>(size / (2 * sizeof(fb::uoffset_t)));
  fb::Verifier verifier(static_cast<const uint8_t *>(data), size, options);
  if (!fbs::VerifyEnvelopeBuffer(verifier)) refuse("a damaged envelope, or one whose values nest too deep");
  return Decoder(size, limits).read(*fbs::GetEnvelope(data));
}

}  // namespace flare::wire
