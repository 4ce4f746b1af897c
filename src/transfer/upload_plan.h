// Who has to fetch what of one encoded message, and whether and how long its transfer is watched (VD-01..VD-03).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "transfer/result_upload_tracker.h"

namespace flare {

struct UploadPlanInput {
  std::vector<std::string> refs;
  std::optional<std::vector<std::string>> receivers;  // nullopt: the message names none
  int64_t receiver_count = 1;
  bool progress_wanted = false;
  std::optional<double> idle_timeout;
  std::optional<double> message_ttl;
  double min_timeout = 0;
};

struct UploadPlan {
  int64_t receiver_count = 0;
  std::vector<std::string> receivers;  // named ones, each once
  bool repeated_receivers = false;     // worth a warning
  bool unknown_receivers = false;      // several, or not as many as said; worth a warning
  bool trackable = false;
  double timeout = 0;
  std::vector<ResultUploadTracker::Pair> pairs;  // every ref with every receiver; empty unless trackable
};

UploadPlan plan_upload(const UploadPlanInput &input);

}  // namespace flare
