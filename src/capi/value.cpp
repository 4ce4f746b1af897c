#include <optional>
#include <variant>

#include "capi/boundary.h"
#include "capi/handles.h"
#include "capi/view.h"

using flare::Bytes;
using flare::from_c;
using flare::give;
using flare::guarded;
using flare::List;
using flare::Map;
using flare::OpaqueObject;
using flare::required;
using flare::Tensor;
using flare::to_c;
using flare::Value;

namespace {

// What a value holds, if it is a T. NULL is a value of no type.
template <typename T>
const T *held(const flare_value *value) {
  return value ? std::get_if<T>(&from_c(value)->data()) : nullptr;
}

}  // namespace

size_t flare_dtype_size(flare_dtype dtype) noexcept { return flare::element_size(dtype); }

flare_value_type flare_value_get_type(const flare_value *value) noexcept {
  return value ? from_c(value)->type() : FLARE_VALUE_NONE;
}

flare_status flare_value_get_int(const flare_value *value, int64_t *out) noexcept {
  return give(value ? from_c(value)->integer() : std::nullopt, out);
}

flare_status flare_value_get_double(const flare_value *value, double *out) noexcept {
  return give(value ? from_c(value)->number() : std::nullopt, out);
}

flare_status flare_value_get_text(const flare_value *value, const char **out) noexcept {
  std::optional<const char *> found;
  if (const auto *text = held<std::string>(value)) found = text->c_str();
  if (const auto *object = held<OpaqueObject>(value)) found = object->type_name.c_str();
  return give(found, out);
}

flare_status flare_value_get_bytes(const flare_value *value, const void **data, size_t *size) noexcept {
  if (data == nullptr || size == nullptr) return FLARE_INVALID_ARGUMENT;
  if (const auto *text = held<std::string>(value)) {
    *data = text->data();
    *size = text->size();
    return FLARE_OK;
  }
  const auto *bytes = held<Bytes>(value);
  if (const auto *object = held<OpaqueObject>(value)) bytes = &object->content;
  if (bytes == nullptr) return FLARE_NOT_FOUND;
  *data = bytes->data;
  *size = bytes->size;
  return FLARE_OK;
}

flare_status flare_value_get_tensor(const flare_value *value, flare_tensor *out) noexcept {
  return guarded(nullptr, [&] {
    required(out, "out");
    const auto *tensor = held<Tensor>(value);
    if (tensor == nullptr) return FLARE_NOT_FOUND;
    flare::write_tagged(out, flare::to_c(*tensor));
    return FLARE_OK;
  });
}

size_t flare_value_count(const flare_value *value) noexcept {
  if (const auto *list = held<List>(value)) return list->size();
  const auto *map = held<Map>(value);
  return map ? map->size() : 0;
}

flare_status flare_value_at(const flare_value *value, size_t index, const char **key,
                            const flare_value **child) noexcept {
  if (child == nullptr) return FLARE_INVALID_ARGUMENT;
  if (index >= flare_value_count(value)) return FLARE_NOT_FOUND;
  if (const auto *list = held<List>(value)) {
    if (key) *key = "";
    *child = to_c(&(*list)[index]);
    return FLARE_OK;
  }
  const Map::Entry &entry = held<Map>(value)->at(index);
  if (key) *key = entry.first.c_str();
  *child = to_c(&entry.second);
  return FLARE_OK;
}

flare_status flare_value_find(const flare_value *value, const char *key, const flare_value **child) noexcept {
  if (key == nullptr || child == nullptr) return FLARE_INVALID_ARGUMENT;
  const auto *map = held<Map>(value);
  const Value *found = map ? map->find(key) : nullptr;
  if (found == nullptr) return FLARE_NOT_FOUND;
  *child = to_c(found);
  return FLARE_OK;
}
