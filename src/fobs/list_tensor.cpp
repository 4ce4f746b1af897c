#include "fobs/list_tensor.h"

#include <cstring>

namespace flare::fobs {
namespace {

template <typename T>
Tensor scalar(flare_dtype dtype, T number) {
  return {dtype, {}, copy_bytes(&number, sizeof number)};
}

// The lengths of the first of lists, of the first in that, and so on.
std::vector<int64_t> shape_of(const List &list) {
  std::vector<int64_t> shape;
  for (const List *inner = &list; inner != nullptr; inner = inner->front().list()) {
    shape.push_back(static_cast<int64_t>(inner->size()));
    if (inner->empty()) break;
  }
  return shape;
}

// So no more memory is taken than the lists themselves take.
bool has_shape(const List &list, const std::vector<int64_t> &shape, size_t dimension) {
  if (list.size() != static_cast<size_t>(shape[dimension])) return false;
  if (dimension + 1 == shape.size()) return true;
  for (const Value &item : list)
    if (item.list() == nullptr || !has_shape(*item.list(), shape, dimension + 1)) return false;
  return true;
}

// False when something is no number.
template <typename T>
bool fill(const List &list, std::byte **to) {
  for (const Value &item : list) {
    if (const List *inner = item.list()) {
      if (!fill<T>(*inner, to)) return false;
      continue;
    }
    const auto number = item.number();
    if (!number) return false;
    const T element = static_cast<T>(*number);
    std::memcpy(*to, &element, sizeof element);
    *to += sizeof element;
  }
  return true;
}

}  // namespace

Tensor scalar_tensor(const Value &number, std::string_view type) {
  const double real = number.number().value_or(0);
  const int64_t integer = number.integer().value_or(0);
  if (type == "bool") return scalar(FLARE_BOOL, static_cast<uint8_t>(integer != 0));
  if (type == "int32") return scalar(FLARE_INT32, static_cast<int32_t>(integer));
  if (type == "int64") return scalar(FLARE_INT64, integer);
  if (type == "float32") return scalar(FLARE_FLOAT32, static_cast<float>(real));
  return scalar(FLARE_FLOAT64, real);
}

std::optional<Tensor> tensor_of_list(const List &list, flare_dtype dtype, const Limits &limits) {
  const std::vector<int64_t> shape = shape_of(list);
  if (shape.size() > static_cast<size_t>(limits.max_dimensions) || !has_shape(list, shape, 0)) return std::nullopt;
  Block block(tensor_bytes(dtype, shape.data(), static_cast<int32_t>(shape.size()), limits));
  std::byte *to = block.data();
  const bool filled = dtype == FLARE_FLOAT64 ? fill<double>(list, &to) : fill<float>(list, &to);
  if (!filled) return std::nullopt;
  return Tensor{dtype, shape, block.share()};
}

}  // namespace flare::fobs
