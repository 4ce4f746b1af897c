// Numbers of a model that came as Python's own, as tensors.
#pragma once

#include <optional>
#include <string_view>

#include "base/limits.h"
#include "model/value.h"

namespace flare::fobs {

// A number without dimensions; `type` is NumPy's name of one of 64 or 32 bits, or bool.
Tensor scalar_tensor(const Value &number, std::string_view type);

// Lists of lists of numbers, all rows equally long, become an array of that type: float32 or float64. Nothing for other
// lists.
std::optional<Tensor> tensor_of_list(const List &list, flare_dtype dtype, const Limits &limits);

}  // namespace flare::fobs
