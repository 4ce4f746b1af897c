// A tensor as it travels: type, shape and elements in row-major order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "flare_agent.h"

namespace flare {

struct Tensor {
  flare_dtype dtype = 0;
  std::vector<int64_t> shape;
  Bytes bytes;
};

// Bytes per element, 0 for a type that is not known.
size_t element_size(flare_dtype dtype);
// "float32"; "dtype 0x1234" for a type that is not known.
std::string dtype_name(flare_dtype dtype);
// "float32[64, 32]"
std::string describe(const Tensor &tensor);

// The checked size of a tensor of this type and shape. Throws Failure: FLARE_INVALID_ARGUMENT for an unknown type,
// too many or negative dimensions, or overflow, FLARE_TOO_LARGE for more than limits.max_tensor_bytes.
uint64_t tensor_bytes(flare_dtype dtype, const int64_t *shape, int32_t ndim, const Limits &limits);

// From the struct of the C API. `copy` gathers strided elements into a block of our own; `borrow` refers to the
// caller's memory, kept alive by `lease`, and refuses what is not compact. Both throw Failure naming `name`.
Tensor copy_tensor(std::string_view name, const flare_tensor &tensor, const Limits &limits);
Tensor borrow_tensor(std::string_view name, const flare_tensor &tensor, std::shared_ptr<const void> lease,
                     const Limits &limits);

}  // namespace flare
