#include "transfer/transfer_outcome.h"

#include <algorithm>
#include <array>
#include <set>

namespace flare {

namespace {

bool succeeded(const RefOutcome &ref, const std::string &receiver) {
  const auto found = ref.receivers.find(receiver);
  return found != ref.receivers.end() && found->second == DownloadStatus::kSuccess;
}

bool all_succeeded(const TransferOutcome &outcome) {
  if (outcome.receiver_count <= 0 || outcome.refs.empty()) return false;
  return std::all_of(outcome.refs.begin(), outcome.refs.end(), [&](const RefOutcome &ref) {
    if (!outcome.receivers.empty()) {
      return std::all_of(outcome.receivers.begin(), outcome.receivers.end(),
                         [&](const std::string &receiver) { return succeeded(ref, receiver); });
    }
    return static_cast<int64_t>(ref.receivers.size()) >= outcome.receiver_count &&
           std::all_of(ref.receivers.begin(), ref.receivers.end(),
                       [](const auto &entry) { return entry.second == DownloadStatus::kSuccess; });
  });
}

}  // namespace

std::string_view name_of(DownloadStatus status) { return status == DownloadStatus::kSuccess ? "success" : "failed"; }

std::string_view name_of(DoneStatus status) {
  constexpr std::array<std::string_view, 3> kNames = {"finished", "timeout", "deleted"};
  return kNames[static_cast<size_t>(status)];
}

void judge(TransferOutcome *outcome) {
  if (all_succeeded(*outcome)) {
    outcome->state = TransferState::kCompleted;
    outcome->reason = "all_receivers_succeeded";
  } else if (outcome->done == DoneStatus::kDeleted) {
    outcome->state = TransferState::kAborted;
    outcome->reason = "deleted";
  } else {
    outcome->state = TransferState::kFailed;
    outcome->reason = outcome->done == DoneStatus::kTimeout ? "timeout"
                      : outcome->receiver_count <= 0        ? "unknown_receiver_count"
                      : outcome->refs.empty()               ? "no_objects"
                                                            : "receiver_failed";
  }
}

// A receiver counts when it has every object, not when others have the rest.
bool TransferOutcome::quorum_met() const {
  if (!min_receivers) return state == TransferState::kCompleted;
  if (refs.empty()) return false;
  std::set<std::string> candidates(receivers.begin(), receivers.end());
  if (receivers.empty()) {
    for (const auto &[receiver, status] : refs.front().receivers) candidates.insert(receiver);
  }
  const auto whole = std::count_if(candidates.begin(), candidates.end(), [this](const std::string &receiver) {
    return std::all_of(refs.begin(), refs.end(), [&](const RefOutcome &ref) { return succeeded(ref, receiver); });
  });
  return whole >= *min_receivers;
}

}  // namespace flare
