#include "fobs/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/failure.h"

namespace flare::fobs {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kHeadAlignment = 64;
constexpr size_t kMaxHead = 65'536;  // NumPy itself refuses more than 10,000
constexpr size_t kGrowth = 21;       // NumPy leaves room for so many digits, to append to the file later
constexpr size_t kMaxDescrDepth = 32;

struct Known {
  flare_dtype dtype;
  char kind;
};

constexpr std::array<Known, 14> kKnown = {{{FLARE_BOOL, 'b'},
                                           {FLARE_INT8, 'i'},
                                           {FLARE_INT16, 'i'},
                                           {FLARE_INT32, 'i'},
                                           {FLARE_INT64, 'i'},
                                           {FLARE_UINT8, 'u'},
                                           {FLARE_UINT16, 'u'},
                                           {FLARE_UINT32, 'u'},
                                           {FLARE_UINT64, 'u'},
                                           {FLARE_FLOAT16, 'f'},
                                           {FLARE_FLOAT32, 'f'},
                                           {FLARE_FLOAT64, 'f'},
                                           {FLARE_COMPLEX64, 'c'},
                                           {FLARE_COMPLEX128, 'c'}}};

[[noreturn]] void refuse_npy(const std::string &what) { throw Failure(FLARE_PROTOCOL, "an array of NumPy: " + what); }

std::string_view kind_and_size(std::string_view descr) { return descr.empty() ? descr : descr.substr(1); }

std::string kind_and_size(const Known &known) { return known.kind + std::to_string(element_size(known.dtype)); }

flare_dtype dtype_of(std::string_view descr) {
  for (const Known &known : kKnown)
    if (kind_and_size(known) == kind_and_size(descr)) return known.dtype;
  return 0;
}

// The literal of a Python dictionary with the three entries that there are.
class Head {
 public:
  explicit Head(std::string_view text) : left_(text) {}

  NpyArray read() {
    NpyArray array;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !std::exchange(has_descr, true)) {
        array.descr = descr();
      } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
        array.first_index_fastest = boolean();
      } else if (key == "shape" && !std::exchange(has_shape, true)) {
        array.shape = shape();
      } else {
        refuse_npy("its header has '" + std::string(key.substr(0, 100)) + "', or has it twice");
      }
      if (take(',')) continue;
      expect('}');
      break;
    }
    skip_space();
    if (!left_.empty() || !has_descr || !has_order || !has_shape) refuse_npy("its header lacks something");
    if (has_objects_)
      refuse_npy("has Python's objects (" + array.descr.substr(0, 100) + "), which only Python can read");
    return array;
  }

 private:
  void skip_space() { left_.remove_prefix(std::min(left_.find_first_not_of(" \n"), left_.size())); }

  bool take(char c) {
    skip_space();
    if (left_.empty() || left_.front() != c) return false;
    left_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!take(c)) refuse_npy(std::string("its header lacks a '") + c + "'");
  }

  std::string_view quoted() {
    skip_space();
    const char quote = left_.empty() ? '\0' : left_.front();
    const size_t end = quote == '\'' || quote == '"' ? left_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) refuse_npy("its header lacks a word in quotes");
    const std::string_view word = left_.substr(1, end - 1);
    left_.remove_prefix(end + 1);
    return word;
  }

  // A word, or a whole list as it stands there.
  std::string descr() {
    skip_space();
    if (left_.empty() || left_.front() != '[') {
      const std::string_view word = quoted();
      has_objects_ = word.ends_with('O');
      return std::string(word);
    }
    const std::string_view begin = left_;
    size_t depth = 0;
    do {
      skip_space();
      const char c = left_.empty() ? '\0' : left_.front();
      if (c == '\'' || c == '"') {
        const std::string_view word = quoted();
        has_objects_ |= word == "O" || word.ends_with("|O");
        continue;
      }
      if (c == '\0') refuse_npy("its header lacks a ']'");
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
      if (depth > kMaxDescrDepth) refuse_npy("its records are nested too deep");
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
    refuse_npy("its header lacks a True or False");
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!take(')')) {
      skip_space();
      int64_t extent = 0;
      const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), extent);
      if (error != std::errc() || extent < 0) refuse_npy("its shape is none");
      left_.remove_prefix(static_cast<size_t>(end - left_.data()));
      shape.push_back(extent);
      if (take(',')) continue;
      expect(')');
      break;
    }
    return shape;
  }

  std::string_view left_;
  bool has_objects_ = false;
};

