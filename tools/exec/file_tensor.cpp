#include "exec/file_tensor.h"

namespace flare_tool {

uint64_t elements_size(const std::string &name, flare_dtype dtype, const std::vector<int64_t> &shape) {
  if (shape.size() > kDimensionsMax)
    throw BadTensorFile("'" + name + "' has " + std::to_string(shape.size()) + " dimensions, more than " +
                        std::to_string(kDimensionsMax));
  int64_t size = static_cast<int64_t>(flare_dtype_size(dtype));
  int64_t product = size;  // of all but the zeros: a shape whose other dimensions overflow has no strides either
  for (const int64_t extent : shape) {
    if (extent < 0 || (extent > 0 && __builtin_mul_overflow(product, extent, &product)))
      throw BadTensorFile("'" + name + "' has a shape that is negative or overflows");
    if (extent == 0) size = 0;
  }
  return static_cast<uint64_t>(size == 0 ? 0 : product);
}

}  // namespace flare_tool
