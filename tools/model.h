// A model as the simulator keeps it: named tensors in its own memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <flare_agent.hpp>
#include <string>
#include <vector>

namespace flare_tool {

struct ModelTensor {
  std::string name;
  flare_dtype dtype = FLARE_FLOAT32;
  std::vector<int64_t> shape;
  std::vector<std::byte> elements;
};

using Model = std::vector<ModelTensor>;

Model copy_model(const flare::Shareable &from);
void write_model(const Model &model, flare_shareable *to);
// A line `name index value` for each element. Throws when they are not float32 or float64.
std::string model_text(const Model &model);

}  // namespace flare_tool
