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
  for (const std::string &name : receivers) added.receivers.try_emplace(name);
  added.objects = std::move(objects);
  transactions_.emplace(transaction, std::move(added));
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
  if (who->second.events == 0) tell(request.transaction, receiver, &who->second, "");
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
  if (found == transactions_.end()) return over_.contains(transaction);
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
  if (over_.insert(position->first).second) over_order_.push_back(position->first);
  if (over_order_.size() > limits_.max_outcomes) {
    over_.erase(over_order_.front());
    over_order_.pop_front();
  }
  settled_.push_back({position->first, status, reason});
  transactions_.erase(position);
}

std::vector<TransferEvent> ChunkService::take_progress() { return std::exchange(told_, {}); }

std::vector<ChunkService::Settlement> ChunkService::take_settled() { return std::exchange(settled_, {}); }

}  // namespace flare
