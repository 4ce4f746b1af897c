#include "model/tensor.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>
#include <tuple>
#include <utility>

#include "base/failure.h"

namespace flare {
namespace {

struct Known {
  flare_dtype dtype;
  const char *name;
};

constexpr std::array<Known, 18> kKnown{{
    {FLARE_INT8, "int8"},
    {FLARE_INT16, "int16"},
    {FLARE_INT32, "int32"},
    {FLARE_INT64, "int64"},
    {FLARE_UINT8, "uint8"},
    {FLARE_UINT16, "uint16"},
    {FLARE_UINT32, "uint32"},
    {FLARE_UINT64, "uint64"},
    {FLARE_FLOAT16, "float16"},
    {FLARE_FLOAT32, "float32"},
    {FLARE_FLOAT64, "float64"},
    {FLARE_OPAQUE, "opaque"},
    {FLARE_BFLOAT16, "bfloat16"},
    {FLARE_COMPLEX64, "complex64"},
    {FLARE_COMPLEX128, "complex128"},
    {FLARE_BOOL, "bool"},
    {FLARE_FLOAT8_E4M3FN, "float8_e4m3fn"},
    {FLARE_FLOAT8_E5M2, "float8_e5m2"},
}};

const Known *find_known(flare_dtype dtype) {
  const auto *found = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known &k) { return k.dtype == dtype; });
  return found == kKnown.end() ? nullptr : found;
}

[[noreturn]] void refuse_tensor(const std::string &message) { throw Failure(FLARE_INVALID_ARGUMENT, message); }

// flare_tensor as its first version was: what a caller's struct has at least.
constexpr size_t kFirstSize = offsetof(flare_tensor, strides) + sizeof(flare_tensor::strides);

// A tensor of the C API, checked, with where its elements lie.
struct Source {
  std::vector<int64_t> shape;
  std::vector<int64_t> steps;  // in bytes; set where a dimension has more than one element, if there are any
  int64_t element = 0;         // bytes
  uint64_t bytes = 0;
  const std::byte *data = nullptr;

  int32_t dimensions() const { return static_cast<int32_t>(shape.size()); }
};

void set_compact_steps(Source *source) {
  int64_t step = source->element;
  for (size_t i = source->shape.size(); i-- > 0;) {
    source->steps[i] = step;
    step *= source->shape[i];  // cannot overflow: tensor_bytes() has multiplied the same
  }
}

// Refuses strides with which the distance between two elements could not even be computed.
void set_steps(Source *source, const int64_t *strides) {
  int64_t below = 0;
  int64_t above = 0;
  for (size_t i = 0; i < source->shape.size(); ++i) {
    if (source->shape[i] == 1) continue;
    int64_t extent = 0;
    if (__builtin_mul_overflow(strides[i], source->element, &source->steps[i]) ||
        __builtin_mul_overflow(source->steps[i], source->shape[i] - 1, &extent) ||
        (extent < 0 ? __builtin_add_overflow(below, extent, &below) : __builtin_add_overflow(above, extent, &above))) {
      refuse_tensor("the strides overflow");
    }
  }
}

Source check(const flare_tensor &tensor, const Limits &limits) {
  if (tensor.struct_size < kFirstSize) refuse_tensor("struct_size is not set: begin with FLARE_TENSOR_INIT");
  if (tensor.device_type != 0 && tensor.device_type != 1) {
    refuse_tensor("is in the memory of device type " + std::to_string(tensor.device_type) +
                  ": copy it to the host first");
  }
  Source source;
  source.bytes = tensor_bytes(tensor.dtype, tensor.shape, tensor.ndim, limits);
  source.element = static_cast<int64_t>(element_size(tensor.dtype));
  source.data = static_cast<const std::byte *>(tensor.data);
  if (tensor.ndim > 0) source.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  if (source.bytes == 0) return source;
  if (source.data == nullptr) refuse_tensor("data is NULL");
  source.steps.resize(source.shape.size());
  if (tensor.strides == nullptr) {
    set_compact_steps(&source);
  } else {
    set_steps(&source, tensor.strides);
  }
  return source;
}

// The innermost dimensions that lie in memory as they travel: how many dimensions are left, and the bytes of each
// block that those innermost ones make.
std::pair<int32_t, int64_t> compact_part(const Source &source) {
  int32_t left = source.dimensions();
  int64_t block = source.element;
  for (; left > 0; --left) {
    const auto i = static_cast<size_t>(left - 1);
    if (source.shape[i] != 1 && source.steps[i] != block) break;
    block *= source.shape[i];
  }
  return {left, block};
}

template <size_t kSize>
void copy_fixed(const std::byte *from, int64_t step, int64_t count, std::byte *to) {
  for (int64_t i = 0; i < count; ++i, to += kSize) std::memcpy(to, from + i * step, kSize);
}

void copy_line(const std::byte *from, int64_t step, int64_t count, int64_t block, std::byte *to) {
  switch (block) {  // copies of a size that the compiler knows are single instructions
    case 1: return copy_fixed<1>(from, step, count, to);
    case 2: return copy_fixed<2>(from, step, count, to);
    case 4: return copy_fixed<4>(from, step, count, to);
    case 8: return copy_fixed<8>(from, step, count, to);
    case 16: return copy_fixed<16>(from, step, count, to);
    default:
      for (int64_t i = 0; i < count; ++i, to += block) std::memcpy(to, from + i * step, static_cast<size_t>(block));
  }
}

