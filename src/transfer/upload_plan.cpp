#include "transfer/upload_plan.h"

#include <algorithm>
#include <set>

namespace flare {

UploadPlan plan_upload(const UploadPlanInput &input) {
  UploadPlan plan;
  plan.receiver_count = input.receiver_count;
  std::vector<std::optional<std::string>> receivers;
  if (input.receivers) {
    std::set<std::string> seen;
    for (const std::string &receiver : *input.receivers) {
      if (seen.insert(receiver).second) plan.receivers.push_back(receiver);
    }
    const auto given = static_cast<int64_t>(input.receivers->size());
    const auto distinct = static_cast<int64_t>(plan.receivers.size());
    plan.repeated_receivers = distinct != given;
    plan.unknown_receivers = distinct == 0 || (input.receiver_count != given && input.receiver_count != distinct);
    if (plan.unknown_receivers) {
      plan.receivers.clear();
    } else {
      plan.receiver_count = distinct;
      receivers.assign(plan.receivers.begin(), plan.receivers.end());
    }
  } else if (input.receiver_count == 1) {
    receivers.emplace_back();  // the one unnamed receiver
  } else {
    plan.unknown_receivers = true;
  }
  plan.trackable = !receivers.empty() && input.progress_wanted;
  const std::optional<double> wanted = plan.trackable && input.idle_timeout ? input.idle_timeout : input.message_ttl;
  plan.timeout = std::max(wanted.value_or(input.min_timeout), input.min_timeout);
  if (!plan.trackable) return plan;
  for (const std::string &ref : input.refs) {
    for (const auto &receiver : receivers) plan.pairs.push_back({ref, receiver});
  }
  return plan;
}

}  // namespace flare
