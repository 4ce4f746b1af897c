// A record of NVFlare's experiment tracking, as trainers send them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/limits.h"
#include "fobs/message.h"
#include "model/value.h"

namespace flare::fobs {

// `type` is one of NVFlare's AnalyticsDataType; a negative step and an empty path are none. Throws Failure as
// ValueWriter.
Message write_metric(std::string_view type, std::string_view name, const Value &value, int64_t step,
                     std::string_view path, const Limits &limits);

}  // namespace flare::fobs