// Copies blocks in row-major order from wherever they lie. The two last dimensions go in tiles: where the source is
// transposed, a tile uses all of a cache line that it loads, while a whole line would load each of them again.
class Gather {
 public:
  explicit Gather(const Source &source) : source_(source) { std::tie(dimensions_, block_) = compact_part(source); }

  void run(std::byte *to) {
    if (dimensions_ == 0) {
      std::memcpy(to, source_.data, static_cast<size_t>(block_));
    } else {
      copy_dimension(0, source_.data, to);
    }
  }

 private:
  std::byte *copy_dimension(int32_t dimension, const std::byte *from, std::byte *to) const {
    const int64_t count = source_.shape[static_cast<size_t>(dimension)];
    const int64_t step = source_.steps[static_cast<size_t>(dimension)];
    if (dimension == dimensions_ - 1) {
      copy_line(from, step, count, block_, to);
      return to + count * block_;
    }
    if (dimension == dimensions_ - 2) return copy_plane(static_cast<size_t>(dimension), from, to);
    for (int64_t i = 0; i < count; ++i) to = copy_dimension(dimension + 1, from + i * step, to);
    return to;
  }

  std::byte *copy_plane(size_t dimension, const std::byte *from, std::byte *to) const {
    constexpr int64_t kRows = 16;
    constexpr int64_t kColumns = 8;  // few, as columns whose distance is a power of two share a cache set
    const int64_t rows = source_.shape[dimension];
    const int64_t columns = source_.shape[dimension + 1];
    const int64_t row_step = source_.steps[dimension];
    const int64_t column_step = source_.steps[dimension + 1];
    for (int64_t row = 0; row < rows; row += kRows) {
      for (int64_t column = 0; column < columns; column += kColumns) {
        for (int64_t i = row; i < std::min(row + kRows, rows); ++i) {
          copy_line(from + i * row_step + column * column_step, column_step, std::min(kColumns, columns - column),
                    block_, to + (i * columns + column) * block_);
        }
      }
    }
    return to + rows * columns * block_;
  }

  const Source &source_;
  int32_t dimensions_ = 0;
  int64_t block_ = 0;
};

// Whatever is wrong with a tensor, the caller wants to know with which.
template <typename Make>
Tensor naming(std::string_view name, Make make) {
  const auto about = [&](const char *what) { return "tensor \"" + std::string(name) + "\": " + what; };
  try {
    return make();
  } catch (const Failure &failure) {
    throw Failure(failure.status(), about(failure.what()));
  } catch (const std::bad_alloc &) {
    throw Failure(FLARE_OUT_OF_MEMORY, about("no memory for its elements"));
  }
}

}  // namespace

size_t element_size(flare_dtype dtype) {
  return find_known(dtype) == nullptr ? 0 : static_cast<size_t>(dtype >> 8) / 8;
}

std::string dtype_name(flare_dtype dtype) {
  if (const Known *known = find_known(dtype)) return known->name;
  char text[24];
  std::snprintf(text, sizeof text, "dtype 0x%04x", static_cast<unsigned>(dtype));
  return text;
}

std::string describe(const Tensor &tensor) {
  std::string text = dtype_name(tensor.dtype) + '[';
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(tensor.shape[i]);
  }
  return text + ']';
}

uint64_t tensor_bytes(flare_dtype dtype, const int64_t *shape, int32_t ndim, const Limits &limits) {
  auto bytes = static_cast<int64_t>(element_size(dtype));
  if (bytes == 0) refuse_tensor(dtype_name(dtype) + " is not an element type of this version");
  if (ndim < 0 || ndim > limits.max_dimensions) {
    refuse_tensor(std::to_string(ndim) + " dimensions: 0 to " + std::to_string(limits.max_dimensions) +
                  " are possible");
  }
  if (ndim > 0 && shape == nullptr) refuse_tensor("shape is NULL");
  bool empty = false;
  for (int32_t i = 0; i < ndim; ++i) {
    if (shape[i] < 0) refuse_tensor("dimension " + std::to_string(i) + " is " + std::to_string(shape[i]));
    // What lies beside an empty dimension must not overflow either: NumPy refuses that, and so would a receiver.
    if (shape[i] == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(bytes, shape[i], &bytes)) {
      refuse_tensor("the shape overflows");
    }
  }
  const uint64_t total = empty ? 0 : static_cast<uint64_t>(bytes);
  if (total > limits.max_tensor_bytes) {
    throw Failure(FLARE_TOO_LARGE, std::to_string(total) + " bytes are more than max_tensor_bytes (" +
                                       std::to_string(limits.max_tensor_bytes) + ")");
  }
  return total;
}

Tensor copy_tensor(std::string_view name, const flare_tensor &tensor, const Limits &limits) {
  return naming(name, [&] {
    const Source source = check(tensor, limits);
    Block block(source.bytes);
    if (source.bytes > 0) Gather(source).run(block.data());
    return Tensor{tensor.dtype, source.shape, block.share()};
  });
}

Tensor borrow_tensor(std::string_view name, const flare_tensor &tensor, std::shared_ptr<const void> lease,
                     const Limits &limits) {
  return naming(name, [&] {
    const Source source = check(tensor, limits);
    if (source.bytes > 0 && compact_part(source).first != 0)
      refuse_tensor("is not compact and row-major: it can be copied but not borrowed");
    return Tensor{tensor.dtype, source.shape, {std::move(lease), source.data, source.bytes}};
  });
}

}  // namespace flare
