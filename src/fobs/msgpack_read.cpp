#include <algorithm>
#include <msgpack.hpp>
#include <optional>
#include <utility>

#include "base/failure.h"
#include "base/text.h"
#include "fobs/classes.h"
#include "fobs/msgpack.h"

namespace flare::fobs {
namespace {

[[noreturn]] void refuse_msgpack(const std::string &what) {
  throw Failure(FLARE_PROTOCOL, "NVFlare's encoding: " + what);
}

// Python can hash neither lists nor dicts.
bool can_be_key(const Object &object) { return object.array() == nullptr && object.dict() == nullptr; }

// The object of a class that a map with the three entries of one stands for; others are left out, as NVFlare does.
Object typed(Dict map) {
  Object *type = nullptr, *content = nullptr, *decomposer = nullptr;
  for (Pair &pair : map) {
    const std::string *key = pair.key.text();
    if (key == nullptr) continue;
    if (*key == entry::kType) type = &pair.value;
    if (*key == entry::kContent) content = &pair.value;
    if (*key == entry::kDecomposer) decomposer = &pair.value;
  }
  if (type->text() == nullptr) refuse_msgpack("the name of a class is no text");
  if (content == nullptr) refuse_msgpack("an object of " + *type->text() + " has no content");
  if (decomposer == nullptr || decomposer->text() == nullptr || decomposer->text()->empty())
    refuse_msgpack("an object of " + *type->text() + " does not say what took it apart");
  return Typed{*type->text(), std::move(*content), *decomposer->text()};
}

// Builds the tree from what the parser meets. What a map or list says of its length is paid for from as much as there
// are bytes behind it: the shortest of values takes one.
class TreeBuilder : public msgpack::null_visitor {
 public:
  TreeBuilder(const Bytes &bytes, const Limits &limits)
      : bytes_(bytes), limits_(limits), objects_left_(std::min(limits.max_objects, bytes.size - 1)) {}

  Object take() {
    if (!root_) refuse_msgpack("it is cut off");
    return std::move(*root_);
  }

  bool visit_nil() { return add(Object()); }
  bool visit_boolean(bool value) { return add(value); }
  bool visit_positive_integer(uint64_t value) { return add(value); }
  bool visit_negative_integer(int64_t value) { return add(value); }
  bool visit_float32(float value) { return add(value); }
  bool visit_float64(double value) { return add(value); }
  bool visit_str(const char *text, uint32_t size) {
    const std::string_view view(size > 0 ? text : "", size);
    if (!is_utf8(view)) refuse_msgpack("a text is not UTF-8");
    return add(view);
  }
  bool visit_bin(const char *data, uint32_t size) {
    if (size == 0) return add(Bytes());
    return add(Bytes{bytes_.owner, reinterpret_cast<const std::byte *>(data), size});
  }
  bool visit_ext(const char *, uint32_t) { refuse_msgpack("it has a type of msgpack's that NVFlare does not use"); }

  bool start_array(uint32_t size) {
    Array array;
    array.reserve(spend(size));
    return open(std::move(array));
  }
  bool start_map(uint32_t size) {
    Dict dict;
    dict.reserve(spend(size, 2));
    return open(std::move(dict));
  }
  bool end_array() { return close(); }
  bool end_map() { return close(); }

  void parse_error(size_t, size_t) { refuse_msgpack("it is no msgpack"); }
  void insufficient_bytes(size_t, size_t) { refuse_msgpack("it is cut off"); }

 private:
  struct Open {
    Object object;
    std::optional<Object> key;  // of a dict's next entry
  };

  size_t spend(size_t count, size_t each = 1) {
    if (count * each > objects_left_) {
      if (bytes_.size < limits_.max_objects) refuse_msgpack("a list or map says to be longer than there are bytes");
      too_large("NVFlare's encoding: more than " + std::to_string(limits_.max_objects) + " values (max_objects)");
    }
    objects_left_ -= count * each;
    return count;
  }

  bool open(Object object) {
    if (open_.size() >= limits_.max_object_depth)
      too_large("NVFlare's encoding: nested deeper than " + std::to_string(limits_.max_object_depth));
    open_.push_back({std::move(object), {}});
    return true;
  }

  bool close() {
    Object object = std::move(open_.back().object);
    open_.pop_back();
    if (object.find(entry::kType) != nullptr) object = typed(std::move(std::get<Dict>(object.data())));
    return add(std::move(object));
  }

  bool add(Object object) {
    if (open_.empty()) {
      root_ = std::move(object);
      return true;
    }
    Open &parent = open_.back();
    if (auto *array = std::get_if<Array>(&parent.object.data())) {
      array->push_back(std::move(object));
    } else if (!parent.key) {
      if (!can_be_key(object)) refuse_msgpack("the key of a map is a list or map");
      parent.key = std::move(object);
    } else {
      std::get<Dict>(parent.object.data()).push_back({std::move(*parent.key), std::move(object)});
      parent.key.reset();
    }
    return true;
  }

  const Bytes &bytes_;
  const Limits &limits_;
  size_t objects_left_;
  std::vector<Open> open_;
  std::optional<Object> root_;
};

}  // namespace

Object unpack(const Bytes &bytes, const Limits &limits) {
  if (bytes.size == 0) refuse_msgpack("it is empty");
  TreeBuilder builder(bytes, limits);
  size_t read = 0;
  msgpack::parse(reinterpret_cast<const char *>(bytes.data), bytes.size, read, builder);
  Object root = builder.take();
  if (read != bytes.size) refuse_msgpack("there is more behind its end");
  return root;
}

}  // namespace flare::fobs
