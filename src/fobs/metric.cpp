#include "fobs/metric.h"

#include <utility>

#include "fobs/classes.h"
#include "fobs/value_write.h"

namespace flare::fobs {
namespace {

constexpr std::string_view kWriter = "TORCH_TB";  // whose words they are said in: NVFlare's default

}  // namespace

Message write_metric(std::string_view type, std::string_view name, const Value &value, int64_t step,
                     std::string_view path, const Limits &limits) {
  Dict data = {{"track_key", name}, {"track_value", ValueWriter(false, limits).write(value)}};
  Dict more;  // the same again, for writers that want it as arguments
  if (step >= 0) more.push_back({"global_step", step});
  if (!path.empty()) more.push_back({"path", path});
  data.insert(data.end(), more.begin(), more.end());
  if (!more.empty()) data.push_back({"analytics_kwargs", std::move(more)});
  Dict meta = {{"analytics_data_type", enum_of(type::kAnalyticsType, type)},
               {"tracker_key", enum_of(type::kLogWriter, kWriter)}};
  Message message{dxo_of(enum_of(type::kDataKind, "ANALYTIC"), std::move(meta), std::move(data)), {}};
  externalize(&message);
  return message;
}

}  // namespace flare::fobs
