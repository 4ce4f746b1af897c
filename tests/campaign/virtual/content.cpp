#include "content.h"

#include <algorithm>
#include <string>

namespace flare_world {

namespace {

// No two keys, tensors or places have the same value, but by accident.
float value_at(uint64_t key, size_t tensor, size_t place) {
  const uint64_t mixed = (key * 31 + tensor) * 0x9e3779b97f4a7c15 + place;
  return static_cast<float>(mixed >> 40 ^ (mixed & 0xffff));
}

std::string name_of(size_t tensor) { return "w" + std::to_string(tensor); }

}  // namespace

float *Memory::add(int64_t floats) { return blocks_.emplace_back(static_cast<size_t>(floats)).data(); }

void Memory::scribble() {
  for (auto &block : blocks_) std::fill(block.begin(), block.end(), -1.0F);
}

flare::Shareable make_content(uint64_t key, const std::vector<int64_t> &floats, Memory *lent) {
  flare::Shareable content;
  content.kind = flare::kind::kWeights;
  for (size_t i = 0; i < floats.size(); ++i) {
    const auto count = static_cast<size_t>(floats[i]);
    const size_t bytes = count * sizeof(float);
    flare::Block block;
    float *values = nullptr;
    if (lent != nullptr) {
      values = lent->add(floats[i]);
    } else {
      block = flare::Block(bytes);
      values = reinterpret_cast<float *>(block.data());
    }
    for (size_t place = 0; place < count; ++place) values[place] = value_at(key, i, place);
    flare::Tensor tensor{FLARE_FLOAT32, {floats[i]}, block.share()};
    if (lent != nullptr) tensor.bytes = {nullptr, reinterpret_cast<const std::byte *>(values), bytes};
    content.body.set(name_of(i), std::move(tensor));
  }
  return content;
}

bool is_content(const flare::Shareable &content, uint64_t key, const std::vector<int64_t> &floats) {
  if (flare::tensors_of(content).size() != floats.size()) return false;
  for (size_t i = 0; i < floats.size(); ++i) {
    const flare::Value *value = content.body.find(name_of(i));
    const flare::Tensor *tensor = value ? value->tensor() : nullptr;
    const auto count = static_cast<size_t>(floats[i]);
    if (!tensor || tensor->dtype != FLARE_FLOAT32 || tensor->shape != std::vector<int64_t>{floats[i]}) return false;
    if (tensor->bytes.size != count * sizeof(float)) return false;
    const auto *values = reinterpret_cast<const float *>(tensor->bytes.data);
    for (size_t place = 0; place < count; ++place) {
      if (values[place] != value_at(key, i, place)) return false;
    }
  }
  return true;
}

}  // namespace flare_world
