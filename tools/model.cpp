#include "model.h"

#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace flare_tool {

namespace {

// The bits of a DLPack type are the higher bytes of its number.
size_t element_bytes(flare_dtype dtype) { return static_cast<size_t>(dtype >> 8) / 8; }

// With as many digits as tell it from its neighbours.
template <typename T>
void add_lines(const ModelTensor &tensor, int digits, std::string *text) {
  for (size_t i = 0; i < tensor.elements.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, tensor.elements.data() + i * sizeof(T), sizeof(T));
    char number[64];
    std::snprintf(number, sizeof number, " %zu %.*g\n", i, digits, static_cast<double>(value));
    *text += tensor.name + number;
  }
}

}  // namespace

Model copy_model(const flare::Shareable &from) {
  Model model;
  for (size_t i = 0; i < from.tensor_count(); ++i) {
    const auto [name, tensor] = from.at(i);
    const auto *bytes = static_cast<const std::byte *>(tensor.view().data);
    const size_t size = tensor.count() * element_bytes(tensor.dtype());
    model.push_back({std::string(name), tensor.dtype(), tensor.shape(), {bytes, bytes + size}});
  }
  return model;
}

void write_model(const Model &model, flare_shareable *to) {
  for (const ModelTensor &tensor : model) {
    const flare_tensor view = {sizeof view, tensor.dtype,           static_cast<int32_t>(tensor.shape.size()),
                               0,           tensor.elements.data(), tensor.shape.data(),
                               nullptr};
    flare::call(flare_shareable_copy_tensor, to, tensor.name.c_str(), &view);
  }
}

std::string model_text(const Model &model) {
  std::string text;
  for (const ModelTensor &tensor : model) {
    if (tensor.dtype == FLARE_FLOAT32)
      add_lines<float>(tensor, 9, &text);
    else if (tensor.dtype == FLARE_FLOAT64)
      add_lines<double>(tensor, 17, &text);
    else
      throw std::runtime_error("tensor '" + tensor.name + "' of the model is neither float32 nor float64");
  }
  return text;
}

}  // namespace flare_tool
