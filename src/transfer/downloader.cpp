#include "transfer/downloader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/checksum.h"
#include "base/copy.h"
#include "base/failure.h"
#include "base/text.h"

namespace flare {

namespace {

constexpr Duration kReportInterval = std::chrono::milliseconds(100);
constexpr int kMaxBackoff = 16;                               // times retry_after, for an owner that is silent
constexpr Duration kMostPatience = std::chrono::minutes(10);  // after a pause of a day nothing is missed for two

// A smaller model is read while it is still in the caches.
constexpr size_t kLarge = size_t{256} << 10;

void store(std::byte *to, const std::byte *from, size_t size) {
  if (size < kLarge) {
    std::memcpy(to, from, size);
  } else {
    copy_past_caches(to, from, size);
  }
}

uint64_t checked_total(const std::vector<uint64_t> &sizes, const Limits &limits) {
  uint64_t total = 0;
  // Small tensors share an object of up to a chunk, however small the limit of each is.
  const uint64_t largest = std::max<uint64_t>(limits.max_tensor_bytes, limits.chunk_bytes);
  for (const uint64_t size : sizes) {
    if (size > largest) {
      throw Failure(FLARE_TOO_LARGE, "an object of " + std::to_string(size) + " bytes is beyond max_tensor_bytes = " +
                                         std::to_string(limits.max_tensor_bytes));
    }
    if (size > limits.max_message_bytes - total) {
      throw Failure(FLARE_TOO_LARGE,
                    "the tensors are beyond max_message_bytes = " + std::to_string(limits.max_message_bytes));
    }
    total += size;
  }
  return total;
}

}  // namespace

Downloader::Downloader(std::string transaction, std::vector<uint64_t> sizes, std::optional<Duration> idle_timeout,
                       Duration retry_after, const Limits &limits, TimePoint now, BlockPool *pool)
    : transaction_(std::move(transaction)),
      idle_timeout_(idle_timeout),
      retry_after_(retry_after),
      patience_(retry_after),
      limits_(limits),
      last_progress_(now),
      last_heard_(now),
      bytes_total_(checked_total(sizes, limits)) {
  if (sizes.size() > limits.max_tensors) throw Failure(FLARE_TOO_LARGE, "too many objects in one transfer");
  blocks_.reserve(sizes.size());
  for (const uint64_t size : sizes) blocks_.push_back(pool ? pool->take(size) : Block(size));
  received_.resize(sizes.size());
  items_done_ = static_cast<size_t>(std::count(sizes.begin(), sizes.end(), uint64_t{0}));
  skip_to_next();
  if (bytes_total_ == 0) state_ = State::kComplete;
}

// Moves next_ to the first byte of an object that has any.
void Downloader::skip_to_next() {
  while (next_.first < blocks_.size() && next_.second >= blocks_[next_.first].size()) next_ = {next_.first + 1, 0};
}

std::vector<ChunkRequest> Downloader::take_requests(TimePoint now) {
  std::vector<ChunkRequest> requests;
  if (state_ != State::kRunning || !connected_) return requests;
  if (outstanding_.empty()) retry_at_ = now + patience_;
  while (outstanding_.size() < limits_.chunk_window) {
    Position position = next_;
    int corrupt = 0;
    if (!again_.empty()) {
      std::tie(position, corrupt) = again_.front();
      again_.pop_front();
    } else if (next_.first < blocks_.size()) {
      next_.second += limits_.chunk_bytes;
      skip_to_next();
    } else {
      break;
    }
    const auto &[object, offset] = position;
    const auto length = static_cast<uint32_t>(std::min<uint64_t>(blocks_[object].size() - offset, limits_.chunk_bytes));
    outstanding_[position] = {length, corrupt};
    requests.push_back({transaction_, object, offset, length});
  }
  return requests;
}

// What is not reported at once is reported with the chunk after it, or by the word that all is here.
std::optional<TransferProgress> Downloader::take_report(TimePoint now) {
  if (state_ != State::kRunning || bytes_done_ == bytes_reported_ || now - reported_at_ < kReportInterval) {
    return std::nullopt;
  }
  bytes_reported_ = bytes_done_;
  reported_at_ = now;
  return progress();
}

Downloader::Verdict Downloader::on_chunk(uint32_t object, uint64_t offset, const void *data, size_t size, uint64_t sum,
                                         TimePoint now) {
  if (state_ != State::kRunning) return Verdict::kRepeated;
  patience_ = std::max(retry_after_, std::min(2 * (now - last_heard_), kMostPatience));
  last_heard_ = now;
  retry_at_ = now + patience_;
  const auto found = outstanding_.find({object, offset});
  if (found == outstanding_.end()) {
    const bool known = object < blocks_.size() && offset < blocks_[object].size();
    return known ? Verdict::kRepeated : Verdict::kUnexpected;
  }
  const Outstanding asked = found->second;
  outstanding_.erase(found);
  if (size != asked.length || checksum(data, size) != sum) {
    if (asked.corrupt + 1 >= limits_.max_corrupt) {
      fail(FLARE_PROTOCOL, "object " + std::to_string(object) + " of transfer " + transaction_ + " came corrupt " +
                               std::to_string(limits_.max_corrupt) + " times at byte " + std::to_string(offset));
    } else {
      again_.emplace_back(Position{object, offset}, asked.corrupt + 1);
    }
    return Verdict::kCorrupt;
  }
  store(blocks_[object].data() + offset, static_cast<const std::byte *>(data), size);
  received_[object] += size;
  if (received_[object] == blocks_[object].size()) ++items_done_;
  bytes_done_ += size;
  last_progress_ = now;
  if (bytes_done_ == bytes_total_) state_ = State::kComplete;
  return Verdict::kStored;
}

void Downloader::fail(flare_status status, const std::string &reason) {
  if (state_ != State::kRunning) return;
  state_ = State::kFailed;
  status_ = status;
  reason_ = reason;
  outstanding_.clear();
  again_.clear();
  blocks_.clear();  // nobody wants the half of it
}

void Downloader::on_refused(flare_status status, const std::string &reason) {
  fail(status, "transfer " + transaction_ + " was given up by its owner: " + reason);
}

void Downloader::on_reconnected(TimePoint now) {
  on_disconnected();  // what was asked on the old connection is not answered on the new
  connected_ = true;
  patience_ = retry_after_;
  last_progress_ = last_heard_ = now;
}

void Downloader::on_disconnected() {
  connected_ = false;
  ask_again();
}

void Downloader::ask_again() {
  for (const auto &[position, asked] : outstanding_) again_.emplace_back(position, asked.corrupt);
  outstanding_.clear();
}

void Downloader::on_time(TimePoint now) {
  if (state_ != State::kRunning || !connected_) return;
  if (idle_timeout_ && now - last_progress_ >= *idle_timeout_) {
    fail(FLARE_STALLED, "transfer " + transaction_ + " stalled: nothing came for " + duration_text(*idle_timeout_) +
                            "; " + bytes_text(static_cast<int64_t>(bytes_done_), static_cast<int64_t>(bytes_total_)) +
                            " are here");
    return;
  }
  if (outstanding_.empty() || now < retry_at_) return;
  ask_again();
  patience_ = std::max(patience_, std::min(2 * patience_, kMaxBackoff * retry_after_));
}

std::optional<TimePoint> Downloader::deadline() const {
  std::optional<TimePoint> deadline;
  if (state_ != State::kRunning || !connected_) return deadline;
  if (idle_timeout_) deadline = last_progress_ + *idle_timeout_;
  if (!outstanding_.empty()) deadline = earlier(deadline, retry_at_);
  return deadline;
}

TransferProgress Downloader::progress() const {
  return {static_cast<int64_t>(bytes_total_), static_cast<int64_t>(bytes_done_), static_cast<int64_t>(received_.size()),
          static_cast<int64_t>(items_done_)};
}

std::vector<Bytes> Downloader::take_objects() {
  std::vector<Bytes> objects;
  objects.reserve(blocks_.size());
  for (const Block &block : blocks_) objects.push_back(block.share());
  blocks_.clear();
  return objects;
}

}  // namespace flare
