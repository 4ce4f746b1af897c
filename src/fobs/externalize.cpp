#include <algorithm>
#include <optional>
#include <utility>

#include "fobs/classes.h"
#include "fobs/message.h"

namespace flare::fobs {
namespace {

// Python's len().
uint64_t characters(std::string_view text) {
  return static_cast<uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

class Externalizer {
 public:
  Externalizer(std::vector<Datum> *datums, const Externalization &rules) : datums_(datums), rules_(rules) {}

  // What stands in the place of `object` then, when something in it moves out.
  std::optional<Object> outside(const Object &object) {
    if (const std::string *text = object.text()) {
      if (text->size() < rules_.from_size || characters(*text) < rules_.from_size) return std::nullopt;
      return move_out(Datum::Kind::kText, {*text, {}, ""});
    }
    if (const Bytes *bytes = object.bytes()) {
      if (bytes->size < rules_.from_size) return std::nullopt;
      return move_out(Datum::Kind::kBytes, {"", *bytes, ""});
    }
    if (const auto *joined = std::get_if<std::shared_ptr<const Joined>>(&object.data())) {
      if ((*joined)->size() < rules_.from_size) return std::nullopt;
      return move_out(Datum::Kind::kBytes, **joined);
    }
    if (const Typed *typed = object.typed()) {
      std::optional<Object> content = outside(typed->content);
      if (!content) return std::nullopt;
      return Typed{typed->type, std::move(*content), typed->decomposer};
    }
    return outside_of_items(object);
  }

 private:
  std::optional<Object> outside_of_items(const Object &object) {
    std::optional<Object> changed;
    const auto replace = [&](size_t count, const auto &item, const auto &place) {
      for (size_t i = 0; i < count; ++i) {
        std::optional<Object> moved = outside(item(i));
        if (!moved) continue;
        if (!changed) changed = object;
        place(&*changed, i) = std::move(*moved);
      }
    };
    if (const Array *array = object.array()) {
      replace(
          array->size(), [&](size_t i) -> const Object & { return (*array)[i]; },
          [](Object *copy, size_t i) -> Object & { return std::get<Array>(copy->data())[i]; });
    } else if (const Dict *dict = object.dict()) {
      replace(
          dict->size(), [&](size_t i) -> const Object & { return (*dict)[i].value; },
          [](Object *copy, size_t i) -> Object & { return std::get<Dict>(copy->data())[i].value; });
    }
    return changed;
  }

  Object move_out(Datum::Kind kind, Joined content) {
    datums_->push_back({kind, dot::kNone, rules_.new_id(), std::move(content)});
    return datum_reference_of(datums_->back().id);
  }

  std::vector<Datum> *datums_;
  const Externalization &rules_;
};

}  // namespace

void externalize(Message *message, const Externalization &rules) {
  if (std::optional<Object> root = Externalizer(&message->datums, rules).outside(message->root))
    message->root = std::move(*root);
}

}  // namespace flare::fobs
