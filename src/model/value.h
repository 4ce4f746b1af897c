// A nested FLARE value: what headers, body and meta of a Shareable are made of.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/tensor.h"

namespace flare {

class Value;

// Insertion order is kept: it is the order in which the sender listed them. Reading from several threads at once is
// safe; a copy shares nothing with its original. Values may be changed through the iterators, keys may not.
class Map {
 public:
  using Entry = std::pair<std::string, Value>;

  const Value *find(std::string_view key) const;
  Value *find(std::string_view key);
  void set(std::string_view key, Value value);  // replaces in place, or appends
  bool erase(std::string_view key);
  size_t size() const;
  bool empty() const;
  const Entry &at(size_t index) const;
  std::vector<Entry>::const_iterator begin() const;
  std::vector<Entry>::const_iterator end() const;
  std::vector<Entry>::iterator begin();
  std::vector<Entry>::iterator end();

 private:
  // Found by scanning while small, by the index once large: a model can have 100,000 tensors. A tree, as the keys
  // come from the peer, who could choose them to collide in a hash table. Either empty or complete.
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

using List = std::vector<Value>;

// An object of a type that only the other side's language knows; carried unchanged.
struct OpaqueObject {
  std::string type_name;
  Bytes content;
};

class Value {
 public:
  using Data = std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, List, Map, Tensor, OpaqueObject>;

  // Implicit: values convert freely. Numbers are templates so that an int is an INT, while a pointer is no BOOL and
  // an unsigned number does not slip into a DOUBLE: those do not compile.
  Value() = default;
  Value(Data data) : data_(std::move(data)) {}
  Value(const char *text) : data_(std::string(text)) {}
  Value(std::string_view text) : data_(std::string(text)) {}
  Value(std::string text) : data_(std::move(text)) {}
  template <std::same_as<bool> T>
  Value(T value) : data_(value) {}
  template <std::signed_integral T>
  Value(T value) : data_(int64_t{value}) {}
  template <std::floating_point T>
  Value(T value) : data_(static_cast<double>(value)) {}
  Value(Bytes bytes);
  Value(List list);
  Value(Map map);
  Value(Tensor tensor);
  Value(OpaqueObject object);

  const Data &data() const { return data_; }
  Data &data() { return data_; }
  flare_value_type type() const { return static_cast<flare_value_type>(data_.index()); }  // same order as the enum

  const Map *map() const { return std::get_if<Map>(&data_); }
  const List *list() const { return std::get_if<List>(&data_); }
  const Tensor *tensor() const { return std::get_if<Tensor>(&data_); }
  const std::string *text() const { return std::get_if<std::string>(&data_); }
  std::optional<int64_t> integer() const;  // INT or BOOL
  std::optional<double> number() const;    // DOUBLE or INT

 private:
  Data data_;
};

// Throws Failure(FLARE_INVALID_ARGUMENT) that says where the text does not parse, or nests deeper than
// limits.max_depth lists and maps. Integers beyond int64_t become DOUBLE; of a repeated key the last value counts.
Value value_from_json(std::string_view json, const Limits &limits);
// One line, for logs and tests: tensors, bytes and objects are shown by their description, NaN and infinities as text.
std::string value_to_json(const Value &value);

}  // namespace flare
