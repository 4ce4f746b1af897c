#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/checksum.h"
#include "base/failure.h"
#include "pipe/zmq/frames.h"

namespace flare::wire {

namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kOwnObject = uint64_t{256} << 10;  // from this size on a copy costs more than another object

uint64_t align_up(uint64_t offset) { return (offset + kAlignment - 1) & ~(kAlignment - 1); }

bool is_aligned(const Bytes &bytes) { return reinterpret_cast<uintptr_t>(bytes.data) % kAlignment == 0; }

// What a message carries in its payload, in the order of the walk; and whether the peer would take its envelope.
class Survey {
 public:
  Survey(const Message &message, const Limits &limits) : limits_(limits) {
    if (message.id.empty()) throw Failure(FLARE_INVALID_ARGUMENT, "a message needs an id");
    if (message.id.size() > kMaxId || message.request_id.size() > kMaxId) {
      too_large("the id of a message has more than " + std::to_string(kMaxId) + " bytes");
    }
    add_name(message.topic);
    add_name(message.data.kind);
    walk(message.data.headers, 1);
    walk(message.data.body, 1);
    walk(message.data.meta, 1);
    if (parts_.size() > limits.max_tensors) {
      too_large("the message has " + std::to_string(parts_.size()) + " tensors, more than max_tensors allows");
    }
    if (envelope_bytes_ > limits.max_envelope_bytes) {
      too_large("the names and values of the message need " + std::to_string(envelope_bytes_) +
                " bytes; put what is large into tensors or bytes");
    }
  }

  const std::vector<const Bytes *> &parts() const { return parts_; }

 private:
  // What schema/wire.fbs needs at most, with alignment.
  static constexpr size_t kFixedBytes = 1024 + 2 * kMaxId;
  static constexpr size_t kTextBytes = 8;
  static constexpr size_t kEntryBytes = 20;
  static constexpr size_t kItemBytes = 16;
  static constexpr size_t kValueBytes = 16;
  static constexpr size_t kShapeBytes = 12;
  static constexpr size_t kPartBytes = 32;  // slot and object

  void add_name(const std::string &name) {
    if (name.size() > limits_.max_text) {
      too_large("the name '" + name.substr(0, 40) + "...' has " + std::to_string(name.size()) + " bytes");
    }
    envelope_bytes_ += kTextBytes + name.size();
  }

  void walk(const Map &map, size_t depth) {
    for (const auto &[key, value] : map) {
      envelope_bytes_ += kEntryBytes;
      add_name(key);
      walk(value, depth);
    }
  }

  void walk(const Value &value, size_t depth) {
    if (depth > limits_.max_depth && (value.list() || value.map())) {
      too_large("a value nests deeper than " + std::to_string(limits_.max_depth) + " levels");
    }
    envelope_bytes_ += kValueBytes;
    if (const auto *text = std::get_if<std::string>(&value.data())) {
      envelope_bytes_ += kTextBytes + text->size();
    } else if (const auto *bytes = std::get_if<Bytes>(&value.data())) {
      add_part(*bytes);
    } else if (const auto *list = std::get_if<List>(&value.data())) {
      for (const Value &item : *list) {
        envelope_bytes_ += kItemBytes;
        walk(item, depth + 1);
      }
    } else if (const auto *map = std::get_if<Map>(&value.data())) {
      walk(*map, depth + 1);
    } else if (const auto *tensor = std::get_if<Tensor>(&value.data())) {
      envelope_bytes_ += kShapeBytes + sizeof(int64_t) * tensor->shape.size();
      add_part(tensor->bytes);
    } else if (const auto *object = std::get_if<OpaqueObject>(&value.data())) {
      add_name(object->type_name);
      add_part(object->content);
    }
  }

  void add_part(const Bytes &bytes) {
    if (bytes.size > limits_.max_tensor_bytes) {
      too_large("a tensor of " + std::to_string(bytes.size) + " bytes: max_tensor_bytes allows " +
                std::to_string(limits_.max_tensor_bytes));
    }
    envelope_bytes_ += kPartBytes;
    parts_.push_back(&bytes);
  }

