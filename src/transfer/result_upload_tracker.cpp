#include "transfer/result_upload_tracker.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/failure.h"

namespace flare {

namespace {

size_t mix(size_t sum, std::string_view part) {
  return sum * 0x9E3779B97F4A7C15u + std::hash<std::string_view>{}(part);
}

// The library's own status words are compared whatever their case, as upstream does.
bool says_finished(std::optional<std::string_view> status) {
  constexpr std::string_view kFinished = "finished";
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return status && std::equal(status->begin(), status->end(), kFinished.begin(), kFinished.end(), same);
}

std::string text_or_none(std::optional<std::string_view> text) { return std::string(text.value_or("None")); }

}  // namespace

size_t ResultUploadTracker::Hash::operator()(const RouteKey &key) const {
  return mix(key.receiver ? mix(1, *key.receiver) : 0, key.ref);
}

size_t ResultUploadTracker::Hash::operator()(const PairKey &key) const {
  return mix((*this)(key.route), key.transaction);
}

void ResultUploadTracker::register_pairs(std::string_view transaction, const std::vector<Pair> &pairs, double created) {
  if (!std::isfinite(created)) throw Failure(FLARE_INVALID_ARGUMENT, "a transfer was created at no finite time");
  const std::string_view kept = *transactions_.emplace(transaction).first;
  for (const Pair &pair : pairs) {
    const uint32_t known = find({kept, {pair.ref, pair.receiver}});
    if (known != kNone) {
      Expected &expected = pairs_[known];
      expected.created = created;
      if (!expected.record) link(known, created);
      continue;
    }
    const auto index = static_cast<uint32_t>(pairs_.size());
    const Expected &added = pairs_.emplace_back(Expected{kept, pair.ref, pair.receiver, created, nullptr});
    const PairKey key{kept, {added.ref, added.receiver}};
    pair_index_.insert(Hash()(key), index);
    routes_[key.route].push_back(index);
    watches_.emplace_back().first = index;
    watch_of_.push_back(index);
    link(index, created);
  }
}

uint32_t ResultUploadTracker::find(const PairKey &key) const {
  return pair_index_.find(Hash()(key), [&](uint32_t number) {
    const Expected &pair = pairs_[number];
    return PairKey{pair.transaction, {pair.ref, pair.receiver}} == key;
  });
}

uint32_t ResultUploadTracker::find(std::optional<std::string_view> transaction, const RouteKey &route,
                                   bool *ambiguous) const {
  if (transaction) {
    const uint32_t pair = find({*transaction, route});
    if (pair != kNone) return pair;
  }
  const auto all = routes_.find(route);
  if (all == routes_.end()) return kNone;
  if (all->second.size() == 1) return all->second.front();
  *ambiguous = true;
  return kNone;
}

ResultUploadTracker::Resolved ResultUploadTracker::resolve(std::optional<std::string_view> transaction,
                                                           std::string_view ref,
                                                           std::optional<std::string_view> receiver) const {
  Resolved resolved;
  const uint32_t pair = find(transaction, {ref, receiver}, &resolved.ambiguous);
  if (pair != kNone) resolved.transaction = pairs_[pair].transaction;
  return resolved;
}

ResultUploadTracker::Verdict ResultUploadTracker::update(const Progress &progress, double time) {
  Verdict verdict{false, "unexpected_pair", {}};
  const uint32_t pair = find(progress.transaction, {progress.ref, progress.receiver}, &verdict.resolved.ambiguous);
  if (pair == kNone) return verdict;
  const Expected &expected = pairs_[pair];
  verdict.resolved.transaction = expected.transaction;

  // RUT-06: the first accepted event of a pair says whose it is, for ever.
  const TransferKey key{progress.job.value_or(expected.transaction), progress.task.value_or(""), expected.ref,
                        TransferDirection::kResultUpload, expected.receiver};
  const TransferProgressTracker::Update update{progress.sequence, progress.bytes, progress.items, progress.state,
                                               progress.kind};
  const TransferRecord *known = expected.record ? expected.record : records_.find(key);
  const TransferState before = known ? known->state : TransferState::kActive;
  const auto inner = known ? records_.update(known, update, time) : records_.update(key, update, time);
  verdict.accepted = inner.accepted;
  verdict.reason = inner.reason;
  if (!inner.accepted) return verdict;
  if (!expected.record) bind(pair, inner.record);
  follow(watch_of_[pair], *inner.record, before);
  if (!all_succeeded()) grace_start_.reset();  // RUT-08
  return verdict;
}

// Counts the pair to the record's state as it was before the event that binds; follow() does the rest.
void ResultUploadTracker::bind(uint32_t pair, const TransferRecord *record) {
  pairs_[pair].record = record;
  bound_.push_back(pair);
  const auto [shared, is_new] = watch_of_record_.emplace(record, pair);
  if (is_new) return;
  unlink(pair);
  Watch &watch = watches_[shared->second];
  watch.first = std::min(watch.first, pair);
  ++watch.pairs;
  watch_of_[pair] = shared->second;
}

void ResultUploadTracker::follow(uint32_t watch, const TransferRecord &record, TransferState before) {
  if (!terminal(record.state)) {
    link(watch, record.last_progress);
  } else if (!terminal(before)) {
    unlink(watch);
    if (record.state == TransferState::kCompleted) {
      completed_ += watches_[watch].pairs;
    } else {
      first_failed_ = std::min(first_failed_, watches_[watch].first);
    }
  }
}

ResultUploadTracker::Decision ResultUploadTracker::decide(bool fired, std::optional<std::string_view> status,
                                                          double now) {
  if (fired) {
    if (says_finished(status)) return {true, true, "download_complete_cb", Cause::kOwnerFinished};
    if (all_succeeded()) return {true, true, "all_completed", Cause::kAllCompleted};
    return {true, false, "download transaction ended with status=" + text_or_none(status), Cause::kOwnerEnded};
  }
  if (first_failed_ != kNone) {
    const Expected &failed = pairs_[first_failed_];
    return {true, false,
            "result_upload transfer " + failed.ref + " ended with state=" + std::string(name_of(failed.record->state)),
            Cause::kTransferFailed};
  }
  if (all_succeeded()) {
    if (!grace_start_) {
      grace_start_ = now;
    } else if (now - *grace_start_ >= kCompletionGrace) {
      return {true, true, "all_completed", Cause::kAllCompleted};
    }
    return {false, false, std::string(kInGrace), Cause::kNone};
  }
  const uint32_t stalled = first_stalled(now);
  if (stalled == kNone) return {};
  const Expected &pair = pairs_[stalled];
  if (pair.record) return {true, false, "result_upload transfer " + pair.ref + " stalled", Cause::kStalled};
  return {true, false,
          "result_upload transfer " + pair.ref + " receiver=" + text_or_none(pair.receiver) + " did not start",
          Cause::kDidNotStart};
}

bool ResultUploadTracker::mark_abandoned(double time) {
  if (all_succeeded()) return true;
  for (uint32_t pair = 0; pair < pairs_.size(); ++pair) {
    const Expected &expected = pairs_[pair];
    if (expected.record && terminal(expected.record->state)) continue;
    const TransferKey own{expected.transaction, "", expected.ref, TransferDirection::kResultUpload, expected.receiver};
    const TransferRecord *known = expected.record ? expected.record : records_.find(own);
    const TransferState before = known ? known->state : TransferState::kActive;
    const auto inner = records_.mark_terminal(known ? known->key() : own, TransferState::kAborted, {}, time);
    if (!expected.record) {
      bind(pair, inner.record);
      // A record that was over already: others of its pairs were counted when it ended.
      if (before == TransferState::kCompleted) ++completed_;
      if (terminal(before) && before != TransferState::kCompleted) first_failed_ = std::min(first_failed_, pair);
    }
    follow(watch_of_[pair], *inner.record, before);
  }
  return false;
}

std::optional<double> ResultUploadTracker::grace_remaining(double now) const {
  if (!grace_start_) return std::nullopt;
  return std::max(0.0, kCompletionGrace - (now - *grace_start_));
}

std::optional<double> ResultUploadTracker::deadline() const {
  if (all_succeeded()) return grace_start_ ? std::optional(*grace_start_ + kCompletionGrace) : std::nullopt;
  if (oldest_ == kNone) return std::nullopt;
  return watches_[oldest_].since + records_.idle_timeout();
}

std::vector<const ResultUploadTracker::Expected *> ResultUploadTracker::bound() const {
  std::vector<const Expected *> result;
  result.reserve(bound_.size());
  for (const uint32_t pair : bound_) result.push_back(&pairs_[pair]);
  return result;
}

void ResultUploadTracker::link(uint32_t index, double since) {
  Watch &watch = watches_[index];
  if (watch.linked && watch.since == since) return;
  unlink(index);
  watch.since = since;
  watch.linked = true;
  watch.before = newest_;
  watch.after = kNone;
  while (watch.before != kNone && watches_[watch.before].since > since) {
    watch.after = watch.before;
    watch.before = watches_[watch.before].before;
  }
  (watch.before == kNone ? oldest_ : watches_[watch.before].after) = index;
  (watch.after == kNone ? newest_ : watches_[watch.after].before) = index;
}

void ResultUploadTracker::unlink(uint32_t index) {
  Watch &watch = watches_[index];
  if (!watch.linked) return;
  watch.linked = false;
  (watch.before == kNone ? oldest_ : watches_[watch.before].after) = watch.after;
  (watch.after == kNone ? newest_ : watches_[watch.after].before) = watch.before;
}

uint32_t ResultUploadTracker::first_stalled(double now) const {
  uint32_t first = kNone;
  for (uint32_t index = oldest_; index != kNone; index = watches_[index].after) {
    if (now - watches_[index].since < records_.idle_timeout()) break;
    first = std::min(first, watches_[index].first);
  }
  return first;
}

}  // namespace flare
