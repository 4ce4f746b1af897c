// Both ends of transfers: an owner and a receiver who may be told anything, and who talk to each other in between.
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/failure.h"
#include "frames_samples.h"
#include "fuzz_input.h"
#include "transfer/chunk_service.h"
#include "transfer/downloader.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxTransactions = 3;

Limits small_limits() {
  Limits limits;
  limits.chunk_bytes = 16;
  limits.chunk_window = 4;
  limits.max_tensor_bytes = 100;
  limits.max_message_bytes = 300;
  limits.max_tensors = 8;
  limits.max_transactions = kMaxTransactions;
  limits.max_outcomes = 4;
  return limits;
}

bool equal(const Bytes &a, const Bytes &b) { return a.text() == b.text(); }

class World {
 public:
  explicit World(FuzzInput input) : input_(input) {}

  void run() {
    while (!input_.over()) {
      now_ += input_.step();
      input_.flag() ? event_at_owner() : event_at_receiver();
      check_owner();
      check_receiver();
    }
  }

 private:
  struct Live {
    std::vector<Bytes> objects;
    std::set<std::string> receivers;
    std::map<std::string, TransferEvent> last;
  };

  std::string id() { return "transaction-" + std::to_string(input_.below(6)); }
  std::string receiver() { return input_.flag() ? "" : "receiver-" + std::to_string(input_.below(3)); }

  // ---- The owner

  void event_at_owner() {
    switch (input_.below(7)) {
      case 0: return add();
      case 1:
      case 2:
        return serve(
            {id(), static_cast<uint32_t>(input_.number()), input_.number(), static_cast<uint32_t>(input_.number())},
            receiver());
      case 3: {
        service_.report(id(), receiver(), static_cast<int64_t>(input_.number()), static_cast<int64_t>(input_.number()));
        return;
      }
      case 4: {
        const std::string transaction = id();
        const bool known = service_.confirm(transaction, receiver(), input_.flag(), "because");
        require(!known || live_.contains(transaction) || ever_.contains(transaction));
        return;
      }
      case 5: service_.cancel(id(), FLARE_ABORTED, "cancelled"); return;
      default:
        if (input_.below(8) == 0) service_.cancel_all(FLARE_STOPPED, "stopped");
    }
  }

  void add() {
    const std::string transaction = id();
    Live live;
    std::vector<std::string> receivers;
    for (size_t i = input_.below(4); i > 0; --i)
      live.objects.push_back(wire::sample_bytes(input_.byte() % 60, ++seed_));
    for (size_t i = input_.below(3); i > 0; --i) receivers.push_back(receiver());
    live.receivers.insert(receivers.begin(), receivers.end());
    if (receivers.empty()) live.receivers.insert("");
    const bool fits = !live_.contains(transaction) && live_.size() < kMaxTransactions;
    try {
      service_.add(transaction, live.objects, receivers);
    } catch (const Failure &failure) {
      require(!fits && (failure.status() == FLARE_TOO_LARGE || failure.status() == FLARE_INVALID_STATE));
      return;
    }
    require(fits);
    ever_.insert(transaction);
    live_[transaction] = std::move(live);
  }

  void serve(const ChunkRequest &request, const std::string &who) {
    std::string refusal;
    const auto bytes = service_.serve(request, who, &refusal);
    require(bytes.has_value() == refusal.empty());
    if (!bytes) return;
    const Live &live = live_.at(request.transaction);
    const Bytes &object = live.objects.at(request.object);
    require(live.receivers.contains(who));
    require(bytes->text() == object.text().substr(request.offset, request.length) && bytes->size == request.length);
  }

  void check_owner() {
    for (const TransferEvent &event : service_.take_progress()) {
      const auto found = live_.find(event.transaction);
      require(found != live_.end() && found->second.receivers.contains(event.receiver));
      TransferEvent &last = found->second.last[event.receiver];
      require(event.sequence == last.sequence + 1 && event.bytes >= last.bytes && event.items >= last.items);
      require(!terminal(last.state));
      uint64_t total = 0;
      for (const Bytes &object : found->second.objects) total += object.size;
      require(event.bytes <= static_cast<int64_t>(total));
      require(event.items <= static_cast<int64_t>(found->second.objects.size()));
      last = event;
    }
    for (const auto &settlement : service_.take_settled()) {
      const auto found = live_.find(settlement.transaction);
      require(found != live_.end());  // once
      if (settlement.status == FLARE_OK) {
        for (const std::string &name : found->second.receivers) {
          require(found->second.last[name].state == TransferState::kCompleted);
        }
      }
      live_.erase(found);
    }
    require(service_.live() == live_.size() && live_.size() <= kMaxTransactions);
  }

  // ---- The receiver

