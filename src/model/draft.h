// A Shareable that is being filled: puts things where their kind wants them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/shareable.h"

namespace flare {

class Draft {
 public:
  Draft() = default;
  // `default_kind`: of a body with tensors, when nothing else is said.
  explicit Draft(std::string_view default_kind) : default_kind_(default_kind) {}

  // The body under `name`.
  void set_body(std::string_view name, Value value) { content_.body.set(name, std::move(value)); }
  void set_header(std::string_view name, Value value) { content_.headers.set(name, std::move(value)); }
  void drop_header(std::string_view name) { content_.headers.erase(name); }
  void set_meta(std::string_view name, Value value) { content_.meta.set(name, std::move(value)); }
  void set_kind(std::string_view kind) { content_.kind = kind; }
  void set_metric(std::string_view name, double value) { metrics_.set(name, value); }

  // As it would be sent now: with the kind that follows from the content and the metrics in their place.
  Shareable finish() const;

 private:
  std::string default_kind_ = std::string(kind::kWeights);
  Shareable content_;
  Map metrics_;
};

}  // namespace flare
