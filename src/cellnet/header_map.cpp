#include "cellnet/header_map.h"

#include <msgpack.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/failure.h"
#include "base/text.h"

namespace flare {
namespace {

// Builds values from what msgpack's parser finds. It stops the parser (false) at the first thing that may not be.
class HeaderVisitor : public msgpack::null_visitor {
 public:
  explicit HeaderVisitor(const CellLimits &limits) : limits_(limits) {}

  bool visit_nil() { return add(Value()); }
  bool visit_boolean(bool value) { return add(value); }
  bool visit_positive_integer(uint64_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return refuse("a number beyond 63 bits");
    return add(static_cast<int64_t>(value));
  }
  bool visit_negative_integer(int64_t value) { return add(value); }
  bool visit_float32(float value) { return add(value); }
  bool visit_float64(double value) { return add(value); }
  bool visit_str(const char *data, uint32_t size) {
    const std::string_view text(data, size);
    if (!is_utf8(text)) return refuse("text that is not UTF-8");
    if (!open_.empty() && open_.back().at_key) {
      open_.back().key = text;
      return true;
    }
    return add(text);
  }
  bool visit_bin(const char *data, uint32_t size) { return add(copy_bytes(data, size)); }
  bool visit_ext(const char *, uint32_t) { return refuse("a type of its own"); }

  bool start_array(uint32_t) { return open(List()); }
  bool end_array() { return close(); }
  bool start_map(uint32_t) { return open(Map()); }
  bool start_map_key() {
    open_.back().at_key = true;
    return true;
  }
  bool end_map_key() {
    open_.back().at_key = false;
    return true;
  }
  bool end_map() { return close(); }

  std::optional<Value> take() { return std::move(whole_); }
  const char *complaint() const { return complaint_; }
  bool too_much() const { return too_much_; }

 private:
  struct Open {
    Value value;  // a list or a map
    std::string key = {};
    bool at_key = false;
  };

  bool refuse(const char *what, bool too_much = false) {
    complaint_ = what;
    too_much_ = too_much;
    return false;
  }

  bool count() { return ++values_ <= limits_.max_header_values || refuse("too many values", true); }

  bool open(Value value) {
    if (!open_.empty() && open_.back().at_key) return refuse("a key that is not text");
    if (open_.size() >= limits_.max_header_depth) return refuse("too deeply nested", true);
    if (!count()) return false;
    open_.push_back({std::move(value)});
    return true;
  }

  bool close() {
    Value value = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(value));
  }

  bool add(Value value) {
    if (!open_.empty() && open_.back().at_key) return refuse("a key that is not text");
    return count() && put(std::move(value));
  }

  bool put(Value value) {
    if (open_.empty()) {
      whole_ = std::move(value);
    } else if (auto *list = std::get_if<List>(&open_.back().value.data())) {
      list->push_back(std::move(value));
    } else {
      std::get<Map>(open_.back().value.data()).set(open_.back().key, std::move(value));
    }
    return true;
  }

  const CellLimits &limits_;
  std::vector<Open> open_;
  std::optional<Value> whole_;
  size_t values_ = 0;
  const char *complaint_ = "broken msgpack";
  bool too_much_ = false;
};

uint32_t size32(size_t size) {
  if (size > std::numeric_limits<uint32_t>::max()) too_large("a header of " + std::to_string(size) + " bytes");
  return static_cast<uint32_t>(size);
}

// Visits values, and is the stream that msgpack's packer writes to.
class HeaderPacker {
 public:
  void write(const char *data, size_t size) { text_.append(data, size); }
  std::string take() { return std::move(text_); }

  void operator()(std::monostate) { packer_.pack_nil(); }
  void operator()(bool value) { value ? packer_.pack_true() : packer_.pack_false(); }
  void operator()(int64_t value) { packer_.pack_int64(value); }
  // msgpack's own packer turns 20.0 into the integer 20, which is another thing to Python.
  void operator()(double value) {
    std::array<char, 9> bytes{'\xcb'};
    const auto bits = std::bit_cast<uint64_t>(value);
    for (size_t i = 1; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bits >> (8 * (8 - i)) & 0xff);
    write(bytes.data(), bytes.size());
  }
  void operator()(const std::string &text) {
    packer_.pack_str(size32(text.size()));
    packer_.pack_str_body(text.data(), size32(text.size()));
  }
  void operator()(const Bytes &bytes) {
    packer_.pack_bin(size32(bytes.size));
    packer_.pack_bin_body(reinterpret_cast<const char *>(bytes.data), size32(bytes.size));
  }
  void operator()(const List &list) {
    packer_.pack_array(size32(list.size()));
    for (const Value &value : list) std::visit(*this, value.data());
  }
  void operator()(const Map &map) {
    packer_.pack_map(size32(map.size()));
    for (const auto &[key, value] : map) {
      (*this)(key);
      std::visit(*this, value.data());
    }
  }
  void operator()(const Tensor &) { throw Failure(FLARE_INTERNAL, "a tensor in a header"); }
  void operator()(const OpaqueObject &) { throw Failure(FLARE_INTERNAL, "an object in a header"); }

 private:
  std::string text_;
  msgpack::packer<HeaderPacker> packer_{*this};
};

}  // namespace

Map decode_map(std::string_view encoded, const CellLimits &limits) {
  HeaderVisitor visitor(limits);
  size_t offset = 0;
  bool parsed = false;
  try {
    parsed = msgpack::parse(encoded.data(), encoded.size(), offset, visitor);
  } catch (const msgpack::unpack_error &) {  // sizes that the parser itself refuses
  }
  if (!parsed) {
    throw Failure(visitor.too_much() ? FLARE_TOO_LARGE : FLARE_PROTOCOL,
                  std::string("headers: ") + visitor.complaint());
  }
  std::optional<Value> value = visitor.take();
  if (!value || !value->map()) throw Failure(FLARE_PROTOCOL, "headers: not a map");
  if (offset != encoded.size()) throw Failure(FLARE_PROTOCOL, "headers: something behind the map");
  return std::get<Map>(std::move(value->data()));
}

std::string encode_map(const Map &map) {
  HeaderPacker packer;
  packer(map);
  return packer.take();
}

}  // namespace flare
