#include "exec/safetensors.h"

#include <algorithm>
#include <array>

#include "exec/bounded_json.h"
#include "exec/little_endian.h"

namespace flare_tool {

namespace {

constexpr size_t kAlignment = 64;
constexpr uint64_t kHeaderMax = 100'000'000;  // that of the format's own library
constexpr const char *kMetadata = "__metadata__";

struct Kind {
  flare_dtype dtype;
  const char *name;
};

constexpr std::array<Kind, 17> kKinds = {{{FLARE_BOOL, "BOOL"},
                                          {FLARE_INT8, "I8"},
                                          {FLARE_INT16, "I16"},
                                          {FLARE_INT32, "I32"},
                                          {FLARE_INT64, "I64"},
                                          {FLARE_UINT8, "U8"},
                                          {FLARE_UINT16, "U16"},
                                          {FLARE_UINT32, "U32"},
                                          {FLARE_UINT64, "U64"},
                                          {FLARE_FLOAT16, "F16"},
                                          {FLARE_FLOAT32, "F32"},
                                          {FLARE_FLOAT64, "F64"},
                                          {FLARE_BFLOAT16, "BF16"},
                                          {FLARE_COMPLEX64, "C64"},
                                          {FLARE_FLOAT8_E4M3FN, "F8_E4M3"},
                                          {FLARE_FLOAT8_E5M2, "F8_E5M2"},
                                          {FLARE_OPAQUE, "U8"}}};  // last: what is read is numbers

[[noreturn]] void broken(const std::string &what) { throw BadTensorFile("is no whole safetensors file: " + what); }

const char *name_of(const FileTensor &tensor) {
  for (const Kind &kind : kKinds)
    if (kind.dtype == tensor.dtype) return kind.name;
  throw BadTensorFile("'" + tensor.name + "' has a type that safetensors does not know (complex128): use --format npz");
}

// A whole number that is not negative.
uint64_t count_in(const Json &value, const std::string &name) {
  if (!value.is_number_unsigned()) broken("'" + name + "' has a number that is none");
  return value.get<uint64_t>();
}

FileTensor read_entry(const std::string &name, const Json &entry, std::span<const std::byte> elements) {
  const auto has = [&](const char *key, bool (Json::*is)() const noexcept) {
    return entry.is_object() && entry.contains(key) && (entry[key].*is)();
  };
  if (!has("dtype", &Json::is_string) || !has("shape", &Json::is_array) || !has("data_offsets", &Json::is_array) ||
      entry["data_offsets"].size() != 2)
    broken("'" + name + "' lacks its dtype, shape or data_offsets");
  FileTensor tensor;
  tensor.name = name;
  const std::string &dtype = entry["dtype"].get_ref<const std::string &>();
  for (const Kind &kind : kKinds)
    if (tensor.dtype == 0 && dtype == kind.name) tensor.dtype = kind.dtype;
  if (tensor.dtype == 0) throw BadTensorFile("'" + name + "' has a type that no tensor has (" + dtype + ")");
  for (const Json &extent : entry["shape"]) {
    const uint64_t count = count_in(extent, name);
    if (count > INT64_MAX || tensor.shape.size() == kDimensionsMax) broken("'" + name + "' has a shape that is none");
    tensor.shape.push_back(static_cast<int64_t>(count));
  }
  const uint64_t begin = count_in(entry["data_offsets"][0], name), end = count_in(entry["data_offsets"][1], name);
  if (begin > end || end > elements.size()) broken("'" + name + "' lies beyond its end");
  tensor.elements = elements.subspan(begin, end - begin);
  const uint64_t size = elements_size(name, tensor.dtype, tensor.shape);
  if (size != end - begin)
    broken("'" + name + "' has " + std::to_string(end - begin) + " bytes of elements, its shape needs " +
           std::to_string(size));
  return tensor;
}

// Each byte belongs to one tensor.
void check_coverage(const std::vector<FileTensor> &tensors, std::span<const std::byte> elements) {
  std::vector<std::span<const std::byte>> parts;
  for (const FileTensor &tensor : tensors)
    if (!tensor.elements.empty()) parts.push_back(tensor.elements);
  std::sort(parts.begin(), parts.end(), [](auto a, auto b) { return a.data() < b.data(); });
  const std::byte *next = elements.data();
  for (const auto part : parts) {
    if (part.data() != next) broken("its tensors overlap, or bytes belong to none");
    next += part.size();
  }
  if (next != elements.data() + elements.size()) broken("bytes at its end belong to no tensor");
}

}  // namespace

FilePieces safetensors_pieces(const std::vector<FileTensor> &tensors) {
  std::vector<const FileTensor *> order;
  for (const FileTensor &tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const FileTensor *a, const FileTensor *b) {
    return flare_dtype_size(a->dtype) > flare_dtype_size(b->dtype);
  });
  Json header = Json::object();
  uint64_t at = 0;
  for (const FileTensor *tensor : order) {
    if (tensor->name == kMetadata || header.contains(tensor->name))
      throw BadTensorFile("'" + tensor->name + "' cannot be a name in safetensors: it is there twice, or reserved");
    const uint64_t end = at + tensor->elements.size();
    header[tensor->name] = {{"dtype", name_of(*tensor)}, {"shape", tensor->shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  text.resize((sizeof(uint64_t) + text.size() + kAlignment - 1) / kAlignment * kAlignment - sizeof(uint64_t), ' ');
  if (text.size() > kHeaderMax) throw BadTensorFile("there are too many tensors for a safetensors file");
  std::string head;
  append(&head, uint64_t{text.size()});
  FilePieces pieces;
  pieces.add(head + text);
  for (const FileTensor *tensor : order) pieces.refer_to(tensor->elements);
  return pieces;
}

bool looks_like_safetensors(std::span<const std::byte> file) {
  constexpr size_t kFirst = sizeof(uint64_t);
  return file.size() > kFirst && static_cast<char>(file[kFirst]) == '{';
}

std::vector<FileTensor> parse_safetensors(std::span<const std::byte> file) {
  if (!looks_like_safetensors(file)) broken("it does not begin as one");
  const auto length = load_at<uint64_t>(file, 0);
  const auto rest = file.subspan(sizeof length);
  if (length > kHeaderMax || length > rest.size()) broken("its header is cut off or too long");
  Json header;
  try {
    header = parse_json(text_of(rest.first(length)));
  } catch (const std::exception &error) {
    broken(error.what());
  }
  if (!header.is_object()) broken("its header is no object");
  std::vector<FileTensor> tensors;
  for (const auto &[name, entry] : header.items())
    if (name != kMetadata) tensors.push_back(read_entry(name, entry, rest.subspan(length)));
  check_coverage(tensors, rest.subspan(length));
  return tensors;
}

}  // namespace flare_tool
