#include "agent/upload_progress.h"

#include <cmath>
#include <string_view>

#include "base/text.h"

namespace flare {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<int64_t> lenient_integer(const Value &value) {
  constexpr double kBeyond = 9223372036854775808.0;  // 2^63
  if (const auto whole = value.integer()) return whole;
  if (const auto number = value.number()) {
    if (!std::isfinite(*number) || std::abs(*number) >= kBeyond) return std::nullopt;
    return static_cast<int64_t>(*number);
  }
  if (const std::string *text = value.text()) return parse_int(trimmed(*text));
  return std::nullopt;
}

bool is_null(const Value *value) { return !value || value->type() == FLARE_VALUE_NONE; }

std::optional<std::string> text_of(const Map &event, std::string_view name) {
  const Value *value = event.find(name);
  if (is_null(value)) return std::nullopt;
  if (const std::string *text = value->text()) return *text;
  if (const auto number = value->integer()) return std::to_string(*number);
  return std::nullopt;
}

// False: there is something, but no number.
bool read_counter(const Map &event, std::string_view name, int64_t *counter) {
  const Value *value = event.find(name);
  if (!value) return true;
  const auto number = lenient_integer(*value);
  if (number) *counter = *number;
  return number.has_value();
}

}  // namespace

ProgressReading read_upload_progress(const Map &event, UploadProgress *progress) {
  if (text_of(event, "direction") != name_of(TransferDirection::kResultUpload)) return ProgressReading::kOtherDirection;
  std::string ref = text_of(event, "transfer_id").value_or("");
  if (ref.empty()) ref = text_of(event, "ref_id").value_or("");
  if (ref.empty()) return ProgressReading::kUnusable;
  progress->ref = std::move(ref);
  if (!read_counter(event, "sequence", &progress->sequence)) return ProgressReading::kUnusable;
  if (!read_counter(event, "bytes_done", &progress->bytes)) return ProgressReading::kUnusable;
  if (const Value *items = event.find("items_done"); !is_null(items)) {
    progress->items = lenient_integer(*items);
    if (!progress->items) return ProgressReading::kUnusable;
  }
  progress->transaction = text_of(event, "tx_id");
  progress->receiver = text_of(event, "receiver_id");
  progress->state = state_from_alias(text_of(event, "state"));
  progress->job = text_of(event, "job_id");
  progress->task = text_of(event, "task_id");
  if (const Value *time = event.find("timestamp")) progress->time = time->number();
  return ProgressReading::kUpload;
}

}  // namespace flare
