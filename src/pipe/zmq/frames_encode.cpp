#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/failure.h"
#include "base/text.h"
#include "pipe/zmq/frames.h"
#include "wire_generated.h"

namespace flare::wire {

namespace {

namespace fb = flatbuffers;

// FlatBuffers asserts beyond 2 GiB; lay_out() refuses such messages long before.
constexpr size_t kMaxBuilt = size_t{1} << 30;

// A reason may quote what the system or the user said: it is made fit for the wire, whatever it is.
std::string presentable(std::string_view reason) {
  std::string text(reason);
  if (!is_utf8(text)) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  }
  if (text.size() > kMaxReason) {
    size_t end = kMaxReason;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
  }
  return text;
}

class Encoder {
 public:
  explicit Encoder(size_t expected) : builder_(expected) {}

  Bytes finish(const Envelope &envelope) {
    const auto body = std::visit([this](const auto &alternative) { return put(alternative); }, envelope.body);
    fbs::FinishEnvelopeBuffer(builder_, fbs::CreateEnvelope(builder_, envelope.epoch, body.type, body.table));
    const auto buffer = std::make_shared<const fb::DetachedBuffer>(builder_.Release());
    return {buffer, reinterpret_cast<const std::byte *>(buffer->data()), buffer->size()};
  }

 private:
  struct CodedBody {
    fbs::Body type;
    fb::Offset<void> table;
  };
  struct CodedValue {
    fbs::Value type;
    fb::Offset<void> table;
  };

  template <typename Table>
  static CodedBody as_body(fb::Offset<Table> table) {
    return {fbs::BodyTraits<Table>::enum_value, table.Union()};
  }
  template <typename Table>
  static CodedValue as_value(fb::Offset<Table> table) {
    return {fbs::ValueTraits<Table>::enum_value, table.Union()};
  }

  void make_room(size_t bytes) {
    if (bytes > kMaxBuilt || builder_.GetSize() > kMaxBuilt - bytes) {
      throw Failure(FLARE_TOO_LARGE, "the message's names and values are too large for one envelope");
    }
  }

  fb::Offset<fb::String> required(std::string_view text) {
    make_room(text.size());
    return builder_.CreateString(text.data(), text.size());
  }
  fb::Offset<fb::String> text(std::string_view text) {
    return text.empty() ? fb::Offset<fb::String>() : required(text);
  }
  fb::Offset<fb::String> reason(std::string_view reason) {
    return reason.empty() ? fb::Offset<fb::String>() : required(presentable(reason));
  }

  // ---- Session

  CodedBody put(const Hello &from) {
    const auto instance = text(from.instance), agent_id = text(from.agent_id), token = text(from.token);
    const auto library = text(from.library), host = text(from.host);
    return as_body(fbs::CreateHello(builder_, from.min_version, from.max_version, static_cast<fbs::Lane>(from.lane),
                                    from.epoch, instance, agent_id, token, library, host, from.capabilities));
  }
  CodedBody put(const Welcome &from) {
    const auto instance = text(from.instance), agent_id = text(from.agent_id), site = text(from.site);
    const auto job_id = text(from.job_id), library = text(from.library), host = text(from.host);
    return as_body(fbs::CreateWelcome(builder_, from.version, static_cast<fbs::Lane>(from.lane), from.epoch, instance,
                                      agent_id, site, job_id, library, host, from.capabilities));
  }
  CodedBody put(const Reject &from) {
    return as_body(fbs::CreateReject(builder_, static_cast<fbs::Refusal>(from.refusal), reason(from.reason)));
  }
  CodedBody put(const Heartbeat &from) {
    return as_body(fbs::CreateHeartbeat(builder_, from.sequence, static_cast<fbs::Phase>(from.phase)));
  }
  CodedBody put(const Bye &from) { return as_body(fbs::CreateBye(builder_, reason(from.reason))); }

  // ---- Transfers

  CodedBody put(const ChunkRequest &from) {
    return as_body(
        fbs::CreateChunkRequest(builder_, required(from.transaction), from.object, from.offset, from.length));
  }
  CodedBody put(const Chunk &from) {
    return as_body(fbs::CreateChunk(builder_, required(from.transaction), from.object, from.offset, from.checksum));
  }
  CodedBody put(const ChunkRefused &from) {
    const auto transaction = required(from.transaction);
    return as_body(fbs::CreateChunkRefused(builder_, transaction, from.status, reason(from.reason)));
  }
  CodedBody put(const Settled &from) {
    const auto transaction = required(from.transaction);
    const auto reason_text = reason(from.reason);
    return as_body(fbs::CreateSettled(builder_, transaction, from.success, reason_text, text(from.receiver)));
  }
  CodedBody put(const Progress &from) {
    const auto transaction = required(from.transaction);
    return as_body(fbs::CreateProgress(builder_, transaction, text(from.receiver), from.bytes, from.items));
  }