  const Limits &limits_;
  std::vector<const Bytes *> parts_;
  size_t envelope_bytes_ = kFixedBytes;
};

// All parts one behind the other in object 0; false when that is larger than max.
bool place_in_one(const std::vector<const Bytes *> &parts, uint64_t max, Payload *payload) {
  uint64_t end = 0;
  for (const Bytes *part : parts) {
    Payload::Slot slot;
    if (part->size > 0) {
      slot = {0, align_up(end), part->size};
      if (slot.offset > max || part->size > max - slot.offset) return false;
      end = slot.offset + slot.size;
    }
    payload->slots.push_back(slot);
  }
  if (end > 0) payload->sizes.push_back(end);
  return true;
}

// Large parts in objects of their own; returns for each object whether it is one of those.
std::vector<bool> place_in_many(const std::vector<const Bytes *> &parts, const Limits &limits, Payload *payload) {
  const uint64_t own_from = std::min<uint64_t>(kOwnObject, limits.chunk_bytes);
  std::vector<bool> own;
  std::optional<size_t> shared;  // the object that takes small parts
  for (const Bytes *part : parts) {
    Payload::Slot slot;
    slot.size = part->size;
    if (part->size >= own_from) {
      slot.object = static_cast<uint32_t>(payload->sizes.size());
      payload->sizes.push_back(part->size);
      own.push_back(true);
    } else if (part->size > 0) {
      if (!shared || align_up(payload->sizes[*shared]) + part->size > limits.chunk_bytes) {
        shared = payload->sizes.size();
        payload->sizes.push_back(0);
        own.push_back(false);
      }
      slot.object = static_cast<uint32_t>(*shared);
      slot.offset = align_up(payload->sizes[*shared]);
      payload->sizes[*shared] = slot.offset + slot.size;
    }
    payload->slots.push_back(slot);
  }
  uint64_t total = 0;
  for (const uint64_t size : payload->sizes) {
    if (size > limits.max_message_bytes - total) {
      too_large("the tensors of the message have more bytes than max_message_bytes = " +
                std::to_string(limits.max_message_bytes));
    }
    total += size;
  }
  return own;
}

// `own` receives which objects are a part of their own.
Payload place(const std::vector<const Bytes *> &parts, const Limits &limits, std::vector<bool> *own) {
  Payload payload;
  payload.slots.reserve(parts.size());
  own->assign(1, false);
  payload.inlined = place_in_one(parts, limits.inline_bytes, &payload);
  if (!payload.inlined) {
    payload.slots.clear();
    *own = place_in_many(parts, limits, &payload);
  } else if (payload.sizes.empty()) {
    payload.inlined = false;
  }
  return payload;
}

// The objects of a placed payload; those that are not `own` are filled from their parts.
std::vector<Bytes> fill(const std::vector<const Bytes *> &parts, const Payload &payload, const std::vector<bool> &own) {
  std::vector<Bytes> objects(payload.sizes.size());
  std::vector<Block> blocks(payload.sizes.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (own[i]) continue;
    blocks[i] = Block(payload.sizes[i]);
    objects[i] = blocks[i].share();
  }
  std::vector<uint64_t> filled(payload.sizes.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const Payload::Slot &slot = payload.slots[i];
    if (slot.size == 0) continue;
    if (own[slot.object]) {
      objects[slot.object] = *parts[i];
      continue;
    }
    std::byte *block = blocks[slot.object].data();
    uint64_t &end = filled[slot.object];
    std::memset(block + end, 0, slot.offset - end);  // no stale memory goes to the peer
    std::memcpy(block + slot.offset, parts[i]->data, slot.size);
    end = slot.offset + slot.size;
  }
  return objects;
}

// Puts slices of the objects where the same walk found the parts.
class Attachment {
 public:
  Attachment(const Payload &payload, std::vector<Bytes> objects) : payload_(payload), objects_(std::move(objects)) {}

  void walk(Map &map) {
    for (auto &[key, value] : map) walk(value);
  }

 private:
  void walk(Value &value) {
    if (auto *bytes = std::get_if<Bytes>(&value.data())) {
      *bytes = next();
    } else if (auto *list = std::get_if<List>(&value.data())) {
      for (Value &item : *list) walk(item);
    } else if (auto *map = std::get_if<Map>(&value.data())) {
      walk(*map);
    } else if (auto *tensor = std::get_if<Tensor>(&value.data())) {
      tensor->bytes = next();
      if (!is_aligned(tensor->bytes)) tensor->bytes = copy_bytes(tensor->bytes.data, tensor->bytes.size);
    } else if (auto *object = std::get_if<OpaqueObject>(&value.data())) {
      object->content = next();
    }
  }

  Bytes next() {
    if (next_slot_ == payload_.slots.size()) throw Failure(FLARE_INTERNAL, "a message has more tensors than slots");
    const Payload::Slot &slot = payload_.slots[next_slot_++];
    if (slot.size == 0) return {};
    const Bytes &object = objects_[slot.object];
    return {object.owner, object.data + slot.offset, slot.size};
  }

  const Payload &payload_;
  std::vector<Bytes> objects_;
  size_t next_slot_ = 0;
};

}  // namespace

Payload lay_out(const Message &message, const Limits &limits, std::vector<Bytes> *objects) {
  const Survey survey(message, limits);
  objects->clear();
  std::vector<bool> own;
  Payload payload = place(survey.parts(), limits, &own);
  *objects = fill(survey.parts(), payload, own);
  if (payload.inlined) payload.inline_checksum = checksum(objects->front().data, objects->front().size);
  return payload;
}

Payload plan(const Message &message, const Limits &limits) {
  const Survey survey(message, limits);
  std::vector<bool> own;
  return place(survey.parts(), limits, &own);
}

MessagePtr attach(const Data &data, const std::vector<Bytes> &objects) {
  const Payload &payload = data.payload;
  const bool fits = std::equal(objects.begin(), objects.end(), payload.sizes.begin(), payload.sizes.end(),
                               [](const Bytes &object, uint64_t size) { return object.size == size; });
  if (!fits) throw Failure(FLARE_PROTOCOL, "the payload of message " + data.message->id + " has not the size it told");
  if (objects.empty()) return data.message;
  std::vector<Bytes> aligned = objects;
  for (Bytes &object : aligned) {
    // Once as a whole: slots are at multiples of 64, so this aligns all of them.
    if (!is_aligned(object)) object = copy_bytes(object.data, object.size);
  }
  auto message = std::make_shared<Message>(*data.message);
  Attachment attachment(payload, std::move(aligned));
  attachment.walk(message->data.headers);
  attachment.walk(message->data.body);
  attachment.walk(message->data.meta);
  return message;
}

}  // namespace flare::wire
