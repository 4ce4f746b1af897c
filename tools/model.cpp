#include "model.h"

namespace flare_tool {

namespace {

// The bits of a DLPack type are the higher bytes of its number.
size_t element_bytes(flare_dtype dtype) { return static_cast<size_t>(dtype >> 8) / 8; }

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

}  // namespace flare_tool
