// Values as JSON text. The only file that knows the JSON library.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/text.h"
#include "model/value.h"

namespace flare {
namespace {

// The text up to and with the character that was wrong, as a place for people.
std::string place(std::string_view read) {
  const auto line = std::count(read.begin(), read.end(), '\n') + 1;
  const size_t column = read.size() - (read.rfind('\n') + 1);  // npos + 1 is 0
  return "line " + std::to_string(line) + ", column " + std::to_string(std::max<size_t>(column, 1));
}

// Builds values from the events of the parser. Its own tree would find each new key of a map by scanning, and it
// knows no limit of depth.
class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Builder(std::string_view json, const Limits &limits) : json_(json), max_depth_(limits.max_depth) {}

  Value take() { return std::move(root_); }

  bool null() { return add(Value()); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max())) {
      return add(static_cast<double>(value));
    }
    return add(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t &) { return add(value); }
  bool string(string_t &value) { return add(std::move(value)); }
  bool binary(binary_t &) { return false; }  // not in JSON text; the parser wants the function
  bool start_object(size_t) { return open(Map()); }
  bool start_array(size_t) { return open(List()); }
  bool key(string_t &name) {
    open_.back().key = std::move(name);
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  // The library's own message would quote the text, which may be long and cut within a character.
  bool parse_error(size_t position, const std::string &, const nlohmann::json::exception &error) {
    constexpr int kNumberOverflow = 406;
    throw Failure(FLARE_INVALID_ARGUMENT,
                  (error.id == kNumberOverflow ? "the JSON text has a number beyond a double's range at "
                                               : "the JSON text does not parse at ") +
                      place(json_.substr(0, position)));
  }

 private:
  struct Open {
    Value value;      // a LIST or MAP
    std::string key;  // of the entry that comes next
  };

  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto *list = std::get_if<List>(&open_.back().value.data())) {
      list->push_back(std::move(value));
    } else {
      std::get<Map>(open_.back().value.data()).set(open_.back().key, std::move(value));
    }
    return true;
  }
  bool open(Value value) {
    if (open_.size() == max_depth_) {
      throw Failure(FLARE_INVALID_ARGUMENT,
                    "the JSON text nests deeper than " + std::to_string(max_depth_) + " levels");
    }
    open_.push_back({std::move(value), {}});
    return true;
  }
  bool close() {
    Value value = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(value));
  }

  std::string_view json_;
  size_t max_depth_;
  std::vector<Open> open_;
  Value root_;
};

using Json = nlohmann::ordered_json;

// What JSON has no word for is shown as text in angle brackets.
struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(bool value) const { return value; }
  Json operator()(int64_t value) const { return value; }
  Json operator()(double value) const {
    if (std::isfinite(value)) return value;
    return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  }
  Json operator()(const std::string &text) const { return text; }
  Json operator()(const Bytes &bytes) const { return "<" + std::to_string(bytes.size) + " bytes>"; }
  Json operator()(const Tensor &tensor) const { return "<" + describe(tensor) + ">"; }
  Json operator()(const OpaqueObject &object) const {
    return "<" + object.type_name + ", " + std::to_string(object.content.size) + " bytes>";
  }
  Json operator()(const List &list) const {
    Json out = Json::array();
    for (const Value &value : list) out.push_back(std::visit(*this, value.data()));
    return out;
  }
  Json operator()(const Map &map) const {
    Json out = Json::object();
    auto &entries = out.get_ref<Json::object_t &>();
    for (const auto &[key, value] : map) entries.emplace_back(key, std::visit(*this, value.data()));
    return out;
  }
};

}  // namespace

Value value_from_json(std::string_view json, const Limits &limits) {
  if (!is_utf8(json)) throw Failure(FLARE_INVALID_ARGUMENT, "the JSON text is not UTF-8");
  Builder builder(json, limits);
  nlohmann::json::sax_parse(json, &builder);
  return builder.take();
}

std::string value_to_json(const Value &value) {
  return std::visit(ToJson(), value.data()).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace flare
