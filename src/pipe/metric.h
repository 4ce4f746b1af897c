// One record of FLARE's experiment tracking, and batches of them as messages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"
#include "pipe/message.h"

namespace flare {

struct Metric {
  std::string type;  // AnalyticsDataType
  std::string name;
  Value value;
  int64_t step = -1;
  std::string path;
  double time = 0;  // seconds since the epoch, when it was logged
};

inline constexpr std::array<std::string_view, 15> kAnalyticsTypes = {
    "SCALAR",  "SCALARS", "IMAGE",    "TEXT", "LOG_RECORD", "PARAMETER", "PARAMETERS", "METRIC",
    "METRICS", "MODEL",   "ARTIFACT", "TAG",  "TAGS",       "FIGURE",    "INIT_DATA"};
// About as many bytes as it takes in an envelope.
size_t size_of(const Metric &metric);

bool is_analytics_type(std::string_view type);

// How deep a record's value lies in the message: in the list of records, in its record.
inline constexpr size_t kMetricDepth = 2;

// A request with topic "metric" whose body has the list "records".
MessagePtr to_message(const std::vector<Metric> &metrics);
// Records that are not as they should be are left out.
std::vector<Metric> to_metrics(const Message &message);

}  // namespace flare
