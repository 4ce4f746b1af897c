// Decides when a result counts as delivered, failed, stalled or not started: it knows which receiver has to fetch
// which object of which transaction, and hears of their progress (RUT-01..RUT-16). Time comes in with each event.
//
// Every event and every decision costs the same whatever the number of pairs (W-27), as long as times of events do not
// go back. Not thread safe: its owner has the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "transfer/hash_index.h"
#include "transfer/transfer_progress_tracker.h"

namespace flare {

class ResultUploadTracker {
 public:
  static constexpr double kCompletionGrace = 30;

  struct Pair {
    std::string ref;
    std::optional<std::string> receiver;
  };
  struct Progress {
    std::optional<std::string_view> transaction;
    std::string_view ref;
    std::optional<std::string_view> receiver;
    int64_t sequence = 0;
    int64_t bytes = 0;
    std::optional<int64_t> items;
    TransferState state = TransferState::kActive;
    std::optional<std::string_view> job, task;
    std::optional<std::string_view> kind = "download_ref";
  };
  struct Resolved {
    std::optional<std::string_view> transaction;  // lives as long as the tracker
    bool ambiguous = false;                       // several could be meant: worth a warning
  };
  struct Verdict {
    bool accepted = false;
    std::string_view reason;
    Resolved resolved;
  };
  enum class Cause {
    kNone,            // nothing is decided yet
    kOwnerFinished,   // the owner of the transaction says that it is over, all receivers counted
    kAllCompleted,    // every pair is completed
    kOwnerEnded,      // the owner gave the transaction up, or it ran out of time
    kTransferFailed,  // a receiver failed or aborted
    kStalled,         // a receiver began and moves no more
    kDidNotStart,     // a receiver never began
  };
  struct Decision {
    bool done = false;
    bool success = false;
    std::string reason;
    Cause cause = Cause::kNone;
  };
  static constexpr std::string_view kInGrace = "completion_grace";  // the reason while all is there but the callback

  // What is expected, for whoever shows it: pairs in the order of their registration, bound ones in that of binding.
  struct Expected {
    std::string_view transaction;  // lives as long as the tracker
    std::string ref;
    std::optional<std::string> receiver;
    double created = 0;
    const TransferRecord *record = nullptr;  // once bound
  };

  explicit ResultUploadTracker(double idle_timeout) : records_(idle_timeout) {}

  // RUT-02. Throws Failure(FLARE_INVALID_ARGUMENT) for a time that is not finite.
  void register_pairs(std::string_view transaction, const std::vector<Pair> &pairs, double created);
  // RUT-05. Throws Failure(FLARE_INVALID_ARGUMENT) as TransferProgressTracker::update(), for expected pairs only.
  Verdict update(const Progress &progress, double time);
  // RUT-10. `fired`: the transaction is over at its owner, with this status.
  Decision decide(bool fired, std::optional<std::string_view> status, double now);
  // RUT-14: all that is not over is aborted. True: everything was delivered, and nothing changes.
  bool mark_abandoned(double time);

  Resolved resolve(std::optional<std::string_view> transaction, std::string_view ref,
                   std::optional<std::string_view> receiver) const;
  bool all_succeeded() const { return !pairs_.empty() && completed_ == pairs_.size(); }
  std::optional<double> grace_start() const { return grace_start_; }
  std::optional<double> grace_remaining(double now) const;
  // When decide() may say something new without any event.
  std::optional<double> deadline() const;

  const std::deque<Expected> &expected() const { return pairs_; }
  std::vector<const Expected *> bound() const;
  const TransferProgressTracker &records() const { return records_; }

 private:
  static constexpr uint32_t kNone = HashIndex::kNone;
  struct RouteKey {
    std::string_view ref;
    std::optional<std::string_view> receiver;
    bool operator==(const RouteKey &) const = default;
  };
  struct PairKey {
    std::string_view transaction;
    RouteKey route;
    bool operator==(const PairKey &) const = default;
  };
  struct Hash {
    size_t operator()(const RouteKey &key) const;
    size_t operator()(const PairKey &key) const;
  };
  // A clock that runs: of a pair that has not started, or of a record, which several pairs may share (RUT-07).
  // Clocks stand in a list by their time, so the first shows whether any has run out.
  struct Watch {
    double since = 0;
    uint32_t first = 0;  // the first registered of its pairs
    uint32_t pairs = 1;
    uint32_t before = kNone, after = kNone;
    bool linked = false;
  };

  uint32_t find(const PairKey &key) const;
  uint32_t find(std::optional<std::string_view> transaction, const RouteKey &route, bool *ambiguous) const;
  void bind(uint32_t pair, const TransferRecord *record);
  // Takes a change of the record into account: its time, or its end.
  void follow(uint32_t watch, const TransferRecord &record, TransferState before);
  void link(uint32_t watch, double since);
  void unlink(uint32_t watch);
  // The first registered pair whose clock has run out, or kNone.
  uint32_t first_stalled(double now) const;

  TransferProgressTracker records_;
  std::set<std::string, std::less<>> transactions_;  // once each: every comparison of a pair reads the same bytes
  std::deque<Expected> pairs_;                       // never removed: the keys below look into it
  std::vector<uint32_t> watch_of_;                   // by pair
  std::vector<Watch> watches_;                       // by the pair for which it was made
  std::unordered_map<const TransferRecord *, uint32_t> watch_of_record_;
  HashIndex pair_index_;
  std::unordered_map<RouteKey, std::vector<uint32_t>, Hash> routes_;
  std::vector<uint32_t> bound_;
  uint32_t oldest_ = kNone, newest_ = kNone;
  size_t completed_ = 0;           // pairs
  uint32_t first_failed_ = kNone;  // pair
  std::optional<double> grace_start_;
};

}  // namespace flare
