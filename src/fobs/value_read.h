// Objects as values of the library's model. What only Python knows is kept whole, to be sent back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "fobs/classes.h"
#include "fobs/keys.h"
#include "fobs/message.h"
#include "model/value.h"

namespace flare::fobs {

// What was downloaded: arrays by the names of their items, for each kind of arrays.
using Items = std::map<std::string, Value, std::less<>>;
using Downloads = std::map<uint8_t, Items>;

void copy_now(Block to, const Bytes &from);

struct ReadRules {
  Limits limits;
  // Where bytes go, and elements that do not lie where a tensor's may: at a multiple of 64.
  std::function<Block(size_t)> new_block = [](size_t size) { return Block(size); };
  // Fills them; it may put that off until somebody looks at the value.
  std::function<void(Block to, const Bytes &from)> copy = copy_now;
  flare_dtype list_dtype = FLARE_FLOAT32;  // of a model's lists of numbers
};

// A file of NumPy's as a tensor, or as an object of Python's where tensors have no such type. The tensor refers to the
// file when its elements lie as they should and are nearly all of the `kept` bytes that are kept for their sake. Throws
// Failure as read_npy().
Value array_value(const Bytes &npy, uint64_t kept, const ReadRules &rules);

class ValueReader {
 public:
  // Refers to all three.
  ValueReader(const Message &message, const Downloads &downloads, const ReadRules &rules);

  // Throws Failure that names the entry: FLARE_PROTOCOL, FLARE_TOO_LARGE.
  Value read(const Object &object);
  // The entries of a dict or of an object that is one; none when there is nothing. Others are refused as `what`.
  Map read_map(const Object *object, std::string_view what) { return read_dict(object, what, Role::kValue); }
  // Of a model: also lists of numbers and single numbers are tensors.
  Map read_model(const Object *object, std::string_view what) { return read_dict(object, what, Role::kWeight); }
  // What the keys were that the names in maps were made of, from now on.
  void note_keys(Keys *keys) { keys_ = keys; }

  // The failure says where the reader is.
  [[noreturn]] void refuse(const std::string &what) const;

 private:
  enum class Role { kValue, kWeight };

  std::string path() const;
  Map read_dict(const Object *object, std::string_view what, Role role);
  Value read(const Object &object, Role role);
  Value read_typed(const Object &object, const Typed &typed, Role role);
  Value read_array(const ArrayPlace &place);
  List read_items(const Array &items);
  Value read_entries(const Object &object, const Entries &entries, Role role);
  bool read_entries(const Entries &entries, Role role, Map *map);
  void note_key(const Object &key);
  Value weight(Value value) const;
  const Datum &datum(const Object &object);
  Bytes native_bytes(const Object &object);
  Value opaque(std::string_view type, const Object &object);
  Object inlined(const Object &object);
  Object inlined_array(const Object &object, const ArrayPlace &place);
  const Value &downloaded(const ArrayPlace &place) const;
  void count(const Value &array);
  void spend_names(uint64_t bytes);
  void spend_opaque(uint64_t bytes);

  const uint64_t message_bytes_;
  const Downloads &downloads_;
  const ReadRules &rules_;
  std::map<std::string_view, const Datum *> datums_;  // those that were not yet used
  std::vector<std::string_view> path_;                // of names, from the root to the entry that is read
  size_t path_bytes_ = 0;
  Keys *keys_ = nullptr;
  std::string way_;  // as Keys has it, while they are noted
  size_t depth_ = 0;
  size_t arrays_left_;
  uint64_t array_bytes_left_;
  uint64_t opaque_bytes_left_;
  uint64_t name_bytes_left_;  // of names joined, which inside a long name are many times the message
};

}  // namespace flare::fobs
