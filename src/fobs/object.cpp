#include "fobs/object.h"

namespace flare::fobs {

Object::Object(const char *text) : data_(std::string(text)) {}
Object::Object(std::string_view text) : data_(std::string(text)) {}
Object::Object(std::string text) : data_(std::move(text)) {}
Object::Object(Bytes bytes) : data_(std::move(bytes)) {}
Object::Object(Joined joined) : data_(std::make_shared<const Joined>(std::move(joined))) {}
Object::Object(Array array) : data_(std::move(array)) {}
Object::Object(Dict dict) : data_(std::move(dict)) {}
Object::Object(Typed typed) : data_(std::make_shared<const Typed>(std::move(typed))) {}

const Typed *Object::typed() const {
  const auto *typed = std::get_if<std::shared_ptr<const Typed>>(&data_);
  return typed == nullptr ? nullptr : typed->get();
}

const Object *Object::find(std::string_view key) const {
  const Dict *entries = dict();
  if (entries == nullptr) return nullptr;
  for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) {
    const std::string *text = entry->key.text();
    if (text != nullptr && *text == key) return &entry->value;
  }
  return nullptr;
}

}  // namespace flare::fobs
