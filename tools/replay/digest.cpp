#include "digest.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flare::replay {

namespace {

std::string hex(uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; number >>= 4) text[i] = kDigits[number & 15];
  return text;
}

std::string encoded(int64_t number) { return "I" + std::to_string(number); }
std::string encoded(double number) { return "D" + hex(std::bit_cast<uint64_t>(number)); }
std::string encoded(std::string_view text) { return "S" + std::to_string(text.size()) + ":" + std::string(text); }
std::string encoded(const std::string &text) { return encoded(std::string_view(text)); }
template <typename T>
std::string encoded(const std::optional<T> &value) {
  return value ? encoded(*value) : "N";
}

template <typename... Values>
std::string tuple(const char *name, const Values &...values) {
  std::string text = name;
  char separator = '(';
  ((text += separator + encoded(values), separator = ','), ...);
  return text + ")";
}

}  // namespace

std::string canonical(const std::vector<const TransferRecord *> &records) {
  std::string text;
  for (const TransferRecord *record : records) {
    text += tuple("R", record->job, record->task, record->transfer, name_of(record->direction), record->receiver,
                  record->sequence, record->bytes, record->items, record->started, record->last_progress,
                  name_of(record->state), record->kind);
  }
  return text;
}

std::string canonical(const TransferProgressTracker &tracker) {
  return "T" + encoded(tracker.idle_timeout()) + canonical(tracker.records({}));
}

std::string canonical(const ResultUploadTracker &tracker) {
  std::string text = "X";
  for (const auto &pair : tracker.expected())
    text += tuple("E", pair.transaction, pair.ref, pair.receiver, pair.created);
  for (const auto *pair : tracker.bound()) {
    text += tuple("K", pair->transaction, pair->ref, pair->receiver, pair->record->job, pair->record->task);
  }
  return text + "A" + encoded(tracker.grace_start()) + canonical(tracker.records());
}

std::string digest(const std::string &canonical_text) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (const char letter : canonical_text) sum = (sum ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  return hex(sum);
}

}  // namespace flare::replay
