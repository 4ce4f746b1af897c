// How a download transaction ended, in sum and per object and receiver (DS-16, DS-17).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transfer/transfer_record.h"

namespace flare {

enum class DownloadStatus { kSuccess, kFailed };          // of one receiver on one ref
enum class DoneStatus { kFinished, kTimeout, kDeleted };  // what ended the transaction; says nothing of success
std::string_view name_of(DownloadStatus status);
std::string_view name_of(DoneStatus status);

struct RefOutcome {
  std::string ref;
  std::map<std::string, DownloadStatus> receivers;
};

struct TransferOutcome {
  std::string transaction;
  TransferState state = TransferState::kFailed;
  std::string_view reason;
  DoneStatus done = DoneStatus::kFinished;
  int64_t receiver_count = 0;          // 0: unknown
  std::vector<std::string> receivers;  // declared ones
  std::optional<int64_t> min_receivers;
  std::vector<RefOutcome> refs;
  double time = 0;  // when it was recorded

  bool quorum_met() const;
};

// Fills in state and reason: what the receivers say wins over how the transaction ended.
void judge(TransferOutcome *outcome);

}  // namespace flare
