// FLARE's Shareable with its DXO: what a task brings and a result carries.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"

namespace flare {

// Names on FLARE's side.
namespace header {
inline constexpr std::string_view kTaskId = "__task_id__";
inline constexpr std::string_view kTaskName = "__task_name__";
inline constexpr std::string_view kReturnCode = "__rc__";
inline constexpr std::string_view kCurrentRound = "current_round";
inline constexpr std::string_view kNumRounds = "num_rounds";
inline constexpr std::string_view kValidateType = "_validate_type";
inline constexpr std::string_view kModelOwner = "_model_owner_";
inline constexpr std::string_view kReceiverIds = "receiver_ids";
inline constexpr std::string_view kJobId = "job_id";
inline constexpr std::string_view kSiteName = "site_name";
inline constexpr std::string_view kAttempt = "attempt";
inline constexpr std::string_view kReason = "reason";
}  // namespace header

namespace meta {
inline constexpr std::string_view kCurrentRound = "current_round";
inline constexpr std::string_view kTotalRounds = "total_rounds";
inline constexpr std::string_view kInitialMetrics = "initial_metrics";
inline constexpr std::string_view kNumSteps = "NUM_STEPS_CURRENT_ROUND";
}  // namespace meta

namespace kind {
inline constexpr std::string_view kWeights = "WEIGHTS";
inline constexpr std::string_view kWeightDiff = "WEIGHT_DIFF";
inline constexpr std::string_view kMetrics = "METRICS";
}  // namespace kind

struct NamedTensor {
  std::string name;
  const Tensor *tensor;
};

// Plain data; copying it copies no elements.
struct Shareable {
  Map headers;
  std::string kind;  // the DXO's data kind, "" without a DXO
  Map body;
  Map meta;
};

// All tensors of the body, depth first in the order of the sender; those inside nested maps are named by their
// keys joined with '/', those inside lists have no name and are left out. Bytes of the body count as tensors of dtype
// FLARE_OPAQUE only in the C API's view. The pointers are good until the shareable changes.
std::vector<NamedTensor> tensors_of(const Shareable &shareable);

// Where a kind puts its metrics: METRICS in the body, others under initial_metrics of the meta.
std::optional<double> metric_of(const Shareable &shareable, std::string_view name);

// AG-11: headers win over stale meta for the rounds, and both are then in the meta.
void adopt_rounds(Shareable &task);
std::optional<int64_t> current_round(const Shareable &shareable);
std::optional<int64_t> total_rounds(const Shareable &shareable);

// AG-10: none, one or many; empty ones dropped. No header, or one that names nobody, gives none.
std::vector<std::string> receiver_ids(const Shareable &task);

std::string text_header(const Shareable &shareable, std::string_view name, std::string_view otherwise = "");

}  // namespace flare
