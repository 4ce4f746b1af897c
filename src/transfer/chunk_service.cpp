#include "transfer/chunk_service.h"

#include <algorithm>
#include <utility>

#include "base/failure.h"
#include "transfer/progress_text.h"

namespace flare {

void ChunkService::add(const std::string &transaction, std::vector<Bytes> objects, std::vector<std::string> receivers,
                       std::optional<Duration> idle_timeout, TimePoint now) {
  if (transactions_.contains(transaction)) {
    throw Failure(FLARE_INVALID_STATE, "a transfer with the id '" + transaction + "' is under way already");
  }
  if (transactions_.size() >= limits_.max_transactions) {
    throw Failure(FLARE_TOO_LARGE, std::to_string(transactions_.size()) + " transfers are under way already");
  }
  Transaction added;
  added.idle_timeout = idle_timeout;
  added.last_progress = now;
  if (receivers.empty()) receivers.emplace_back();
  for (const Bytes &object : objects) added.bytes_per_receiver += static_cast<int64_t>(object.size);
  for (const std::string &name : receivers) {
    const auto [position, is_new] = added.receivers.try_emplace(name);
    if (!is_new) continue;
    Receiver &receiver = position->second;
    receiver.served.resize(objects.size());
    receiver.bytes_per_object.resize(objects.size());
    for (const Bytes &object : objects) receiver.items += object.size == 0;
  }
  added.objects = std::move(objects);
  transactions_.emplace(transaction, std::move(added));
}

bool ChunkService::note(const Transaction &transaction, Receiver *receiver, const ChunkRequest &request) {
  const uint64_t size = transaction.objects[request.object].size;
  std::vector<uint32_t> &served = receiver->served[request.object];
  if (served.empty()) served.resize((size + limits_.chunk_bytes - 1) / limits_.chunk_bytes);
  uint32_t &first = served[request.offset / limits_.chunk_bytes];
  // Receivers keep to the grid of chunks; what lies across it is served, but is no progress.
  if (request.offset % limits_.chunk_bytes != 0 || request.length <= first) return false;
  const uint32_t counted = request.length - first;
  first = request.length;
  uint64_t &bytes = receiver->bytes_per_object[request.object];
  bytes += counted;
  receiver->bytes += counted;
  if (bytes == size) ++receiver->items;
  return true;
}

std::optional<Bytes> ChunkService::serve(const ChunkRequest &request, const std::string &receiver, TimePoint now,
                                         std::string *refusal) {
  const auto found = transactions_.find(request.transaction);
  if (found == transactions_.end()) {
    *refusal = "the transfer is over, or never was";
    return std::nullopt;
  }
  Transaction &transaction = found->second;
  const auto who = transaction.receivers.find(receiver);
  if (who == transaction.receivers.end()) {
    *refusal = "'" + receiver + "' is not one of its receivers";
    return std::nullopt;
  }
  if (request.object >= transaction.objects.size()) {
    *refusal = "there is no object " + std::to_string(request.object);
    return std::nullopt;
  }
  const Bytes &object = transaction.objects[request.object];
  if (request.length == 0 || request.length > limits_.chunk_bytes || request.offset >= object.size ||
      request.length > object.size - request.offset) {
    *refusal = "bytes " + std::to_string(request.offset) + " + " + std::to_string(request.length) +
               " are not in object " + std::to_string(request.object) + " of " + std::to_string(object.size) + " bytes";
    return std::nullopt;
  }
  if (note(transaction, &who->second, request)) transaction.last_progress = now;
  return Bytes{object.owner, object.data + request.offset, request.length};
}

bool ChunkService::confirm(const std::string &transaction, const std::string &receiver, bool success,
                           const std::string &reason, TimePoint now) {
  const auto found = transactions_.find(transaction);
  if (found == transactions_.end()) return outcomes_.contains(transaction);
  const auto who = found->second.receivers.find(receiver);
  if (who == found->second.receivers.end()) return false;
  if (who->second.confirmed) return true;
  if (!success) {
    settle(found, FLARE_ABORTED, "the receiver gave transfer " + transaction + " up: " + reason);
    return true;
  }
  found->second.last_progress = now;
  who->second.confirmed = true;
  for (const auto &[name, other] : found->second.receivers) {
    if (!other.confirmed) return true;
  }
  settle(found, FLARE_OK, "");
  return true;
}

void ChunkService::cancel(const std::string &transaction, flare_status status, const std::string &reason) {
  const auto found = transactions_.find(transaction);
  if (found != transactions_.end()) settle(found, status, reason);
}

void ChunkService::cancel_all(flare_status status, const std::string &reason) {
  while (!transactions_.empty()) settle(transactions_.begin(), status, reason);
}

void ChunkService::settle(Position position, flare_status status, const std::string &reason) {
  const bool first_use = outcomes_.insert_or_assign(position->first, progress_of(position->second)).second;
  if (first_use) outcome_order_.push_back(position->first);
  if (outcome_order_.size() > limits_.max_outcomes) {
    outcomes_.erase(outcome_order_.front());
    outcome_order_.pop_front();
  }
  settled_.push_back({position->first, status, reason});
  transactions_.erase(position);
}

void ChunkService::on_time(TimePoint now) {
  for (auto position = transactions_.begin(); position != transactions_.end();) {
    const auto current = position++;
    const Transaction &transaction = current->second;
    if (!transaction.idle_timeout || now - transaction.last_progress < *transaction.idle_timeout) continue;
    const TransferProgress progress = progress_of(transaction);
    settle(current, FLARE_STALLED,
           "result_upload transfer " + current->first + " stalled: " + missing(transaction) +
               " asked for nothing new for " + duration_text(*transaction.idle_timeout) + "; " +
               bytes_text(progress.bytes_done, progress.bytes_total) + " were fetched (option streaming_idle_timeout)");
  }
}

std::optional<TimePoint> ChunkService::deadline() const {
  std::optional<TimePoint> deadline;
  for (const auto &[id, transaction] : transactions_) {
    if (transaction.idle_timeout) deadline = earlier(deadline, transaction.last_progress + *transaction.idle_timeout);
  }
  return deadline;
}

std::vector<ChunkService::Settlement> ChunkService::take_settled() { return std::exchange(settled_, {}); }

// The receivers that have not said yet that they have everything.
std::string ChunkService::missing(const Transaction &transaction) {
  std::string names;
  size_t count = 0;
  for (const auto &[name, receiver] : transaction.receivers) {
    if (receiver.confirmed) continue;
    if (name.empty()) return "the peer";
    if (count++ > 0) names += ", ";
    names += "'" + name + "'";
  }
  return (count == 1 ? "receiver " : "receivers ") + names;
}

TransferProgress ChunkService::progress_of(const Transaction &transaction) {
  const auto receivers = static_cast<int64_t>(transaction.receivers.size());
  TransferProgress progress;
  progress.bytes_total = transaction.bytes_per_receiver * receivers;
  progress.items_total = static_cast<int64_t>(transaction.objects.size()) * receivers;
  for (const auto &[name, receiver] : transaction.receivers) {
    progress.bytes_done += receiver.bytes;
    progress.items_done += receiver.items;
  }
  return progress;
}

std::optional<TransferProgress> ChunkService::progress(const std::string &transaction) const {
  if (const auto live = transactions_.find(transaction); live != transactions_.end()) return progress_of(live->second);
  if (const auto over = outcomes_.find(transaction); over != outcomes_.end()) return over->second;
  return std::nullopt;
}

}  // namespace flare
