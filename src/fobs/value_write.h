// Values of the library's model as objects.
#pragma once

#include <string>
#include <vector>

#include "base/limits.h"
#include "fobs/keys.h"
#include "fobs/object.h"
#include "model/value.h"

namespace flare::fobs {

class ValueWriter {
 public:
  // By reference, tensors are left to their receiver to download, as the items T0, T1 and so on.
  ValueWriter(bool by_reference, const Limits &limits) : by_reference_(by_reference), limits_(limits) {}

  // Throws Failure(FLARE_INVALID_ARGUMENT) for a tensor of a type that NumPy does not know. Those of FLARE_OPAQUE are
  // bytes that were seen through the C API, and become bytes again.
  Object write(const Value &value);
  Object write(const Map &map);
  // With the keys that its names had in the task.
  Object write_body(const Map &map, const Keys &keys);

  // By reference: the tensors, in the order of their numbers.
  std::vector<Tensor> take_items() && { return std::move(items_); }

 private:
  Object write_array(const Tensor &tensor);
  Object key_of(const std::string &name) const;

  bool by_reference_;
  const Limits &limits_;
  const Keys *keys_ = nullptr;
  std::string way_;  // as Keys has it, while there are any
  std::vector<Tensor> items_;
};

std::string item_name(size_t index);  // "T0"

}  // namespace flare::fobs
