// A progress event of a result's upload as the owner of the transfer reports it (AG-42).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/value.h"
#include "transfer/transfer_record.h"

namespace flare {

struct UploadProgress {
  std::optional<std::string> transaction;
  std::string ref;
  std::optional<std::string> receiver;
  int64_t sequence = 0;
  int64_t bytes = 0;
  std::optional<int64_t> items;
  TransferState state = TransferState::kActive;
  std::optional<std::string> job, task;
  std::optional<double> time;  // nullopt: when it arrives
};

enum class ProgressReading { kUpload, kOtherDirection, kUnusable };

// Reads what a loosely typed sender says: numbers may be text or have a fraction, which is cut off. kUnusable: no ref,
// or a counter that is no number; worth a warning, and nothing else.
ProgressReading read_upload_progress(const Map &event, UploadProgress *progress);

}  // namespace flare
