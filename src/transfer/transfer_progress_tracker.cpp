#include "transfer/transfer_progress_tracker.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/failure.h"

namespace flare {

namespace {

// TRK-02: who fetches a task is of no interest.
TransferKey normalized(TransferKey key) {
  if (key.direction != TransferDirection::kResultUpload) key.receiver.reset();
  return key;
}

void check(const TransferProgressTracker::Update &update, double time) {
  const auto reject = [](const char *what) {
    throw Failure(FLARE_INVALID_ARGUMENT, std::string("progress of a transfer: ") + what);
  };
  if (update.sequence < 0) reject("the sequence is negative");
  if (update.bytes < 0) reject("bytes_done is negative");
  if (update.items && *update.items < 0) reject("items_done is negative");
  if (!std::isfinite(time)) reject("the time is not finite");
}

// TRK-07, first hit wins; empty: accepted.
std::string_view rejection(const TransferRecord &record, const TransferProgressTracker::Update &update) {
  if (terminal(record.state)) return "terminal";
  if (update.sequence <= record.sequence) return "stale_sequence";
  if (update.bytes < record.bytes) return "bytes_regressed";
  if (update.items && record.items && *update.items < *record.items) return "items_regressed";
  return "";
}

bool matches(const TransferRecord &record, const TransferProgressTracker::Filter &filter) {
  if (filter.job && *filter.job != record.job) return false;
  if (filter.task && *filter.task != record.task) return false;
  if (filter.direction && *filter.direction != record.direction) return false;
  if (!filter.receiver) return true;
  auto receiver = *filter.receiver;
  if (filter.direction && *filter.direction != TransferDirection::kResultUpload) receiver.reset();
  return record.receiver == receiver;
}

}  // namespace

size_t TransferProgressTracker::Hash::operator()(const TransferKey &key) const {
  const std::hash<std::string_view> hash;
  size_t sum = key.receiver ? hash(*key.receiver) : static_cast<size_t>(key.direction);
  for (const std::string_view part : {key.job, key.task, key.transfer}) sum = sum * 0x9E3779B97F4A7C15u + hash(part);
  return sum;
}

TransferProgressTracker::Verdict TransferProgressTracker::update(const TransferKey &given, const Update &update,
                                                                 double time) {
  check(update, time);
  const TransferKey key = normalized(given);
  const auto found = index_.find(key);
  if (found == index_.end()) {
    TransferRecord record{std::string(key.job),
                          std::string(key.task),
                          std::string(key.transfer),
                          key.direction,
                          {},
                          update.sequence,
                          update.bytes,
                          update.items,
                          time,
                          time,
                          update.state,
                          {}};
    if (key.receiver) record.receiver = std::string(*key.receiver);
    if (update.kind) record.kind = std::string(*update.kind);
    records_.push_back(std::move(record));
    index_.insert(std::prev(records_.end()));
    return {true, true, "", &records_.back()};
  }
  return apply(&**found, update, time);
}

TransferProgressTracker::Verdict TransferProgressTracker::update(const TransferRecord *record, const Update &update,
                                                                 double time) {
  check(update, time);
  return apply(const_cast<TransferRecord *>(record), update, time);  // one of ours, which are not const
}

TransferProgressTracker::Verdict TransferProgressTracker::apply(TransferRecord *existing, const Update &update,
                                                                double time) {
  TransferRecord &record = *existing;
  if (const auto reason = rejection(record, update); !reason.empty()) return {false, false, reason, &record};
  // TRK-08: a first count of 0 items is no advance.
  const bool more_items = update.items && *update.items > record.items.value_or(0);
  const bool progressed = update.bytes > record.bytes || more_items || terminal(update.state);
  record.sequence = update.sequence;
  record.bytes = update.bytes;
  if (update.items) record.items = update.items;
  record.state = update.state;
  const bool has_kind = record.kind && !record.kind->empty();
  if (!has_kind && update.kind && !update.kind->empty()) record.kind = std::string(*update.kind);
  if (progressed) record.last_progress = std::max(record.last_progress, time);
  return {true, progressed, "", &record};
}

TransferProgressTracker::Verdict TransferProgressTracker::mark_terminal(const TransferKey &key, TransferState state,
                                                                        std::optional<int64_t> sequence, double time) {
  if (!terminal(state)) throw Failure(FLARE_INVALID_ARGUMENT, "'active' is no state in which a transfer ends");
  const TransferRecord *record = find(key);
  if (!record) return update(key, {sequence.value_or(0), 0, {}, state, {}}, time);
  // At the end of the numbers there is no next one: the update is stale then.
  const int64_t next = record->sequence + (record->sequence < std::numeric_limits<int64_t>::max());
  return update(key, {sequence.value_or(next), record->bytes, record->items, state, record->kind}, time);
}

const TransferRecord *TransferProgressTracker::find(const TransferKey &key) const {
  const auto found = index_.find(normalized(key));
  return found == index_.end() ? nullptr : &**found;
}

std::vector<const TransferRecord *> TransferProgressTracker::records(const Filter &filter) const {
  std::vector<const TransferRecord *> result;
  for (const TransferRecord &record : records_) {
    if (matches(record, filter)) result.push_back(&record);
  }
  return result;
}

std::vector<const TransferRecord *> TransferProgressTracker::stalled_records(const Filter &filter, double now) const {
  auto result = records(filter);
  std::erase_if(result, [&](const TransferRecord *record) { return !stalled(*record, now); });
  return result;
}

bool TransferProgressTracker::remove(const TransferKey &key) {
  const auto found = index_.find(normalized(key));
  if (found == index_.end()) return false;
  const Position position = *found;
  index_.erase(found);
  records_.erase(position);
  return true;
}

void TransferProgressTracker::clear() {
  index_.clear();
  records_.clear();
}

size_t TransferProgressTracker::prune(double before, bool include_active, std::optional<TransferDirection> direction) {
  size_t pruned = 0;
  for (auto position = records_.begin(); position != records_.end();) {
    const auto record = position++;
    if (direction && *direction != record->direction) continue;
    if (record->last_progress > before || !(include_active || terminal(record->state))) continue;
    index_.erase(record);
    records_.erase(record);
    ++pruned;
  }
  return pruned;
}

}  // namespace flare
