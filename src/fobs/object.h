// What NVFlare's encoding of objects (FOBS) can say: a tree of Python's plain values, and of objects of Python's
// classes, which are known by their names only.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "fobs/pieces.h"

namespace flare::fobs {

class Object;
struct Pair;
struct Typed;
using Array = std::vector<Object>;
// In the order of the sender. Keys may be whatever Python can hash, and NVFlare sends each but once.
using Dict = std::vector<Pair>;

// A copy shares what objects of classes and bytes consist of.
class Object {
 public:
  // A uint64_t is one that no int64_t can be.
  using Data = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Bytes,
                            std::shared_ptr<const Joined>, Array, Dict, std::shared_ptr<const Typed>>;

  // Implicit, as those of Value. What they put in depends on T, as Pair is not known before.
  Object() = default;
  Object(const char *text);
  Object(std::string_view text);
  Object(std::string text);
  template <std::same_as<bool> T>
  Object(T value) {
    data_.emplace<bool>(value);
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) Object(T value) {
    if (std::in_range<int64_t>(value)) {
      data_.emplace<int64_t>(value);
    } else {
      data_.emplace<uint64_t>(value);
    }
  }
  template <std::floating_point T>
  Object(T value) {
    data_.emplace<double>(value);
  }
  Object(Bytes bytes);
  Object(Joined joined);
  Object(Array array);
  Object(Dict dict);
  Object(Typed typed);

  const Data &data() const { return data_; }
  Data &data() { return data_; }

  bool is_none() const { return data_.index() == 0; }
  const std::string *text() const { return std::get_if<std::string>(&data_); }
  const Bytes *bytes() const { return std::get_if<Bytes>(&data_); }
  const Array *array() const { return std::get_if<Array>(&data_); }
  const Dict *dict() const { return std::get_if<Dict>(&data_); }
  const Typed *typed() const;
  // The value of the last entry with this text as its key, as Python has it; NULL also when this is no dict.
  const Object *find(std::string_view key) const;

 private:
  Data data_;
};

struct Pair {
  Object key;
  Object value;
};

// An object of a class.
struct Typed {
  std::string type;        // the class: "numpy.ndarray"
  Object content;          // what it was taken apart into
  std::string decomposer;  // the class that did
};

}  // namespace flare::fobs
