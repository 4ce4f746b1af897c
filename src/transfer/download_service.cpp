#include "transfer/download_service.h"

#include <algorithm>
#include <utility>

#include "base/failure.h"

namespace flare {

void DownloadService::add(const std::string &transaction, std::vector<Bytes> objects,
                          std::vector<std::string> receivers, std::optional<Duration> idle_timeout, TimePoint now) {
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
    Receiver &receiver = added.receivers[name];
    receiver.served.resize(objects.size());
    receiver.bytes_per_object.resize(objects.size());
    for (const Bytes &object : objects) receiver.items += object.size == 0;
  }
  added.objects = std::move(objects);
  transactions_.emplace(transaction, std::move(added));
}

bool DownloadService::note(const Transaction &transaction, Receiver *receiver, const ChunkRequest &request) {
  const uint64_t size = transaction.objects[request.object].size;
  std::vector<bool> &served = receiver->served[request.object];
  if (served.empty()) served.resize((size + limits_.chunk_bytes - 1) / limits_.chunk_bytes);
  const uint64_t index = request.offset / limits_.chunk_bytes;
  if (served[index]) return false;
  served[index] = true;
  uint64_t &bytes = receiver->bytes_per_object[request.object];
  const uint64_t counted = std::min<uint64_t>(request.length, size - bytes);
  bytes += counted;
  receiver->bytes += static_cast<int64_t>(counted);
  if (counted > 0 && bytes == size) ++receiver->items;
  return true;
}

std::optional<Bytes> DownloadService::serve(const ChunkRequest &request, const std::string &receiver, TimePoint now,
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

bool DownloadService::confirm(const std::string &transaction, const std::string &receiver, bool success,
                              const std::string &reason, TimePoint now) {
  const auto found = transactions_.find(transaction);
  if (found == transactions_.end()) return outcomes_.contains(transaction);
  const auto who = found->second.receivers.find(receiver);
  if (who == found->second.receivers.end()) return false;
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

void DownloadService::cancel(const std::string &transaction, flare_status status, const std::string &reason) {
  const auto found = transactions_.find(transaction);
  if (found != transactions_.end()) settle(found, status, reason);
}

void DownloadService::cancel_all(flare_status status, const std::string &reason) {
  while (!transactions_.empty()) settle(transactions_.begin(), status, reason);
}

void DownloadService::settle(Position position, flare_status status, const std::string &reason) {
  outcomes_[position->first] = progress_of(position->second);
  outcome_order_.push_back(position->first);
  if (outcome_order_.size() > limits_.max_outcomes) {
    outcomes_.erase(outcome_order_.front());
    outcome_order_.pop_front();
  }
  settled_.push_back({position->first, status, reason});
  transactions_.erase(position);
}

void DownloadService::on_time(TimePoint now) {
  for (auto position = transactions_.begin(); position != transactions_.end();) {
    const auto current = position++;
    const Transaction &transaction = current->second;
    if (!transaction.idle_timeout || now - transaction.last_progress < *transaction.idle_timeout) continue;
    const TransferProgress progress = progress_of(transaction);
    settle(current, FLARE_STALLED,
           "result_upload transfer " + current->first + " stalled: the receiver asked for nothing new for " +
               std::to_string(static_cast<int64_t>(to_seconds(*transaction.idle_timeout))) + " s; " +
               std::to_string(progress.bytes_done) + " of " + std::to_string(progress.bytes_total) +
               " bytes were fetched (option streaming_idle_timeout)");
  }
}

std::optional<TimePoint> DownloadService::deadline() const {
  std::optional<TimePoint> deadline;
  for (const auto &[id, transaction] : transactions_) {
    if (transaction.idle_timeout) deadline = earlier(deadline, transaction.last_progress + *transaction.idle_timeout);
  }
  return deadline;
}

std::vector<DownloadService::Settlement> DownloadService::take_settled() { return std::exchange(settled_, {}); }

TransferProgress DownloadService::progress_of(const Transaction &transaction) {
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

std::optional<TransferProgress> DownloadService::progress(const std::string &transaction) const {
  if (const auto live = transactions_.find(transaction); live != transactions_.end()) return progress_of(live->second);
  if (const auto over = outcomes_.find(transaction); over != outcomes_.end()) return over->second;
  return std::nullopt;
}

}  // namespace flare
