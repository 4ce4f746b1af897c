#include "fobs/value_read.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/failure.h"
#include "fobs/list_tensor.h"
#include "fobs/msgpack.h"
#include "fobs/npy.h"

namespace flare::fobs {
namespace {

constexpr size_t kAlignment = 64;    // of received elements, as flare_agent.h promises
constexpr size_t kMostShown = 1000;  // of a name, in a message

// As Python's str() of a key, or nothing for those that are no names.
std::optional<std::string> name_of(const Object &key) {
  if (const std::string *text = key.text()) return *text;
  if (const auto *number = std::get_if<int64_t>(&key.data())) return std::to_string(*number);
  if (const auto member = enum_member(key)) return std::string(*member);
  return std::nullopt;
}

Bytes copied(const Bytes &bytes, const ReadRules &rules) {
  Block block = rules.new_block(bytes.size);
  rules.copy(block, bytes);
  return block.share();
}

bool may_stay(const Bytes &elements, uint64_t kept) {
  return reinterpret_cast<uintptr_t>(elements.data) % kAlignment == 0 && elements.size >= kept - kept / 8;
}

}  // namespace

void copy_now(Block to, const Bytes &from) {
  if (from.size > 0) std::memcpy(to.data(), from.data, from.size);
}

Value array_value(const Bytes &npy, uint64_t kept, const ReadRules &rules) {
  const NpyArray array = read_npy(npy, rules.limits);
  if (auto tensor = tensor_of(array, rules.limits)) {
    const bool in_file = tensor->bytes.data == array.elements.data;
    if (in_file && !may_stay(array.elements, kept)) tensor->bytes = copied(array.elements, rules);
    return *std::move(tensor);
  }
  Pieces pieces;
  pack(array_of(npy), &pieces);
  return OpaqueObject{std::string(type::kArray), pieces.join()};
}

ValueReader::ValueReader(const Message &message, const Downloads &downloads, const ReadRules &rules)
    : message_bytes_(message.bytes),
      downloads_(downloads),
      rules_(rules),
      arrays_left_(rules.limits.max_tensors),
      array_bytes_left_(rules.limits.max_message_bytes),
      opaque_bytes_left_(rules.limits.max_envelope_bytes),
      name_bytes_left_(rules.limits.max_envelope_bytes) {
  for (const Datum &datum : message.datums)
    if (datum.dot == dot::kNone) datums_.emplace(datum.id, &datum);
}

std::string ValueReader::path() const {
  std::string path;
  for (const std::string_view name : path_) path.append(path.empty() ? "" : "/").append(name);
  return path;
}

void ValueReader::refuse(const std::string &what) const {
  throw Failure(FLARE_PROTOCOL, "'" + path().substr(0, kMostShown) + "' " + what);
}

Value ValueReader::read(const Object &object) { return read(object, Role::kValue); }

Map ValueReader::read_dict(const Object *object, std::string_view what, Role role) {
  Map map;
  if (object == nullptr || object->is_none()) return map;
  const std::string message = "the message has " + std::string(what.substr(0, kMostShown));
  const auto entries = entries_of(*object);
  if (!entries) throw Failure(FLARE_PROTOCOL, message + " that are no dict by name");
  if (!read_entries(*entries, role, &map))
    throw Failure(FLARE_PROTOCOL, message + " with an entry whose name is no text");
  return map;
}

Value ValueReader::read(const Object &object, Role role) {
  if (++depth_ > rules_.limits.max_depth)
    too_large("values are nested deeper than " + std::to_string(rules_.limits.max_depth));
  Value value;
  if (const Typed *typed = object.typed()) {
    value = read_typed(object, *typed, role);
  } else if (const Array *array = object.array()) {
    value = read_items(*array);
  } else if (object.dict() != nullptr) {
    value = read_entries(object, *entries_of(object), role);
  } else if (const std::string *text = object.text()) {
    value = *text;
  } else if (const Bytes *bytes = object.bytes()) {
    value = copied(*bytes, rules_);  // so that they are aligned, and do not keep the whole message
  } else if (const auto *joined = std::get_if<std::shared_ptr<const Joined>>(&object.data())) {
    value = join(**joined);
  } else if (const auto *truth = std::get_if<bool>(&object.data())) {
    value = *truth;
  } else if (const auto *number = std::get_if<int64_t>(&object.data())) {
    value = *number;
  } else if (const auto *large = std::get_if<uint64_t>(&object.data())) {
    value = static_cast<double>(*large);  // as value_from_json() does
  } else if (const auto *real = std::get_if<double>(&object.data())) {
    value = *real;
  }
  --depth_;
  if (role == Role::kWeight) return weight(std::move(value));
  return value;
}

Value ValueReader::read_typed(const Object &object, const Typed &typed, Role role) {
  if (datum_reference(object)) {
    const Datum &found = datum(object);
    if (found.kind != Datum::Kind::kText) return copied(found.content.bytes, rules_);
    return found.content.bytes.text();
  }
  if (const auto place = array_place(object)) return read_array(*place);
  if (const auto scalar = numpy_scalar(object)) {
    Value value = read(*scalar->value);
    if (role == Role::kValue || !value.number()) return value;
    return scalar_tensor(value, scalar->type);
  }
  if (const Array *items = items_of(object)) return read_items(*items);
  if (const auto member = enum_member(object)) return *member;
  if (typed.type == type::kDatetime && typed.content.text() != nullptr) return *typed.content.text();
  if (const auto entries = entries_of(object)) return read_entries(object, *entries, role);
  return opaque(typed.type, object);
}

List ValueReader::read_items(const Array &items) {
  List list;
  list.reserve(items.size());
  const size_t above = way_.size();
  for (const Object &item : items) {
    if (keys_ != nullptr) step_into(list.size(), &way_);
    list.push_back(read(item, Role::kValue));
    way_.resize(above);
  }
  return list;
}

Value ValueReader::read_entries(const Object &object, const Entries &entries, Role role) {
  Map map;
  if (read_entries(entries, role, &map)) return map;
  return opaque(object.typed() == nullptr ? "dict" : object.typed()->type, object);
}

// False, with nothing read, when the keys are not the names of one entry each.
bool ValueReader::read_entries(const Entries &entries, Role role, Map *map) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const Entry &entry : entries) {
    std::optional<std::string> name = name_of(*entry.key);
    if (!name) return false;
    if (name->size() > rules_.limits.max_text)
      too_large("a name of " + std::to_string(name->size()) + " bytes: at most " +
                std::to_string(rules_.limits.max_text) + " are allowed");
    names.push_back(std::move(*name));
  }
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return false;
  const size_t above = way_.size();
  for (size_t i = 0; i < entries.size(); ++i) {
    path_.push_back(names[i]);
    path_bytes_ += names[i].size() + 1;
    spend_names(path_bytes_);
    if (keys_ != nullptr) {
      step_into(names[i], &way_);
      note_key(*entries[i].key);
    }
    map->set(names[i], read(*entries[i].value, role));
    way_.resize(above);
    path_bytes_ -= names[i].size() + 1;
    path_.pop_back();
  }
  return true;
}

