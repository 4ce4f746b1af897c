#include "exec/npy.h"

#include <array>
#include <charconv>
#include <optional>

#include "exec/little_endian.h"

namespace flare_tool {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr size_t kHeadMax = 65'536;  // numpy itself refuses more than 10,000

struct Kind {
  flare_dtype dtype;
  std::string_view descr;
};

constexpr std::array<Kind, 15> kKinds = {{{FLARE_BOOL, "|b1"},
                                          {FLARE_INT8, "|i1"},
                                          {FLARE_INT16, "<i2"},
                                          {FLARE_INT32, "<i4"},
                                          {FLARE_INT64, "<i8"},
                                          {FLARE_UINT8, "|u1"},
                                          {FLARE_UINT16, "<u2"},
                                          {FLARE_UINT32, "<u4"},
                                          {FLARE_UINT64, "<u8"},
                                          {FLARE_FLOAT16, "<f2"},
                                          {FLARE_FLOAT32, "<f4"},
                                          {FLARE_FLOAT64, "<f8"},
                                          {FLARE_COMPLEX64, "<c8"},
                                          {FLARE_COMPLEX128, "<c16"},
                                          {FLARE_OPAQUE, "|V1"}}};

// The literal of a Python dictionary with the three entries that there are.
class Head {
 public:
  Head(const std::string &name, std::string_view text) : name_(name), left_(text) {}

  FileTensor parse() {
    FileTensor tensor;
    tensor.name = name_;
    bool seen[3] = {};
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      size_t entry = 0;
      if (key == "descr") {
        tensor.dtype = dtype();
      } else if (key == "fortran_order") {
        entry = 1;
        tensor.first_index_fastest = boolean();
      } else if (key == "shape") {
        entry = 2;
        tensor.shape = shape();
      } else {
        fail("its header has the entry '" + std::string(key) + "'");
      }
      if (seen[entry]) fail("its header says '" + std::string(key) + "' twice");
      seen[entry] = true;
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!left_.empty() || !seen[0] || !seen[1] || !seen[2]) fail("its header is not that of an array");
    return tensor;
  }

 private:
  [[noreturn]] void fail(const std::string &what) const { throw BadTensorFile("'" + name_ + "': " + what); }

  void skip_space() {
    const size_t at = left_.find_first_not_of(" \n");
    left_.remove_prefix(at == std::string_view::npos ? left_.size() : at);
  }
  bool take(char c) {
    skip_space();
    if (left_.empty() || left_.front() != c) return false;
    left_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("its header lacks a '") + c + "'");
  }
  std::string_view quoted() {
    skip_space();
    const char quote = left_.empty() ? '\0' : left_.front();
    if (quote != '\'' && quote != '"') fail("its header lacks a word in quotes");
    const size_t end = left_.find(quote, 1);
    if (end == std::string_view::npos) fail("its header lacks a closing quote");
    const std::string_view word = left_.substr(1, end - 1);
    left_.remove_prefix(end + 1);
    return word;
  }
  flare_dtype dtype() {
    skip_space();
    if (!left_.empty() && left_.front() == '[') fail("has records of several fields; a tensor has numbers of one type");
    const std::string_view descr = quoted();
    for (const Kind &kind : kKinds)
      if (kind.descr == descr) return kind.dtype;
    const std::string word = " (" + std::string(descr) + ")";
    if (descr.find('O') != std::string_view::npos)
      fail("has Python objects" + word + ", which only Python can read: make it an array of numbers");
    if (!descr.empty() && descr.front() == '>') fail("is big-endian" + word + ": save it little-endian");
    if (descr.starts_with("|V"))
      fail("has a type that numpy does not know" + word + ": bfloat16 and float8 go by safetensors");
    fail("has a type that no tensor has" + word);
  }
  bool boolean() {
    skip_space();
    for (const auto &[word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (!left_.starts_with(word)) continue;
      left_.remove_prefix(word.size());
      return value;
    }
    fail("its header lacks a True or False");
  }
  std::vector<int64_t> shape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!take(')')) {
      skip_space();
      int64_t extent = 0;
      const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), extent);
      if (error != std::errc() || extent < 0) fail("its header has a shape that is none");
      left_.remove_prefix(static_cast<size_t>(end - left_.data()));
      shape.push_back(extent);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  const std::string &name_;
  std::string_view left_;
};

}  // namespace

std::string npy_head(const FileTensor &tensor) {
  std::string_view descr;
  for (const Kind &kind : kKinds)
    if (kind.dtype == tensor.dtype) descr = kind.descr;
  if (descr.empty())
    throw BadTensorFile("'" + tensor.name +
                        "' has a type that numpy does not know (bfloat16 or float8): use --format "
                        "safetensors");
  std::string words = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (const int64_t extent : tensor.shape) words += std::to_string(extent) + (tensor.shape.size() == 1 ? "," : ", ");
  if (tensor.shape.size() > 1) words.resize(words.size() - 2);
  words += "), }";
  constexpr size_t kBefore = kMagic.size() + 4;
  words.resize((kBefore + words.size() + kAlignment) / kAlignment * kAlignment - kBefore, ' ');
  words.back() = '\n';
  std::string head(kMagic);
  head += {'\1', '\0'};
  append(&head, static_cast<uint16_t>(words.size()));
  return head + words;
}

FileTensor parse_npy(const std::string &name, std::span<const std::byte> file) {
  const auto fail = [&](const std::string &what) { throw BadTensorFile("'" + name + "': " + what); };
  const size_t version_at = kMagic.size();
  if (file.size() < version_at + 6 || !text_of(file).starts_with(kMagic)) fail("is no array of numpy");
  const auto version = static_cast<uint8_t>(file[version_at]);
  if (version < 1 || version > 3) fail("is of version " + std::to_string(version) + " of numpy's format");
  const size_t length_bytes = version == 1 ? 2 : 4;
  const size_t length =
      version == 1 ? load_at<uint16_t>(file, version_at + 2) : load_at<uint32_t>(file, version_at + 2);
  const auto rest = file.subspan(version_at + 2 + length_bytes);
  if (length > kHeadMax || length > rest.size()) fail("its header is cut off or too long");
  FileTensor tensor = Head(name, text_of(rest.first(length))).parse();
  tensor.elements = rest.subspan(length);
  const uint64_t size = elements_size(name, tensor.dtype, tensor.shape);
  if (tensor.elements.size() != size)
    fail("has " + std::to_string(tensor.elements.size()) + " bytes of elements, its shape needs " +
         std::to_string(size));
  return tensor;
}

}  // namespace flare_tool
