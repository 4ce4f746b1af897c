#include "transfer/chunk_service.h"

#include <algorithm>
#include <utility>

#include "base/failure.h"

namespace flare {

void ChunkService::add(const std::string &transaction, std::vector<Bytes> objects, std::vector<std::string> receivers) {
  if (transactions_.contains(transaction)) {
    throw Failure(FLARE_INVALID_STATE, "a transfer with the id '" + transaction + "' is under way already");
  }
  if (transactions_.size() >= limits_.max_transactions) {
    throw Failure(FLARE_TOO_LARGE, std::to_string(transactions_.size()) + " transfers are under way already");
  }
  Transaction added;
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

std::optional<Bytes> ChunkService::serve(const ChunkRequest &request, const std::string &receiver,
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
  if (note(transaction, &who->second, request)) tell(request.transaction, receiver, &who->second, "");
  return Bytes{object.owner, object.data + request.offset, request.length};
}

bool ChunkService::report(const std::string &transaction, const std::string &receiver, int64_t bytes, int64_t items) {
  const auto found = transactions_.find(transaction);
  if (found == transactions_.end()) return false;
  const auto who = found->second.receivers.find(receiver);
  if (who == found->second.receivers.end() || who->second.state != TransferState::kActive) return false;
  Receiver &known = who->second;
  if (bytes < known.bytes || bytes > found->second.bytes_per_receiver) return false;
  if (items < known.items || items > static_cast<int64_t>(found->second.objects.size())) return false;
  known.bytes = bytes;
  known.items = items;
  tell(transaction, receiver, &known, "");
  return true;
}

bool ChunkService::confirm(const std::string &transaction, const std::string &receiver, bool success,
                           const std::string &reason) {
  const auto found = transactions_.find(transaction);
  if (found == transactions_.end()) return outcomes_.contains(transaction);
  Transaction &live = found->second;
  const auto who = live.receivers.find(receiver);
  if (who == live.receivers.end()) return false;
  if (who->second.state != TransferState::kActive) return true;
  who->second.state = success ? TransferState::kCompleted : TransferState::kFailed;
  if (success) {
    who->second.bytes = live.bytes_per_receiver;
    who->second.items = static_cast<int64_t>(live.objects.size());
  } else if (live.failure.empty()) {
    live.failure =
        (receiver.empty() ? "the receiver" : "receiver '" + receiver + "'") + " gave the transfer up: " + reason;
  }
  tell(transaction, receiver, &who->second, reason);
  const bool waiting = std::any_of(live.receivers.begin(), live.receivers.end(),
                                   [](const auto &entry) { return entry.second.state == TransferState::kActive; });
  if (!waiting) settle(found, live.failure.empty() ? FLARE_OK : FLARE_ABORTED, std::string(live.failure));
  return true;
}

void ChunkService::tell(const std::string &transaction, const std::string &name, Receiver *receiver,
                        const std::string &reason) {
  told_.push_back({transaction, name, ++receiver->events, receiver->bytes, receiver->items, receiver->state, reason});
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

std::vector<TransferEvent> ChunkService::take_progress() { return std::exchange(told_, {}); }

std::vector<ChunkService::Settlement> ChunkService::take_settled() { return std::exchange(settled_, {}); }

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
