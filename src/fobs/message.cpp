#include "fobs/message.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "base/text.h"
#include "fobs/classes.h"
#include "fobs/msgpack.h"
#include "model/value.h"

namespace flare::fobs {
namespace {

constexpr uint8_t kMain = 100;
constexpr size_t kHeadSize = 10;  // of a section: marker, dot, 8 bytes of size
constexpr size_t kIdSize = 16;

[[noreturn]] void refuse_message(const std::string &what) {
  throw Failure(FLARE_PROTOCOL, "NVFlare's encoding: " + what);
}

uint8_t byte_at(const Bytes &bytes, size_t at) { return static_cast<uint8_t>(bytes.data[at]); }

struct Section {
  uint8_t marker;
  uint8_t dot;
  Bytes content;
};

Section take_section(Bytes *left) {
  if (left->size < kHeadSize) refuse_message("the head of a section is cut off");
  uint64_t size = 0;
  for (size_t i = 2; i < kHeadSize; ++i) size = size << 8 | byte_at(*left, i);
  if (size > left->size - kHeadSize) refuse_message("a section is cut off");
  Section section{byte_at(*left, 0), byte_at(*left, 1), {left->owner, left->data + kHeadSize, size}};
  left->data += kHeadSize + size;
  left->size -= kHeadSize + size;
  return section;
}

std::string id_text(const std::byte *id) {
  std::string text;
  for (size_t i = 0; i < kIdSize; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += "0123456789abcdef"[static_cast<uint8_t>(id[i]) >> 4];
    text += "0123456789abcdef"[static_cast<uint8_t>(id[i]) & 0xf];
  }
  return text;
}

std::string id_bytes(const std::string &text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos || digits == 2 * kIdSize)
      throw Failure(FLARE_INVALID_ARGUMENT, "'" + text + "' is no UUID");
    if (digits++ % 2 == 0) {
      id += static_cast<char>(digit << 4);
    } else {
      id.back() = static_cast<char>(id.back() | static_cast<char>(digit));
    }
  }
  if (digits != 2 * kIdSize) throw Failure(FLARE_INVALID_ARGUMENT, "'" + text + "' is no UUID");
  return id;
}

Datum datum_of(const Section &section) {
  constexpr auto kFirst = static_cast<uint8_t>(Datum::Kind::kText), kLast = static_cast<uint8_t>(Datum::Kind::kFile);
  if (section.marker < kFirst || section.marker > kLast)
    refuse_message("a section is of the unknown kind " + std::to_string(section.marker));
  if (section.content.size <= kIdSize) refuse_message("a datum is empty");
  const Bytes &content = section.content;
  const Bytes bytes{content.owner, content.data + kIdSize, content.size - kIdSize};
  Datum datum{static_cast<Datum::Kind>(section.marker), section.dot, id_text(content.data), {"", bytes, ""}};
  if (datum.kind == Datum::Kind::kText && !is_utf8(bytes.text())) refuse_message("a datum of text is not UTF-8");
  return datum;
}

void put_head(uint8_t marker, uint8_t dot, uint64_t size, Pieces *to) {
  to->big_endian(marker);
  to->big_endian(dot);
  to->big_endian(size);
}

void collect_items(const Object &object, uint8_t dot, std::set<std::string_view> *items) {
  if (const Array *array = object.array()) {
    for (const Object &element : *array) collect_items(element, dot, items);
  } else if (const Dict *dict = object.dict()) {
    for (const Pair &pair : *dict) collect_items(pair.value, dot, items);
  } else if (const auto place = array_place(object)) {
    if (place->dot == dot && place->item != nullptr) items->insert(*place->item);
  } else if (const Typed *typed = object.typed()) {
    collect_items(typed->content, dot, items);
  }
}

}  // namespace

Message decode(const Bytes &bytes, const Limits &limits) {
  Bytes left = bytes;
  const Section main = take_section(&left);
  if (main.marker != kMain) refuse_message("it does not begin with an object");
  Message message{unpack(main.content, limits), {}, bytes.size};
  while (left.size > 0) {
    if (message.datums.size() == limits.max_tensors) too_large("NVFlare's encoding: too many datums");
    message.datums.push_back(datum_of(take_section(&left)));
  }
  return message;
}

Pieces encode(const Message &message) {
  Pieces root, whole;
  pack(message.root, &root);
  put_head(kMain, dot::kNone, root.size(), &whole);
  whole.refer(root);
  for (const Datum &datum : message.datums) {
    put_head(static_cast<uint8_t>(datum.kind), datum.dot, kIdSize + datum.content.size(), &whole);
    whole.write(id_bytes(datum.id));
    whole.refer(datum.content);
  }
  return whole;
}

std::vector<Source> sources_of(const Message &message, const Limits &limits) {
  std::vector<Source> sources;
  for (const Datum &datum : message.datums) {
    if (datum.dot == dot::kNone) continue;
    if (datum.dot != dot::kArrays && datum.dot != dot::kTorchTensors)
      refuse_message("a datum is of the unknown kind " + std::to_string(datum.dot));
    if (std::any_of(sources.begin(), sources.end(), [&](const Source &known) { return known.dot == datum.dot; }))
      refuse_message("it has two sources of arrays of one kind");
    if (datum.content.bytes.size > limits.max_text) too_large("NVFlare's encoding: the source of arrays is too long");
    Value value;
    try {
      value = value_from_json(datum.content.bytes.text(), limits);
    } catch (const Failure &failure) {
      refuse_message(std::string("the source of arrays: ") + failure.what());
    }
    const auto text = [&](std::string_view name) {
      const Value *found = value.map() == nullptr ? nullptr : value.map()->find(name);
      if (found == nullptr || found->text() == nullptr || found->text()->empty())
        refuse_message("the source of arrays has no " + std::string(name));
      return *found->text();
    };
    std::set<std::string_view> items;
    collect_items(message.root, datum.dot, &items);
    sources.push_back({datum.dot, text("fqcn"), text("ref_id"), items.size()});
  }
  return sources;
}

Datum source_datum(const Source &source, std::string id) {
  const std::string text =
      "{\"fqcn\": " + value_to_json(source.fqcn) + ", \"ref_id\": " + value_to_json(source.ref_id) + "}";
  return {Datum::Kind::kText, source.dot, std::move(id), {"", copy_bytes(text.data(), text.size()), ""}};
}

}  // namespace flare::fobs
