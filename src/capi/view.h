// What readers of a shareable see: content that does not change any more, with its tensors in one flat table.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "flare_agent.h"
#include "model/shareable.h"

namespace flare {

class View {
 public:
  explicit View(std::shared_ptr<const Shareable> content);
  View(const View &) = delete;
  View &operator=(const View &) = delete;

  const Shareable &content() const { return *content_; }
  // Of the body, as tensors_of() names them; bytes are tensors of dtype FLARE_OPAQUE.
  const std::vector<NamedTensor> &tensors() const { return tensors_; }
  const Tensor *find(std::string_view name) const;  // the first of that name
  // A MAP; nullptr for an unknown section.
  const Value *section(flare_section section) const;

 private:
  void collect(const Map &map, const std::string &prefix);

  std::shared_ptr<const Shareable> content_;
  std::vector<NamedTensor> tensors_;
  std::deque<Tensor> opaque_;  // what tensors_ refers to for bytes
  // Positions in the order of the names. Not a hash table: the names come from the peer, who could make them collide.
  std::vector<size_t> by_name_;

  // Made when asked for: most programs read tensors only, and a section is a copy of its names and values.
  mutable std::mutex mutex_;
  mutable std::array<std::unique_ptr<const Value>, 3> sections_;
};

// As the C API shows it, but for the struct_size.
flare_tensor to_c(const Tensor &tensor);

}  // namespace flare
