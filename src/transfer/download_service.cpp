#include "transfer/download_service.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/failure.h"

namespace flare {

namespace {

// Limits are exceeded strictly after their time.
double just_after(double time) { return std::nextafter(time, std::numeric_limits<double>::infinity()); }

TransferState end_state(DoneStatus done) {
  if (done == DoneStatus::kFinished) return TransferState::kCompleted;
  return done == DoneStatus::kTimeout ? TransferState::kFailed : TransferState::kAborted;
}

// DS-02; what is left in `options` is what holds.
void check(DownloadService::TransactionOptions *options) {
  const auto reject = [](const std::string &what) { throw Failure(FLARE_INVALID_ARGUMENT, what); };
  std::set<std::string> seen;
  std::erase_if(options->receivers, [&](const std::string &receiver) { return !seen.insert(receiver).second; });
  const auto declared = static_cast<int64_t>(options->receivers.size());
  if (declared > 0) {
    if (options->receiver_count != 0 && options->receiver_count != declared) {
      reject("receiver_count is " + std::to_string(options->receiver_count) + ", but there are " +
             std::to_string(declared) + " receivers");
    }
    options->receiver_count = declared;
  }
  if (options->min_receivers) {
    if (*options->min_receivers <= 0) reject("min_receivers must be greater than 0");
    if (options->receiver_count > 0 && *options->min_receivers > options->receiver_count) {
      reject("min_receivers is greater than the number of receivers");
    }
  }
  checked_seconds(options->timeout, "timeout");
  if (options->acquire_timeout) checked_seconds(*options->acquire_timeout, "receiver_acquire_timeout");
  if (options->idle_timeout) checked_seconds(*options->idle_timeout, "receiver_idle_timeout");
  if (!std::isfinite(options->progress_interval) || options->progress_interval < 0) {
    reject("progress_interval must be finite and not negative");
  }
}

}  // namespace

// ---- Transactions and their objects ----------------------------------------------------------------------------

void DownloadService::new_transaction(const TransactionOptions &given, double now) {
  TransactionOptions options = given;
  check(&options);
  const std::string id = options.id;
  drop_expired_receipt(id, now);
  if (owners_.contains(id) || settling_.contains(id) || receipts_.contains(id)) {
    throw Failure(FLARE_INVALID_STATE, "a transfer with the id '" + id + "' is under way already, or was not long ago");
  }
  if (live_.size() >= limits_.max_transactions) {
    throw Failure(FLARE_TOO_LARGE, std::to_string(live_.size()) + " transfers are under way already");
  }
  auto transaction = std::make_shared<Transaction>();
  for (const std::string &receiver : options.receivers) transaction->receivers[receiver].declared = true;
  transaction->options = std::move(options);
  transaction->last_active = now;
  live_[id] = transaction;
  owners_.insert(id);
  order_.push_back(std::move(transaction));
}

DownloadService::Object DownloadService::add_object(const std::string &id, const std::string &name, double now) {
  const auto found = live_.find(id);
  if (found == live_.end()) throw Failure(FLARE_INVALID_ARGUMENT, "there is no transfer with the id '" + id + "'");
  if (const auto older = refs_.find(name); older != refs_.end()) older->second.ref->replaced = true;
  Ref &ref = found->second->refs.emplace_back();
  ref.object = {id, name, ++last_object_};
  ref.created = now;
  refs_[name] = {found->second, &ref};
  tombstones_.erase(name);
  return ref.object;
}

DownloadService::Receiver *DownloadService::Ref::receiver(const std::string &name) {
  const auto [position, is_new] = index.emplace(name, receivers.size());
  if (is_new) receivers.emplace_back().name = name;
  return &receivers[position->second];
}

// ---- Requests ----------------------------------------------------------------------------------------------------

DownloadService::Pull DownloadService::pull(const std::string &name, const std::string &receiver, double now) {
  const auto found = refs_.find(name);
  if (found == refs_.end()) {
    const auto tombstone = tombstones_.find(name);
    if (tombstone != tombstones_.end() && now - tombstone->second.time > kTombstoneTtl) {
      tombstones_.erase(tombstone);
    } else if (tombstone != tombstones_.end()) {
      const auto status = tombstone->second.receivers.find(receiver);
      if (status != tombstone->second.receivers.end()) {
        const bool success = status->second == DownloadStatus::kSuccess;
        return {0, {}, {Code::kOk, success ? Served::kEof : Served::kError, {}}};
      }
    }
    ++rejected_;
    return {0, {}, {Code::kInvalidRequest, Served::kNothing, {}}};
  }
  const auto &[transaction, ref] = found->second;
  auto &receivers = transaction->receivers;
  if (receivers.size() >= limits_.max_receivers && !receivers.contains(receiver)) {
    ++rejected_;
    return {0, {}, {Code::kInvalidRequest, Served::kNothing, {}}};
  }
  transaction->last_active = now;
  receivers[receiver].last_active = now;
  progress(*transaction, ref, receiver, TransferState::kActive, now, false);
  ++transaction->in_flight;
  in_flight_[++last_ticket_] = {found->second, receiver};
  return {last_ticket_, ref->object, {}};
}

DownloadService::Reply DownloadService::served(uint64_t ticket, const Produced &produced, bool confirm_capable,
                                               double now) {
  const auto found = in_flight_.find(ticket);
  if (found == in_flight_.end()) {
    ++rejected_;
    return {Code::kInvalidRequest, Served::kNothing, {}};
  }
  const auto [entry, name] = std::move(found->second);
  in_flight_.erase(found);
  Transaction &transaction = *entry.transaction;
  Reply reply;
  using What = Produced::What;
  if (produced.what == What::kThrew) {
    progress(transaction, entry.ref, name, TransferState::kFailed, now, true);
    reply.code = Code::kProcessException;
  } else if (produced.what == What::kData) {
    progress(transaction, entry.ref, name, TransferState::kActive, now, false, produced.bytes, produced.items);
    reply.served = Served::kData;
  } else {
    const bool eof = produced.what == What::kEof;
    const DownloadStatus status = eof ? DownloadStatus::kSuccess : DownloadStatus::kFailed;
    reply.served = eof ? Served::kEof : Served::kError;
    Receiver *receiver = entry.ref->receiver(name);
    if (confirm_capable && options_.confirmations) {
      std::string nonce = options_.nonce();  // drawn in any case: traces count the drawn ones
      if (!receiver->status) {
        receiver->provisional = status;
        receiver->nonce = nonce;
        reply.nonce = std::move(nonce);
      }
    } else if (!transaction.settled) {  // else its object is released, and its outcome is known
      finalize(&transaction, entry.ref, name, status);
    }
    // What the receiver will confirm may be something else: no end of its progress before.
    const TransferState state = reply.nonce ? TransferState::kActive
                                : eof       ? TransferState::kCompleted
                                            : TransferState::kFailed;
    progress(transaction, entry.ref, name, state, now, true);
    if (!transaction.done && transaction.finished()) actions_.emplace_back(Finishable{transaction.options.id});
  }
  if (--transaction.in_flight == 0 && transaction.done) {
    if (transaction.settle_wanted && !transaction.settled) actions_.emplace_back(Settle{transaction.options.id});
    if (transaction.settled) settling_.erase(transaction.options.id);
  }
  return reply;
}

bool DownloadService::confirm(const std::string &name, const std::string &who, std::string_view status,
                              const std::optional<std::string> &nonce, double now) {
  const auto found = refs_.find(name);
  const bool success = status == name_of(DownloadStatus::kSuccess);
  if (found == refs_.end() || !(success || status == name_of(DownloadStatus::kFailed))) {
    ++rejected_;
    return false;
  }
  const Entry entry = found->second;
  const auto position = entry.ref->index.find(who);
  const Receiver *receiver = position == entry.ref->index.end() ? nullptr : &entry.ref->receivers[position->second];
  if (!receiver || receiver->status || !receiver->provisional || nonce != receiver->nonce) {
    ++rejected_;
    return false;
  }
  finalize(entry.transaction.get(), entry.ref, who, success ? DownloadStatus::kSuccess : DownloadStatus::kFailed);
  progress(*entry.transaction, entry.ref, who, success ? TransferState::kCompleted : TransferState::kFailed, now, true);
  entry.transaction->last_active = now;
  if (entry.transaction->finished()) retire(entry.transaction, DoneStatus::kFinished, now);
  return true;
}

// DS-12.
void DownloadService::progress(const Transaction &transaction, Ref *ref, const std::string &name, TransferState state,
                               double now, bool force, int64_t bytes, std::optional<int64_t> items) {
  if (!transaction.options.progress) return;
  Receiver *receiver = ref->receiver(name);
  if (receiver->over) return;
  const bool first = !std::exchange(receiver->started, true);
  receiver->bytes += std::max<int64_t>(bytes, 0);
  const bool more_items = items.value_or(0) > 0;
  if (more_items) receiver->items = receiver->items.value_or(0) + *items;
  const bool due = (bytes > 0 || more_items) && now - receiver->last_emit >= transaction.options.progress_interval;
  if (!force && !first && !due) return;
  ++receiver->sequence;
  receiver->last_emit = now;
  receiver->over = terminal(state);
  actions_.emplace_back(Progress{transaction.options.id, ref->object.ref, name, receiver->sequence, receiver->bytes,
                                 receiver->items, state, now});
}

bool DownloadService::finalize(Transaction *transaction, Ref *ref, const std::string &name, DownloadStatus status) {
  Receiver *receiver = ref->receiver(name);
  if (receiver->status) return false;
  receiver->status = status;
  receiver->provisional.reset();
  ++ref->final_receivers;
  Seen &seen = transaction->receivers[name];
  ++seen.final_refs;
  if (seen.declared) ++ref->final_declared;
  const auto &declared = transaction->options.receivers;
  const auto wanted = static_cast<size_t>(transaction->options.receiver_count);
  const bool complete =
      declared.empty() ? wanted > 0 && ref->final_receivers >= wanted : ref->final_declared == declared.size();
  const bool completes = complete && !std::exchange(ref->complete, complete);
  if (completes) ++transaction->complete_refs;
  actions_.emplace_back(DownloadedToOne{ref->object, name, status});
  if (completes) actions_.emplace_back(DownloadedToAll{ref->object});
  return true;
}

// ---- Ends --------------------------------------------------------------------------------------------------------

void DownloadService::retire_finished(const std::string &id, double now) {
  const auto found = live_.find(id);
  if (found != live_.end() && found->second->finished())
    retire(TransactionPtr(found->second), DoneStatus::kFinished, now);
}

void DownloadService::remove(const std::string &id, double now) {
  const auto found = live_.find(id);
  if (found != live_.end()) retire(TransactionPtr(found->second), DoneStatus::kDeleted, now);
}

// The first who ends a transaction wins: from here on nothing of it can be asked for.
void DownloadService::retire(const TransactionPtr &transaction, DoneStatus done, double now) {
  transaction->done = done;
  transaction->retired = now;
  live_.erase(transaction->options.id);
  std::erase(order_, transaction);
  settling_[transaction->options.id] = transaction;
  for (const Ref &ref : transaction->refs) {
    // The name and its tombstone are those of the newer object (W-31).
    if (ref.replaced && !options_.upstream_defects) continue;
    refs_.erase(ref.object.ref);
    if (done == DoneStatus::kFinished) {
      bury(ref, now);
    } else {
      tombstones_.erase(ref.object.ref);
    }
  }
  actions_.emplace_back(Settle{transaction->options.id});
}

void DownloadService::bury(const Ref &ref, double now) {
  Tombstone tombstone;
  tombstone.time = now;
  for (const Receiver &receiver : ref.receivers) {
    if (receiver.status) tombstone.receivers[receiver.name] = *receiver.status;
  }
  tombstones_[ref.object.ref] = std::move(tombstone);
  tombstone_order_.emplace_back(now, ref.object.ref);
  if (tombstone_order_.size() > limits_.max_tombstones) drop_oldest_tombstone();
}

void DownloadService::settle(const std::string &id, double now) {
  const auto found = settling_.find(id);
  if (found == settling_.end() || found->second->settled) return;
  const TransactionPtr transaction = found->second;
  transaction->settle_wanted = true;
  if (transaction->in_flight > 0 && now - transaction->retired < kDrainTimeout) return;
  transaction->settled = true;

  const DoneStatus done = *transaction->done;
  TransferOutcome outcome;
  outcome.transaction = id;
  outcome.done = done;
  outcome.receiver_count = transaction->options.receiver_count;
  outcome.receivers = transaction->options.receivers;
  outcome.min_receivers = transaction->options.min_receivers;
  std::vector<Object> objects;
  for (const Ref &ref : transaction->refs) {
    RefOutcome &of_ref = outcome.refs.emplace_back();
    of_ref.ref = ref.object.ref;
    for (const Receiver &receiver : ref.receivers) {
      if (receiver.status) of_ref.receivers[receiver.name] = *receiver.status;
    }
    objects.push_back(ref.object);
  }
  judge(&outcome);

  for (Ref &ref : transaction->refs) {
    for (const Receiver &receiver : ref.receivers) {
      if (receiver.started) progress(*transaction, &ref, receiver.name, end_state(done), now, true);
    }
  }
  for (const Object &object : objects) actions_.emplace_back(ObjectDone{object, done});
  actions_.emplace_back(TransactionDone{id, done, objects});
  actions_.emplace_back(OutcomeKnown{outcome});
  for (const Object &object : objects) actions_.emplace_back(Release{object});
  record(std::move(outcome), now);
  if (transaction->in_flight == 0) settling_.erase(id);
}

void DownloadService::record(TransferOutcome outcome, double now) {
  const std::string id = outcome.transaction;
  if (owners_.erase(id) == 0) return;  // a shutdown came between
  outcome.time = now;
  if (const auto waiting = waiters_.find(id); waiting != waiters_.end()) {
    for (const auto &waiter : waiting->second) *waiter = {true, outcome};
    waiters_.erase(waiting);
  }
  receipts_[id] = std::move(outcome);
  receipt_order_.emplace_back(now, id);
  if (receipt_order_.size() > limits_.max_outcomes) drop_oldest_receipt();
}

void DownloadService::shutdown(double now) {
  const auto all = order_;
  for (const TransactionPtr &transaction : all) retire(transaction, DoneStatus::kDeleted, now);
  tombstones_.clear();
  tombstone_order_.clear();
  receipts_.clear();
  receipt_order_.clear();
  owners_.clear();
  for (const auto &[id, waiting] : waiters_) {
    for (const auto &waiter : waiting) waiter->done = true;
  }
  waiters_.clear();
}

// ---- Time --------------------------------------------------------------------------------------------------------

void DownloadService::on_monitor(double now) {
  for (const TransactionPtr &transaction : order_) enforce_budgets(transaction.get(), now);
  std::vector<TransactionPtr> expired, finished;
  for (const TransactionPtr &transaction : order_) {
    if (transaction->finished()) {
      finished.push_back(transaction);
    } else if (now - transaction->last_active > transaction->options.timeout) {
      expired.push_back(transaction);
    }
  }
  for (const auto &transaction : expired) retire(transaction, DoneStatus::kTimeout, now);
  for (const auto &transaction : finished) retire(transaction, DoneStatus::kFinished, now);
  for (const auto &[id, transaction] : settling_) {
    const bool waited = transaction->settle_wanted && !transaction->settled;
    if (waited && now - transaction->retired >= kDrainTimeout) actions_.emplace_back(Settle{id});
  }
  expire(now);
}

// DS-14. Refs are looked at only when a receiver is late.
void DownloadService::enforce_budgets(Transaction *transaction, double now) {
  const auto &options = transaction->options;
  std::vector<std::string> idle, absent;
  for (const auto &[name, seen] : transaction->receivers) {
    if (seen.final_refs == transaction->refs.size()) continue;
    if (seen.last_active) {
      if (options.idle_timeout && now - *seen.last_active > *options.idle_timeout) idle.push_back(name);
    } else if (options.acquire_timeout) {
      absent.push_back(name);
    }
  }
  const auto fail = [&](Ref *ref, const std::string &name) {
    if (!finalize(transaction, ref, name, DownloadStatus::kFailed)) return;
    progress(*transaction, ref, name, TransferState::kFailed, now, true);
  };
  for (Ref &ref : transaction->refs) {
    if (idle.empty() && (absent.empty() || now - ref.created <= *options.acquire_timeout)) break;  // in order of time
    for (const std::string &name : idle) fail(&ref, name);
    if (absent.empty() || now - ref.created <= *options.acquire_timeout) continue;
    for (const std::string &name : absent) fail(&ref, name);
  }
}

std::optional<double> DownloadService::deadline() const {
  std::optional<double> deadline;
  const auto sooner = [&](double time) { deadline = std::min(deadline.value_or(time), time); };
  for (const TransactionPtr &transaction : order_) {
    const auto &options = transaction->options;
    sooner(just_after(transaction->last_active + options.timeout));
    for (const auto &[name, seen] : transaction->receivers) {
      if (seen.final_refs == transaction->refs.size()) continue;
      if (seen.last_active && options.idle_timeout) sooner(just_after(*seen.last_active + *options.idle_timeout));
      // The first ref that the receiver has not failed on yet is not known here: the next one to run out is asked.
      if (seen.last_active || !options.acquire_timeout) continue;
      sooner(just_after(transaction->refs[seen.final_refs].created + *options.acquire_timeout));
    }
  }
  for (const auto &[id, transaction] : settling_) {
    if (transaction->settle_wanted && !transaction->settled) sooner(transaction->retired + kDrainTimeout);
  }
  if (!receipt_order_.empty()) sooner(just_after(receipt_order_.front().first + kReceiptTtl));
  if (!tombstone_order_.empty()) sooner(just_after(tombstone_order_.front().first + kTombstoneTtl));
  return deadline;
}

// Only here, as upstream does: until then who asks for something too old learns that it was there.
void DownloadService::expire(double now) {
  while (!receipt_order_.empty() && now - receipt_order_.front().first > kReceiptTtl) drop_oldest_receipt();
  while (!tombstone_order_.empty() && now - tombstone_order_.front().first > kTombstoneTtl) drop_oldest_tombstone();
}

// Both lists are in the order of time, and may name what is gone already or came again later.
void DownloadService::drop_oldest_receipt() {
  const auto [time, id] = std::move(receipt_order_.front());
  receipt_order_.pop_front();
  const auto receipt = receipts_.find(id);
  if (receipt != receipts_.end() && receipt->second.time == time) receipts_.erase(receipt);
}

void DownloadService::drop_oldest_tombstone() {
  const auto [time, ref] = std::move(tombstone_order_.front());
  tombstone_order_.pop_front();
  const auto tombstone = tombstones_.find(ref);
  if (tombstone != tombstones_.end() && tombstone->second.time == time) tombstones_.erase(tombstone);
}

void DownloadService::drop_expired_receipt(const std::string &id, double now) {
  const auto receipt = receipts_.find(id);
  if (receipt != receipts_.end() && now - receipt->second.time > kReceiptTtl) receipts_.erase(receipt);
}

// ---- Questions ---------------------------------------------------------------------------------------------------

std::optional<TransferOutcome> DownloadService::outcome(const std::string &transaction, double now) {
  drop_expired_receipt(transaction, now);
  const auto found = receipts_.find(transaction);
  return found == receipts_.end() ? std::nullopt : std::optional(found->second);
}

std::shared_ptr<const DownloadService::Waiter> DownloadService::waiter(const std::string &transaction) {
  auto waiter = std::make_shared<Waiter>();
  if (const auto receipt = receipts_.find(transaction); receipt != receipts_.end()) {
    *waiter = {true, receipt->second};
  } else if (!owners_.contains(transaction)) {
    waiter->done = true;
  } else {
    waiters_[transaction].push_back(waiter);
  }
  return waiter;
}

std::vector<std::string> DownloadService::acquired_receivers(const std::string &transaction) const {
  std::vector<std::string> receivers;
  const auto found = live_.find(transaction);
  if (found == live_.end()) return receivers;
  for (const auto &[name, seen] : found->second->receivers) {
    if (seen.last_active) receivers.push_back(name);
  }
  return receivers;
}

DownloadService::Sizes DownloadService::sizes() const {
  return {live_.size(), refs_.size(), tombstones_.size(), receipts_.size(), owners_.size(), settling_.size()};
}

std::vector<DownloadService::Action> DownloadService::take_actions() { return std::exchange(actions_, {}); }

}  // namespace flare
