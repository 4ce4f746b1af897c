// Values of the library's model as objects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "fobs/object.h"
#include "model/value.h"

namespace flare::fobs {

class ValueWriter {
 public:
  // By reference, tensors are left to their receiver to download, as the items T0, T1 and so on.
  ValueWriter(bool by_reference, const Limits &limits) : by_reference_(by_reference), limits_(limits) {}

  // Throws Failure(FLARE_INVALID_ARGUMENT) for a tensor of a type that NumPy does not know.
  Object write(const Value &value);
  Object write(const Map &map);

  // By reference: the tensors, in the order of their numbers.
  std::vector<Tensor> take_items() && { return std::move(items_); }

 private:
  Object write_array(const Tensor &tensor);

  bool by_reference_;
  const Limits &limits_;
  std::vector<Tensor> items_;
};

std::string item_name(size_t index);  // "T0"

}  // namespace flare::fobs
