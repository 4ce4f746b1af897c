// A tensor as it lies in a file, or is to be written into one: a view of elements that somebody else keeps.
#pragma once

#include <flare_agent.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace flare_tool {

struct FileTensor {
  std::string name;
  flare_dtype dtype = 0;
  std::vector<int64_t> shape;
  std::span<const std::byte> elements;  // little-endian, compact
  bool first_index_fastest = false;     // Fortran's order; otherwise C's
};

// A file that is not what it should be, or a tensor that a format does not know; the text is for the user.
class BadTensorFile : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

constexpr size_t kDimensionsMax = 32;  // the library's

// The bytes of its elements. Throws BadTensorFile with `name`: too many or negative dimensions, or overflow.
uint64_t elements_size(const std::string &name, flare_dtype dtype, const std::vector<int64_t> &shape);

}  // namespace flare_tool
