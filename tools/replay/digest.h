// The canonical text of a tracker's whole state, and its digest, as the trace format defines them.
#pragma once

#include <string>
#include <vector>

#include "transfer/result_upload_tracker.h"
#include "transfer/transfer_progress_tracker.h"

namespace flare::replay {

std::string canonical(const std::vector<const TransferRecord *> &records);
std::string canonical(const TransferProgressTracker &tracker);
std::string canonical(const ResultUploadTracker &tracker);
// FNV-1a, 64 bits, as 16 hexadecimal digits.
std::string digest(const std::string &canonical_text);

}  // namespace flare::replay
