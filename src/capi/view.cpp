#include "capi/view.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>

namespace flare {

View::View(std::shared_ptr<const Shareable> content) : content_(std::move(content)) {
  collect(content_->body, "");
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), size_t{0});
  std::stable_sort(by_name_.begin(), by_name_.end(),
                   [this](size_t a, size_t b) { return tensors_[a].name < tensors_[b].name; });
}

void View::collect(const Map &map, const std::string &prefix) {
  for (const auto &[key, value] : map) {
    if (const Tensor *tensor = value.tensor()) {
      tensors_.push_back({prefix + key, tensor});
    } else if (const auto *bytes = std::get_if<Bytes>(&value.data())) {
      opaque_.push_back({FLARE_OPAQUE, {static_cast<int64_t>(bytes->size)}, *bytes});
      tensors_.push_back({prefix + key, &opaque_.back()});
    } else if (const Map *inner = value.map()) {
      collect(*inner, prefix + key + '/');
    }
  }
}

const Tensor *View::find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name, [this](size_t position, auto wanted) {
    return std::string_view(tensors_[position].name) < wanted;
  });
  return found == by_name_.end() || tensors_[*found].name != name ? nullptr : tensors_[*found].tensor;
}

const Value *View::section(flare_section section) const {
  const Map *map = nullptr;
  switch (section) {
    case FLARE_HEADERS: map = &content_->headers; break;
    case FLARE_BODY: map = &content_->body; break;
    case FLARE_META: map = &content_->meta; break;
    default: return nullptr;
  }
  std::lock_guard lock(mutex_);
  auto &made = sections_[static_cast<size_t>(section - FLARE_HEADERS)];
  if (!made) made = std::make_unique<const Value>(*map);
  return made.get();
}

flare_tensor to_c(const Tensor &tensor) {
  const auto dimensions = static_cast<int32_t>(tensor.shape.size());
  const int64_t *shape = dimensions == 0 ? nullptr : tensor.shape.data();
  return {0, tensor.dtype, dimensions, 0, tensor.bytes.data, shape, nullptr};
}

}  // namespace flare
