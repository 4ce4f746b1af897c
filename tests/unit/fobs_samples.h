// The vectors of NVFlare's encoding, and objects shown as their lines are.
#pragma once

#include <bit>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "fobs/classes.h"
#include "fobs/message.h"
#include "fobs/object.h"

namespace flare::fobs {

inline std::string from_digits(std::string_view digits) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(digit(digits[i]) << 4 | digit(digits[i + 1]));
  return bytes;
}

inline std::string to_digits(std::string_view bytes) {
  std::string digits;
  for (const char c : bytes) {
    digits += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    digits += "0123456789abcdef"[static_cast<uint8_t>(c) & 0xf];
  }
  return digits;
}

struct Vector {
  std::string name, value, bytes, shown, raw;
};

inline std::vector<Vector> vectors() {
  std::ifstream file(FLARE_TEST_DATA_DIR "/fobs/vectors.json");
  std::vector<Vector> vectors;
  for (const auto &from : nlohmann::json::parse(file)) {
    const auto text = [&](const char *key) { return from.value(key, std::string()); };
    vectors.push_back(
        {text("name"), text("value"), from_digits(text("bytes")), text("shown"), from_digits(text("raw"))});
  }
  return vectors;
}

inline Vector vector_named(std::string_view name) {
  for (Vector &vector : vectors())
    if (vector.name == name) return std::move(vector);
  return {};
}

// In memory that ends where they end, so that a sanitizer sees every byte read beyond.
inline Bytes bytes_of(std::string_view text) { return copy_bytes(text.data(), text.size()); }

inline std::string show(const Object &object);

struct Shown {
  std::string operator()(std::monostate) const { return "none"; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(uint64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    std::string digits;
    const auto bits = std::bit_cast<uint64_t>(value);
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[bits >> shift & 0xf];
    return 'f' + digits;
  }
  std::string operator()(const std::string &text) const { return 't' + to_digits(text); }
  std::string operator()(const Bytes &bytes) const { return 'b' + to_digits(bytes.text()); }
  std::string operator()(const std::shared_ptr<const Joined> &joined) const {
    return 'b' + to_digits(join(*joined).text());
  }
  std::string operator()(const Array &array) const {
    std::string text;
    for (const Object &item : array) text += (text.empty() ? "" : ",") + show(item);
    return '[' + text + ']';
  }
  std::string operator()(const Dict &dict) const {
    std::string text;
    for (const auto &[key, value] : dict) text += (text.empty() ? "" : ",") + show(key) + ':' + show(value);
    return '{' + text + '}';
  }
  std::string operator()(const std::shared_ptr<const Typed> &typed) const {
    return typed->type + '|' + typed->decomposer + '(' + show(typed->content) + ')';
  }
};

inline std::string show(const Object &object) { return std::visit(Shown(), object.data()); }

inline std::string show(const Message &message) {
  std::string text = show(message.root);
  for (const Datum &datum : message.datums) {
    text += '\n' + std::to_string(static_cast<int>(datum.kind)) + ' ' + std::to_string(datum.dot) + ' ' + datum.id +
            ' ' + to_digits(join(datum.content).text());
  }
  return text;
}

// The same with what is in these datums, by their ids, in the place of the references to them.
inline Object inside(const Object &object, const std::map<std::string, Object> &contents) {
  if (const Typed *typed = object.typed()) {
    Object content = inside(typed->content, contents);
    const Object *fields = typed->type == type::kDatumReference ? content.find("data") : nullptr;
    const Object *id = fields == nullptr ? nullptr : fields->find("datum_id");
    const auto found = id == nullptr || id->text() == nullptr ? contents.end() : contents.find(*id->text());
    if (found != contents.end()) return found->second;
    return Typed{typed->type, std::move(content), typed->decomposer};
  }
  Object copy = object;
  if (auto *array = std::get_if<Array>(&copy.data()))
    for (Object &item : *array) item = inside(item, contents);
  if (auto *dict = std::get_if<Dict>(&copy.data()))
    for (Pair &pair : *dict) pair.value = inside(pair.value, contents);
  return copy;
}

inline std::string encoded(const Message &message) { return std::string(encode(message).join().text()); }

}  // namespace flare::fobs
