#include "transfer/transfer_record.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/failure.h"

namespace flare {

namespace {

constexpr std::array<std::string_view, 2> kDirections = {"result_upload", "task_payload_download"};
constexpr std::array<std::string_view, 4> kStates = {"active", "completed", "failed", "aborted"};

constexpr std::array<std::string_view, 5> kCompletedWords = {"completed", "complete", "done", "success", "finished"};
constexpr std::array<std::string_view, 7> kFailedWords = {"failed",    "fail",    "failure", "error",
                                                          "exception", "timeout", "deleted"};
constexpr std::array<std::string_view, 4> kAbortedWords = {"aborted", "abort", "cancelled", "canceled"};

template <size_t N>
bool contains(const std::array<std::string_view, N> &words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

template <typename Enum, size_t N>
Enum named(const std::array<std::string_view, N> &names, std::string_view name, const char *what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw Failure(FLARE_INVALID_ARGUMENT, "'" + std::string(name) + "' is no " + what + " of a transfer");
  }
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view name_of(TransferDirection direction) { return kDirections[static_cast<size_t>(direction)]; }
std::string_view name_of(TransferState state) { return kStates[static_cast<size_t>(state)]; }

TransferDirection direction_of(std::string_view name) {
  return named<TransferDirection>(kDirections, name, "direction");
}
TransferState state_of(std::string_view name) { return named<TransferState>(kStates, name, "state"); }

TransferState state_from_alias(std::optional<std::string_view> word) {
  std::string lower(word.value_or(""));
  for (char &letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  if (contains(kCompletedWords, lower)) return TransferState::kCompleted;
  if (contains(kFailedWords, lower)) return TransferState::kFailed;
  if (contains(kAbortedWords, lower)) return TransferState::kAborted;
  return TransferState::kActive;
}

double checked_seconds(double seconds, std::string_view name) {
  if (std::isfinite(seconds) && seconds > 0) return seconds;
  throw Failure(FLARE_INVALID_ARGUMENT,
                std::string(name) + " is " + std::to_string(seconds) + " s; it must be a finite number greater than 0");
}

}  // namespace flare
