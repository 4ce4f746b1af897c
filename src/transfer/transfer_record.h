// What is known of one transfer: who fetches which object for which task, how far it is, and when it moved last.
//
// Times are seconds on one clock that does not matter here; the product passes monotonic time (W-05). They are doubles
// because idle_timeout and the times of events are (TRK-03, TRK-05): differences must come out the same to the bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flare {

enum class TransferDirection { kResultUpload, kTaskPayloadDownload };
enum class TransferState { kActive, kCompleted, kFailed, kAborted };

std::string_view name_of(TransferDirection direction);
std::string_view name_of(TransferState state);
// Exact names, case included (TRK-04). Anything else: Failure(FLARE_INVALID_ARGUMENT).
TransferDirection direction_of(std::string_view name);
TransferState state_of(std::string_view name);
// RUT-03: what other words for a state mean; every unknown word, and none, is active.
TransferState state_from_alias(std::optional<std::string_view> word);

inline bool terminal(TransferState state) { return state != TransferState::kActive; }

// TRK-01. The receiver belongs to the key of an upload only (TRK-02).
struct TransferKey {
  std::string_view job, task, transfer;
  TransferDirection direction = TransferDirection::kResultUpload;
  std::optional<std::string_view> receiver;
  bool operator==(const TransferKey &) const = default;
};

struct TransferRecord {
  std::string job, task, transfer;
  TransferDirection direction = TransferDirection::kResultUpload;
  std::optional<std::string> receiver;
  int64_t sequence = 0;
  int64_t bytes = 0;
  std::optional<int64_t> items;
  double started = 0;
  double last_progress = 0;
  TransferState state = TransferState::kActive;
  std::optional<std::string> kind;  // of the transfer id

  TransferKey key() const { return {job, task, transfer, direction, receiver}; }
};

// A positive, finite number of seconds (TRK-03), else Failure(FLARE_INVALID_ARGUMENT) with the name.
double checked_seconds(double seconds, std::string_view name);

}  // namespace flare
