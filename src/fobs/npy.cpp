#include "fobs/npy.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

#include "base/failure.h"

namespace flare::fobs {
namespace {

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

[[noreturn]] void refuse_npy(const std::string &what) {
  throw Failure(FLARE_PROTOCOL, "an array in NVFlare's encoding: " + what);
}

std::string_view kind_and_size(std::string_view descr) { return descr.empty() ? descr : descr.substr(1); }

std::string kind_and_size(const Known &known) { return known.kind + std::to_string(element_size(known.dtype)); }

flare_dtype dtype_of(std::string_view descr) {
  for (const Known &known : kKnown)
    if (kind_and_size(known) == kind_and_size(descr)) return known.dtype;
  return 0;
}

// In records the word of a field's type is one of several.
bool has_objects(const NpyHead &head) {
  return head.has_records() ? head.descr.find("|O") != std::string::npos : head.descr.ends_with('O');
}

uint64_t size_of(const NpyHead &head, flare_dtype dtype, const Limits &limits) {
  try {
    return tensor_bytes(dtype, head.shape.data(), static_cast<int32_t>(head.shape.size()), limits);
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
  NpyArray array;
  try {
    array.head = read_npy_head(file.text());
  } catch (const std::invalid_argument &bad) {
    refuse_npy(bad.what());
  }
  array.elements = {file.owner, file.data + array.head.size, file.size - array.head.size};
  if (has_objects(array.head)) {
    refuse_npy("has Python's objects (" + array.head.descr.substr(0, 100) + "), which only Python can read");
  }
  if (const flare_dtype dtype = dtype_of(array.head.descr); dtype != 0) {
    const uint64_t size = size_of(array.head, dtype, limits);
    if (array.elements.size != size) {
      refuse_npy("has " + std::to_string(array.elements.size) + " bytes of elements, and its shape needs " +
                 std::to_string(size));
    }
  }
  return array;
}

std::optional<Tensor> tensor_of(const NpyArray &array, const Limits &limits) {
  const flare_dtype dtype = dtype_of(array.head.descr);
  if (dtype == 0) return std::nullopt;
  Tensor tensor{dtype, array.head.shape, array.elements};
  const bool is_complex = dtype == FLARE_COMPLEX64 || dtype == FLARE_COMPLEX128;
  const size_t number_size = element_size(dtype) / (is_complex ? 2 : 1);
  if (array.head.descr.front() == '>' && number_size > 1) tensor.bytes = turned(tensor.bytes, number_size);
  if (array.head.first_index_fastest && tensor.shape.size() > 1 && tensor.bytes.size > 0)
    tensor = row_major(tensor, limits);
  return tensor;
}

size_t first_elements_at(const Bytes &beginning) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  constexpr size_t kLongestBeginning = size_t{64} << 10;
  const std::string_view text = beginning.text();
  const size_t at = text.substr(0, kLongestBeginning).find(kMagic);
  if (at == std::string_view::npos) return 0;
  try {
    return at + read_npy_head(text.substr(at)).size;
  } catch (const std::invalid_argument &) {
    return 0;
  }
}

std::string npy_head(const Tensor &tensor) {
  const auto known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known &k) { return k.dtype == tensor.dtype; });
  if (known == kKnown.end())
    throw Failure(FLARE_INVALID_ARGUMENT, dtype_name(tensor.dtype) + " is no type of NumPy's: send float32 instead");
  const char order = element_size(tensor.dtype) == 1 ? '|' : '<';
  return write_npy_head(order + kind_and_size(*known), tensor.shape);
}

}  // namespace flare::fobs
