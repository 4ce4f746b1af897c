#include "model/draft.h"

namespace flare {

Shareable Draft::finish() const {
  Shareable result = content_;
  if (result.kind.empty() && !result.body.empty()) result.kind = default_kind_;
  if (result.kind.empty() && !metrics_.empty()) result.kind = kind::kMetrics;
  if (metrics_.empty()) return result;
  if (result.kind == kind::kMetrics) {
    for (const auto &[name, value] : metrics_) result.body.set(name, value);
  } else {
    result.meta.set(meta::kInitialMetrics, metrics_);
  }
  return result;
}

}  // namespace flare