void ValueReader::note_key(const Object &key) {
  if (key.text() != nullptr) return;
  spend_names(way_.size());
  keys_->insert_or_assign(way_, key);
}

void ValueReader::spend_names(uint64_t bytes) {
  if (bytes > name_bytes_left_) too_large("the names are longer together than max_envelope_bytes");
  name_bytes_left_ -= bytes;
}

Value ValueReader::weight(Value value) const {
  if (value.type() == FLARE_VALUE_BOOL) return scalar_tensor(value, "bool");
  if (value.type() == FLARE_VALUE_INT) return scalar_tensor(value, "int64");
  if (value.type() == FLARE_VALUE_DOUBLE) return scalar_tensor(value, "float64");
  if (const List *list = value.list()) {
    if (auto tensor = tensor_of_list(*list, rules_.list_dtype, rules_.limits)) return std::move(*tensor);
  }
  return value;
}

// Each may be used once: a short message could otherwise stand for gigabytes.
const Datum &ValueReader::datum(const Object &object) {
  const auto found = datums_.find(*datum_reference(object));
  if (found == datums_.end()) refuse("refers to a datum that is missing, or that something else has used");
  const Datum &datum = *found->second;
  datums_.erase(found);
  return datum;
}

// Of an array's file, in the object or in a datum.
Bytes ValueReader::native_bytes(const Object &object) {
  if (const Bytes *bytes = object.bytes()) return *bytes;
  if (const auto *joined = std::get_if<std::shared_ptr<const Joined>>(&object.data())) return join(**joined);
  if (datum_reference(object)) {
    const Datum &found = datum(object);
    if (found.kind == Datum::Kind::kBytes) return found.content.bytes;
  }
  refuse("is an array without bytes");
}

Value ValueReader::read_array(const ArrayPlace &place) {
  if (place.dot == dot::kTorchTensors)
    refuse(
        "is a torch.Tensor, which only Python can read: let the server exchange numpy arrays "
        "(server_expected_format=ExchangeFormat.NUMPY)");
  if (place.dot != dot::kArrays) refuse("is an array of the unknown kind " + std::to_string(place.dot));
  Value value =
      place.native != nullptr ? array_value(native_bytes(*place.native), message_bytes_, rules_) : downloaded(place);
  count(value);
  return value;
}

const Value &ValueReader::downloaded(const ArrayPlace &place) const {
  const auto items = downloads_.find(place.dot);
  if (items != downloads_.end()) {
    const auto item = items->second.find(*place.item);
    if (item != items->second.end()) return item->second;
  }
  refuse("was not downloaded: item " + place.item->substr(0, 100) + " is missing");
}

void ValueReader::count(const Value &array) {
  const Tensor *tensor = array.tensor();
  const uint64_t size = tensor == nullptr ? 0 : tensor->bytes.size;
  if (arrays_left_ == 0) too_large("there are more than " + std::to_string(rules_.limits.max_tensors) + " tensors");
  if (size > array_bytes_left_) too_large("the tensors are larger together than max_message_bytes");
  --arrays_left_;
  array_bytes_left_ -= size;
}

}  // namespace flare::fobs
