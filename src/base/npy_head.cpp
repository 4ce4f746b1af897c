#include "base/npy_head.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace flare {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kHeadAlignment = 64;
constexpr size_t kMaxHead = 65'536;  // NumPy itself refuses more than 10,000
constexpr size_t kGrowth = 21;       // NumPy leaves room for so many digits, to append to the file later
constexpr size_t kMaxDescrDepth = 32;

[[noreturn]] void refuse_words(const std::string &what) { throw std::invalid_argument(what); }

// The literal of a Python dictionary with the three entries that there are.
class HeadWords {
 public:
  explicit HeadWords(std::string_view text) : left_(text) {}

  NpyHead read() {
    NpyHead head;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        once(&has_descr, key);
        head.descr = descr();
      } else if (key == "fortran_order") {
        once(&has_order, key);
        head.first_index_fastest = boolean();
      } else if (key == "shape") {
        once(&has_shape, key);
        head.shape = shape();
      } else {
        refuse_words("its header has the entry '" + std::string(key.substr(0, 100)) + "'");
      }
      if (take(',')) continue;
      expect('}');
      break;
    }
    skip_space();
    if (!left_.empty() || !has_descr || !has_order || !has_shape) refuse_words("its header is not that of an array");
    return head;
  }

 private:
  static void once(bool *seen, std::string_view key) {
    if (std::exchange(*seen, true)) refuse_words("its header says '" + std::string(key) + "' twice");
  }

  void skip_space() { left_.remove_prefix(std::min(left_.find_first_not_of(" \n"), left_.size())); }

  bool take(char c) {
    skip_space();
    if (left_.empty() || left_.front() != c) return false;
    left_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!take(c)) refuse_words(std::string("its header lacks a '") + c + "'");
  }

  std::string_view quoted() {
    skip_space();
    const char quote = left_.empty() ? '\0' : left_.front();
    const size_t end = quote == '\'' || quote == '"' ? left_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) refuse_words("its header lacks a word in quotes");
    const std::string_view word = left_.substr(1, end - 1);
    left_.remove_prefix(end + 1);
    return word;
  }

  // A word, or a whole list as it stands there.
  std::string descr() {
    skip_space();
    if (left_.empty() || left_.front() != '[') return std::string(quoted());
    const std::string_view begin = left_;
    size_t depth = 0;
    do {
      skip_space();
      const char c = left_.empty() ? '\0' : left_.front();
      if (c == '\'' || c == '"') {
        quoted();
        continue;
      }
      if (c == '\0') refuse_words("its header lacks a ']'");
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
      if (depth > kMaxDescrDepth) refuse_words("its records are nested too deep");
      left_.remove_prefix(1);
    } while (depth > 0);
    return std::string(begin.substr(0, begin.size() - left_.size()));
  }

  bool boolean() {
    skip_space();
    for (const auto &[word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (!left_.starts_with(word)) continue;
      left_.remove_prefix(word.size());
      return value;
    }
    refuse_words("its header lacks a True or False");
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!take(')')) {
      skip_space();
      int64_t extent = 0;
      const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), extent);
      if (error != std::errc() || extent < 0) refuse_words("its shape is none");
      left_.remove_prefix(static_cast<size_t>(end - left_.data()));
      shape.push_back(extent);
      if (take(',')) continue;
      expect(')');
      break;
    }
    return shape;
  }

  std::string_view left_;
};

}  // namespace

NpyHead read_npy_head(std::string_view file) {
  constexpr size_t kVersionAt = kMagic.size(), kLengthAt = kVersionAt + 2;
  const auto byte_at = [&](size_t at) { return static_cast<uint8_t>(file[at]); };
  if (file.size() < kLengthAt + 4 || !file.starts_with(kMagic)) refuse_words("is no array of NumPy's");
  const uint8_t version = byte_at(kVersionAt);
  if (version < 1 || version > 3) refuse_words("is of the unknown version " + std::to_string(version));
  const size_t length_size = version == 1 ? 2 : 4;
  size_t length = 0;
  for (size_t i = length_size; i-- > 0;) length = length << 8 | byte_at(kLengthAt + i);
  const size_t begin = kLengthAt + length_size;
  if (length > kMaxHead || length > file.size() - begin) refuse_words("its header is cut off or too long");
  NpyHead head = HeadWords(file.substr(begin, length)).read();
  head.size = begin + length;
  return head;
}

std::string write_npy_head(std::string_view descr, const std::vector<int64_t> &shape) {
  std::string words = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i) words += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  words += shape.size() == 1 ? ",), }" : "), }";
  if (!shape.empty()) words.append(kGrowth - std::to_string(shape.front()).size(), ' ');
  constexpr size_t kBefore = kMagic.size() + 4;
  const size_t size = kBefore + words.size() + 1;  // with the end of the line
  // One that is a multiple already gets as much again, which is how NumPy counts.
  words.resize((size / kHeadAlignment + 1) * kHeadAlignment - kBefore, ' ');
  words.back() = '\n';
  std::string head(kMagic);
  head += {'\1', '\0', static_cast<char>(words.size() & 0xff), static_cast<char>(words.size() >> 8)};
  return head + words;
}

}  // namespace flare
