// What tensors are filled with, and how their content is told: see "Elements" in README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "flare_agent.hpp"

std::string dtype_name(flare_dtype dtype);
// 0 for a name that is not known.
flare_dtype dtype_named(const std::string &name);
std::vector<std::byte> make_elements(flare_dtype dtype, size_t count, int64_t start);
std::string hash_of(const void *data, size_t size);
inline std::string hash_of(const flare::Tensor &tensor) {
  return hash_of(tensor.view().data, tensor.count() * flare_dtype_size(tensor.dtype()));
}
