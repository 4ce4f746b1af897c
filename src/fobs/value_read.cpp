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

Tensor aligned(Tensor tensor, const ReadRules &rules) {
  if (reinterpret_cast<uintptr_t>(tensor.bytes.data) % kAlignment == 0) return tensor;
  Block block = rules.new_block(tensor.bytes.size);
  if (tensor.bytes.size > 0) std::memcpy(block.data(), tensor.bytes.data, tensor.bytes.size);
  tensor.bytes = block.share();
  return tensor;
}

}  // namespace

Value array_value(const Bytes &npy, const ReadRules &rules) {
  const NpyArray array = read_npy(npy, rules.limits);
  if (auto tensor = tensor_of(array, rules.limits)) return aligned(std::move(*tensor), rules);
  Pieces pieces;
  pack(array_of(npy), &pieces);
  return OpaqueObject{std::string(type::kArray), pieces.join()};
}

ValueReader::ValueReader(const Message &message, const Downloads &downloads, const ReadRules &rules)
    : downloads_(downloads),
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

Map ValueReader::read_map(const Object *object) {
  Map map;
  const Dict *entries = object == nullptr ? nullptr : entries_of(*object);
  if (entries != nullptr && !read_entries(*entries, Role::kValue, &map)) refuse("has an entry whose name is no text");
  return map;
}

Map ValueReader::read_model(const Object *object) {
  Map map;
  const Dict *entries = object == nullptr ? nullptr : entries_of(*object);
  if (entries != nullptr && !read_entries(*entries, Role::kWeight, &map)) refuse("has an entry whose name is no text");
  return map;
}

Value ValueReader::read(const Object &object, Role role) {
  if (++depth_ > rules_.limits.max_depth)
    too_large("values are nested deeper than " + std::to_string(rules_.limits.max_depth));
  Value value;
  if (const Typed *typed = object.typed()) {
    value = read_typed(object, *typed, role);
  } else if (const Array *array = object.array()) {
    List list;
    list.reserve(array->size());
    for (const Object &item : *array) list.push_back(read(item, Role::kValue));
    value = std::move(list);
  } else if (const Dict *dict = object.dict()) {
    value = read_entries(object, *dict, role);
  } else if (const std::string *text = object.text()) {
    value = *text;
  } else if (const Bytes *bytes = object.bytes()) {
    value = *bytes;
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
  return role == Role::kWeight ? weight(std::move(value)) : value;
}

Value ValueReader::read_typed(const Object &object, const Typed &typed, Role role) {
  if (datum_reference(object)) {
    const Datum &found = datum(object);
    if (found.kind != Datum::Kind::kText) return found.content.bytes;
    return found.content.bytes.text();
  }
  if (const auto place = array_place(object)) return read_array(*place);
  if (const auto scalar = numpy_scalar(object)) {
    Value value = read(*scalar->value);
    if (role == Role::kValue || !value.number()) return value;
    return scalar_tensor(value, scalar->type);
  }
  if (const Array *items = items_of(object)) {
    List list;
    list.reserve(items->size());
    for (const Object &item : *items) list.push_back(read(item, Role::kValue));
    return list;
  }
  if (const auto member = enum_member(object)) return *member;
  if (typed.type == type::kDatetime && typed.content.text() != nullptr) return *typed.content.text();
  if (typed.type == type::kOrderedDict) return read_ordered(object, typed, role);
  if (const Dict *dict = entries_of(object)) return read_entries(object, *dict, role);
  return opaque(typed.type, object);
}

Value ValueReader::read_ordered(const Object &object, const Typed &typed, Role role) {
  Dict dict;
  const Array *pairs = typed.content.array();
  if (pairs == nullptr) return opaque(typed.type, object);
  for (const Object &pair : *pairs) {
    const Array *items = items_of(pair);
    if (items == nullptr || items->size() != 2) return opaque(typed.type, object);
    dict.push_back({(*items)[0], (*items)[1]});
  }
  Map map;
  if (!read_entries(dict, role, &map)) return opaque(typed.type, object);
  return map;
}

Value ValueReader::read_entries(const Object &object, const Dict &dict, Role role) {
  Map map;
  if (!read_entries(dict, role, &map)) return opaque("dict", object);
  return map;
}

// False, with nothing read, when the keys are not the names of one entry each.
bool ValueReader::read_entries(const Dict &dict, Role role, Map *map) {
  std::vector<std::string> names;
  names.reserve(dict.size());
  for (const Pair &pair : dict) {
    std::optional<std::string> name = name_of(pair.key);
    if (!name) return false;
    if (name->size() > rules_.limits.max_text)
      too_large("a name of " + std::to_string(name->size()) + " bytes: at most " +
                std::to_string(rules_.limits.max_text) + " are allowed");
    names.push_back(std::move(*name));
  }
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return false;
  for (size_t i = 0; i < dict.size(); ++i) {
    path_.push_back(names[i]);
    path_bytes_ += names[i].size() + 1;
    if (path_bytes_ > name_bytes_left_) too_large("the names are longer together than max_envelope_bytes");
    name_bytes_left_ -= path_bytes_;
    if (keys_ != nullptr && dict[i].key.text() == nullptr) keys_->insert_or_assign(path(), dict[i].key);
    map->set(names[i], read(dict[i].value, role));
    path_bytes_ -= names[i].size() + 1;
    path_.pop_back();
  }
  return true;
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
  const auto found = datums_.find(datum_reference(object)->id);
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
  Value value = place.native != nullptr ? array_value(native_bytes(*place.native), rules_) : downloaded(place);
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

// ---- Objects that only Python knows --------------------------------------------------------------------------

// With all that it refers to in it, as it may be sent back when that is gone.
Value ValueReader::opaque(std::string_view type, const Object &object) {
  Pieces pieces;
  pack(inlined(object), &pieces);
  if (pieces.size() > opaque_bytes_left_) too_large("what only Python can read is larger than max_envelope_bytes");
  opaque_bytes_left_ -= pieces.size();
  return OpaqueObject{std::string(type), pieces.join()};
}

Object ValueReader::inlined(const Object &object) {
  if (const Typed *typed = object.typed()) {
    if (datum_reference(object)) {
      const Datum &found = datum(object);
      if (found.kind == Datum::Kind::kText) return found.content.bytes.text();
      return found.content.bytes;
    }
    if (const auto place = array_place(object); place && place->native == nullptr) return inlined_array(object, *place);
    return Typed{typed->type, inlined(typed->content), typed->decomposer};
  }
  if (const Array *array = object.array()) {
    Array copy;
    copy.reserve(array->size());
    for (const Object &item : *array) copy.push_back(inlined(item));
    return copy;
  }
  if (const Dict *dict = object.dict()) {
    Dict copy;
    copy.reserve(dict->size());
    for (const Pair &pair : *dict) copy.push_back({pair.key, inlined(pair.value)});
    return copy;
  }
  return object;
}

Object ValueReader::inlined_array(const Object &object, const ArrayPlace &place) {
  if (place.dot != dot::kArrays)
    refuse("is an object of " + object.typed()->type + " in one that only Python can read");
  const Value &array = downloaded(place);
  count(array);
  if (const auto *unknown = std::get_if<OpaqueObject>(&array.data())) return unpack(unknown->content, rules_.limits);
  const Tensor *tensor = array.tensor();
  if (tensor == nullptr) refuse("is no array");
  return array_of(Joined{npy_head(*tensor), tensor->bytes, ""});
}

}  // namespace flare::fobs