uint64_t size_of(const NpyArray &array, flare_dtype dtype, const Limits &limits) {
  try {
    return tensor_bytes(dtype, array.shape.data(), static_cast<int32_t>(array.shape.size()), limits);
  } catch (const Failure &failure) {
    if (failure.status() == FLARE_TOO_LARGE) throw;
    refuse_npy(failure.what());
  }
}

// With the bytes of each number turned around. A complex number is two.
Bytes turned(const Bytes &elements, size_t number_size) {
  Block block(elements.size);
  for (size_t at = 0; at < elements.size; at += number_size)
    std::reverse_copy(elements.data + at, elements.data + at + number_size, block.data() + at);
  return block.share();
}

Tensor row_major(const Tensor &tensor, const Limits &limits) {
  std::vector<int64_t> strides(tensor.shape.size());
  int64_t stride = 1;
  for (size_t i = 0; i < strides.size(); ++i) {
    strides[i] = stride;
    stride *= tensor.shape[i];  // cannot overflow: tensor_bytes() has multiplied the same
  }
  flare_tensor view = FLARE_TENSOR_INIT;
  view.dtype = tensor.dtype;
  view.ndim = static_cast<int32_t>(tensor.shape.size());
  view.data = tensor.bytes.data;
  view.shape = tensor.shape.data();
  view.strides = strides.data();
  return copy_tensor("", view, limits);
}

}  // namespace

NpyArray read_npy(const Bytes &file, const Limits &limits) {
  constexpr size_t kVersionAt = kMagic.size(), kLengthAt = kVersionAt + 2;
  const auto byte_at = [&](size_t at) { return static_cast<uint8_t>(file.data[at]); };
  if (file.size < kLengthAt + 4 || !file.text().starts_with(kMagic)) refuse_npy("is none");
  const uint8_t version = byte_at(kVersionAt);
  if (version < 1 || version > 3) refuse_npy("is of the unknown version " + std::to_string(version));
  const size_t length_size = version == 1 ? 2 : 4;
  size_t length = 0;
  for (size_t i = length_size; i-- > 0;) length = length << 8 | byte_at(kLengthAt + i);
  const size_t begin = kLengthAt + length_size;
  if (length > kMaxHead || length > file.size - begin) refuse_npy("its header is cut off or too long");
  NpyArray array = Head(file.text().substr(begin, length)).read();
  array.elements = {file.owner, file.data + begin + length, file.size - begin - length};
  if (const flare_dtype dtype = dtype_of(array.descr); dtype != 0) {
    const uint64_t size = size_of(array, dtype, limits);
    if (array.elements.size != size) {
      refuse_npy("has " + std::to_string(array.elements.size) + " bytes of elements, and its shape needs " +
                 std::to_string(size));
    }
  }
  return array;
}

std::optional<Tensor> tensor_of(const NpyArray &array, const Limits &limits) {
  const flare_dtype dtype = dtype_of(array.descr);
  if (dtype == 0) return std::nullopt;
  Tensor tensor{dtype, array.shape, array.elements};
  const bool is_complex = dtype == FLARE_COMPLEX64 || dtype == FLARE_COMPLEX128;
  const size_t number_size = element_size(dtype) / (is_complex ? 2 : 1);
  if (array.descr.front() == '>' && number_size > 1) tensor.bytes = turned(tensor.bytes, number_size);
  if (array.first_index_fastest && tensor.shape.size() > 1 && tensor.bytes.size > 0) tensor = row_major(tensor, limits);
  return tensor;
}

std::string npy_head(const Tensor &tensor) {
  const auto known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known &k) { return k.dtype == tensor.dtype; });
  if (known == kKnown.end())
    throw Failure(FLARE_INVALID_ARGUMENT, dtype_name(tensor.dtype) + " is no type of NumPy's: send float32 instead");
  const char order = element_size(tensor.dtype) == 1 ? '|' : '<';
  std::string words =
      std::string("{'descr': '") + order + kind_and_size(*known) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < tensor.shape.size(); ++i) words += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
  if (tensor.shape.size() == 1) words += ',';
  words += "), }";
  if (!tensor.shape.empty()) words.append(kGrowth - std::to_string(tensor.shape.front()).size(), ' ');
  constexpr size_t kBefore = kMagic.size() + 4;
  words.resize((kBefore + words.size() + kHeadAlignment) / kHeadAlignment * kHeadAlignment - kBefore, ' ');
  words.back() = '\n';
  std::string head(kMagic);
  head += {'\1', '\0', static_cast<char>(words.size() & 0xff), static_cast<char>(words.size() >> 8)};
  return head + words;
}

}  // namespace flare::fobs
