// The records of a metric message, in any shape: what is taken of them is well-formed and can be sent on.
#include "agent/metric_queue.h"
#include "base/failure.h"
#include "fuzz_input.h"
#include "pipe/metric.h"

namespace flare {
namespace {

void check_metrics(const std::vector<Metric> &metrics, const Limits &limits) {
  for (const Metric &metric : metrics) require(is_analytics_type(metric.type) && !metric.name.empty());
  if (metrics.empty()) return;
  const std::vector<Metric> again = to_metrics(*to_message(metrics));
  require(again.size() == metrics.size());
  MetricQueue queue(2, limits);
  size_t refused = 0;
  for (size_t i = 0; i < metrics.size(); ++i) {
    require(again[i].type == metrics[i].type && again[i].name == metrics[i].name && again[i].path == metrics[i].path);
    require(value_to_json(again[i].value) == value_to_json(metrics[i].value));
    try {
      queue.push(again[i]);
    } catch (const Failure &failure) {
      require(failure.status() == FLARE_TOO_LARGE);
      ++refused;
    }
  }
  size_t taken = 0;
  for (auto batch = queue.take_batch(true); !batch.empty(); batch = queue.take_batch(true)) taken += batch.size();
  require(taken + refused + static_cast<size_t>(queue.dropped()) == metrics.size());
}

void check_records(std::string_view json) {
  Limits limits;
  limits.metric_bytes_per_batch = 200;
  Message message;
  try {
    message.data.body.set("records", value_from_json(json, limits));
  } catch (const Failure &) {
    return;
  }
  check_metrics(to_metrics(message), limits);
}

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::check_records(flare::FuzzInput(bytes, size).rest());
  return 0;
}
