#include "fobs/value_write.h"

#include <type_traits>
#include <utility>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/msgpack.h"
#include "fobs/npy.h"

namespace flare::fobs {

std::string item_name(size_t index) { return "T" + std::to_string(index); }

Object ValueWriter::write(const Value &value) {
  return std::visit(
      [this](const auto &data) -> Object {
        using Type = std::decay_t<decltype(data)>;
        if constexpr (std::is_same_v<Type, std::monostate>) {
          return {};
        } else if constexpr (std::is_same_v<Type, List>) {
          Array array;
          array.reserve(data.size());
          const size_t above = way_.size();
          for (const Value &item : data) {
            if (keys_ != nullptr) step_into(array.size(), &way_);
            array.push_back(write(item));
            way_.resize(above);
          }
          return array;
        } else if constexpr (std::is_same_v<Type, Map>) {
          return write(data);
        } else if constexpr (std::is_same_v<Type, Tensor>) {
          return write_array(data);
        } else if constexpr (std::is_same_v<Type, OpaqueObject>) {
          return unpack(data.content, limits_);
        } else {
          return data;
        }
      },
      value.data());
}

Object ValueWriter::write(const Map &map) {
  Dict dict;
  dict.reserve(map.size());
  const size_t above = way_.size();
  for (const auto &[name, value] : map) {
    if (keys_ != nullptr) step_into(name, &way_);
    try {
      dict.push_back({key_of(name), write(value)});
    } catch (const Failure &failure) {
      if (value.tensor() == nullptr) throw;
      throw Failure(failure.status(), "tensor '" + name + "': " + failure.what());
    }
    way_.resize(above);
  }
  return dict;
}

Object ValueWriter::write_body(const Map &map, const Keys &keys) {
  keys_ = keys.empty() ? nullptr : &keys;
  Object body = write(map);
  keys_ = nullptr;
  return body;
}

Object ValueWriter::key_of(const std::string &name) const {
  if (keys_ == nullptr) return name;
  const auto key = keys_->find(way_);
  return key == keys_->end() ? Object(name) : key->second;
}

Object ValueWriter::write_array(const Tensor &tensor) {
  if (tensor.dtype == FLARE_OPAQUE) return tensor.bytes;
  std::string head = npy_head(tensor);
  if (!by_reference_) return array_of(Joined{std::move(head), tensor.bytes, ""});
  items_.push_back(tensor);
  return array_reference_of(item_name(items_.size() - 1));
}

}  // namespace flare::fobs