  // ---- Messages

  CodedBody put(const Ack &from) {
    const auto id = required(from.id);
    return as_body(fbs::CreateAck(builder_, id, from.accepted, reason(from.reason), from.for_good));
  }

  CodedBody put(const Data &from) {
    const Message &message = *from.message;
    const auto headers = entries(message.data.headers);
    const auto body = entries(message.data.body);
    const auto meta = entries(message.data.meta);
    const auto topic = text(message.topic), id = required(message.id), request_id = text(message.request_id);
    const auto data_kind = text(message.data.kind);
    const Payload &payload = from.payload;
    if (payload.slots.size() != parts_) throw Failure(FLARE_INTERNAL, "a message was laid out with another content");
    fb::Offset<fb::Vector<const fbs::Slot *>> slots;
    fb::Offset<fb::Vector<uint64_t>> objects;
    if (!payload.slots.empty()) {
      make_room((sizeof(fbs::Slot) + sizeof(uint64_t)) * payload.slots.size());
      fbs::Slot *out = nullptr;
      slots = builder_.CreateUninitializedVectorOfStructs(payload.slots.size(), &out);
      for (const Payload::Slot &slot : payload.slots) *out++ = fbs::Slot(slot.object, slot.offset, slot.size);
    }
    if (!payload.sizes.empty()) objects = builder_.CreateVector(payload.sizes);
    return as_body(fbs::CreateData(builder_, static_cast<fbs::MessageKind>(message.kind), topic, id, request_id,
                                   data_kind, headers, body, meta, slots, objects, payload.inlined,
                                   payload.inline_checksum));
  }

  fb::Offset<fb::Vector<fb::Offset<fbs::Entry>>> entries(const Map &map) {
    if (map.empty()) return {};
    std::vector<fb::Offset<fbs::Entry>> offsets;
    offsets.reserve(map.size());
    for (const auto &[key, value] : map) {
      const CodedValue coded = code(value);
      offsets.push_back(fbs::CreateEntry(builder_, required(key), coded.type, coded.table));
    }
    make_room(offsets.size() * sizeof(fb::uoffset_t));
    return builder_.CreateVector(offsets);
  }

  CodedValue code(const Value &value) {
    make_room(64);
    return std::visit([this](const auto &alternative) { return put(alternative); }, value.data());
  }

  CodedValue put(std::monostate) { return {fbs::Value::NONE, {}}; }
  CodedValue put(bool value) { return as_value(fbs::CreateBoolValue(builder_, value)); }
  CodedValue put(int64_t value) { return as_value(fbs::CreateIntValue(builder_, value)); }
  CodedValue put(double value) {
    // Without a default to compare with: -0.0 equals 0.0 and would be left out.
    fbs::DoubleValueBuilder table(builder_);
    builder_.AddElement(fbs::DoubleValue::VT_VALUE, value);
    return as_value(table.Finish());
  }
  CodedValue put(const std::string &value) { return as_value(fbs::CreateTextValue(builder_, text(value))); }
  CodedValue put(const Bytes &) {
    ++parts_;
    return as_value(fbs::CreateBytesValue(builder_));
  }
  CodedValue put(const List &list) {
    if (list.empty()) return as_value(fbs::CreateListValue(builder_));
    std::vector<fb::Offset<fbs::Item>> offsets;
    offsets.reserve(list.size());
    for (const Value &value : list) {
      const CodedValue coded = code(value);
      offsets.push_back(fbs::CreateItem(builder_, coded.type, coded.table));
    }
    make_room(offsets.size() * sizeof(fb::uoffset_t));
    return as_value(fbs::CreateListValue(builder_, builder_.CreateVector(offsets)));
  }
  CodedValue put(const Map &map) { return as_value(fbs::CreateMapValue(builder_, entries(map))); }
  CodedValue put(const Tensor &tensor) {
    ++parts_;
    fb::Offset<fb::Vector<int64_t>> shape;
    if (!tensor.shape.empty()) shape = builder_.CreateVector(tensor.shape);
    return as_value(fbs::CreateTensorValue(builder_, tensor.dtype, shape));
  }
  CodedValue put(const OpaqueObject &object) {
    ++parts_;
    return as_value(fbs::CreateOpaqueValue(builder_, text(object.type_name)));
  }

  fb::FlatBufferBuilder builder_;
  size_t parts_ = 0;  // values with bytes in the payload
};

}  // namespace

Bytes encode(const Envelope &envelope) {
  const auto *data = std::get_if<Data>(&envelope.body);
  return Encoder(512 + (data ? 128 * data->payload.slots.size() : 0)).finish(envelope);
}

}  // namespace flare::wire