  void event_at_receiver() {
    if (!downloader_) return begin();
    switch (input_.below(10)) {
      case 0: downloader_->on_disconnected(); break;
      case 1: downloader_->on_reconnected(now_); break;
      case 2:
        if (const auto deadline = downloader_->deadline()) now_ = std::max(now_, *deadline);
        break;
      case 3:
        if (input_.below(16) == 0) downloader_->on_refused(FLARE_ABORTED, "refused");
        break;
      case 4: {
        const Bytes bytes = wire::sample_bytes(input_.byte() % 40, 99);
        const uint64_t sum = input_.flag() ? checksum(bytes.data, bytes.size) : input_.number();
        const auto verdict = downloader_->on_chunk(static_cast<uint32_t>(input_.number()), input_.number(), bytes.data,
                                                   bytes.size, sum, now_);
        if (verdict == Downloader::Verdict::kStored) tainted_ = true;  // right in form, and not ours
        break;
      }
      case 5: downloader_->take_report(now_); break;
      default: answer();
    }
    downloader_->on_time(now_);
    for (ChunkRequest &request : downloader_->take_requests(now_)) {
      require(request.object < objects_.size() && request.length > 0 && request.length <= limits_.chunk_bytes);
      const uint64_t size = objects_[request.object].size;
      require(request.offset % limits_.chunk_bytes == 0 && request.offset < size);
      require(request.length == std::min<uint64_t>(size - request.offset, limits_.chunk_bytes));
      asked_.push_back(std::move(request));
    }
    if (asked_.size() > 100) asked_.pop_front();
    // What was due is done: the next deadline lies ahead.
    const auto deadline = downloader_->deadline();
    require(!deadline || (*deadline > now_ && downloader_->state() == Downloader::State::kRunning));
  }

  void begin() {
    std::vector<uint64_t> sizes;
    uint64_t total = 0;
    bool fits = true;
    for (size_t i = input_.below(11); i > 0; --i) {
      const uint64_t size = input_.number();
      fits = fits && size <= limits_.max_tensor_bytes && size <= limits_.max_message_bytes - total;
      total += fits ? size : 0;
      sizes.push_back(size);
    }
    fits = fits && sizes.size() <= limits_.max_tensors;
    try {
      downloader_.emplace("transaction", sizes, input_.flag() ? std::optional<Duration>(600s) : std::nullopt, 4s,
                          limits_, now_);
    } catch (const Failure &failure) {
      require(!fits && failure.status() == FLARE_TOO_LARGE);
      return;
    }
    require(fits);
    for (const uint64_t size : sizes) objects_.push_back(wire::sample_bytes(size, ++seed_));
  }

  // The owner answers one of the requests: rightly, twice, damaged or late.
  void answer() {
    if (asked_.empty()) return;
    const auto position = asked_.begin() + static_cast<std::ptrdiff_t>(input_.below(asked_.size()));
    const ChunkRequest request = *position;
    const Bytes &object = objects_[request.object];
    const std::byte *data = object.data + request.offset;
    uint64_t sum = checksum(data, request.length);
    const bool damaged = input_.below(8) == 0;
    if (damaged) sum ^= 1;
    const auto before = downloader_->progress();
    const auto verdict = downloader_->on_chunk(request.object, request.offset, data, request.length, sum, now_);
    require(!damaged || verdict != Downloader::Verdict::kStored);
    const auto after = downloader_->progress();
    const bool stored = verdict == Downloader::Verdict::kStored;
    require(after.bytes_done == before.bytes_done + (stored ? static_cast<int64_t>(request.length) : 0));
    require(after.bytes_done <= after.bytes_total && after.items_done <= after.items_total);
    if (input_.flag()) asked_.erase(position);
  }

  void check_receiver() {
    if (!downloader_ || downloader_->state() == Downloader::State::kRunning) return;
    if (downloader_->state() == Downloader::State::kComplete) {
      const std::vector<Bytes> objects = downloader_->take_objects();
      require(objects.size() == objects_.size());
      if (!tainted_) require(std::equal(objects.begin(), objects.end(), objects_.begin(), equal));
    } else {
      require(downloader_->status() < 0 && !downloader_->reason().empty());
    }
    downloader_.reset();
    objects_.clear();
    asked_.clear();
    tainted_ = false;
  }

  FuzzInput input_;
  const Limits limits_ = small_limits();
  TimePoint now_ = TimePoint() + 1h;
  uint32_t seed_ = 0;

  ChunkService service_{limits_};
  std::map<std::string, Live> live_;
  std::set<std::string> ever_;

  std::optional<Downloader> downloader_;
  std::vector<Bytes> objects_;  // what it fetches
  std::deque<ChunkRequest> asked_;
  bool tainted_ = false;
};

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::World({bytes, size}).run();
  return 0;
}
