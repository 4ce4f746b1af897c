// Keeps one record per transfer and decides which progress events count (TRK-01..TRK-16). Every event costs the same
// whatever the number of records. Not thread safe: its owner has the lock.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "transfer/transfer_record.h"

namespace flare {

class TransferProgressTracker {
 public:
  struct Update {
    int64_t sequence = 0;
    int64_t bytes = 0;
    std::optional<int64_t> items;
    TransferState state = TransferState::kActive;
    std::optional<std::string_view> kind;
  };
  struct Verdict {
    bool accepted = false;
    bool progressed = false;
    std::string_view reason;  // of a rejection
    const TransferRecord *record = nullptr;
  };
  struct Filter {  // nullopt: any
    std::optional<std::string_view> job, task;
    std::optional<TransferDirection> direction;
    std::optional<std::optional<std::string_view>> receiver;  // TRK-14: nullopt inside: records without receiver
  };

  explicit TransferProgressTracker(double idle_timeout) { set_idle_timeout(idle_timeout); }

  double idle_timeout() const { return idle_timeout_; }
  void set_idle_timeout(double seconds) { idle_timeout_ = checked_seconds(seconds, "streaming_idle_timeout"); }

  // Throws Failure(FLARE_INVALID_ARGUMENT), and changes nothing, for negative counters and times that are not finite.
  Verdict update(const TransferKey &key, const Update &update, double time);
  // The same for a record of this tracker, without looking for it.
  Verdict update(const TransferRecord *record, const Update &update, double time);
  // TRK-15. `sequence` nullopt: the next one. Also throws for a state that is not terminal.
  Verdict mark_terminal(const TransferKey &key, TransferState state, std::optional<int64_t> sequence, double time);

  // Stays valid until the record is removed.
  const TransferRecord *find(const TransferKey &key) const;
  std::vector<const TransferRecord *> records(const Filter &filter) const;  // in the order of their creation
  std::vector<const TransferRecord *> stalled_records(const Filter &filter, double now) const;
  bool stalled(const TransferRecord &record, double now) const {
    return !terminal(record.state) && now - record.last_progress >= idle_timeout_;
  }

  bool remove(const TransferKey &key);
  void clear();
  // Removes what made its last progress at `before` or earlier: what is terminal, or all with include_active.
  size_t prune(double before, bool include_active, std::optional<TransferDirection> direction);

 private:
  using Position = std::list<TransferRecord>::iterator;
  // By key, whatever it is looked up by.
  struct Hash {
    using is_transparent = void;
    size_t operator()(const TransferKey &key) const;
    size_t operator()(Position position) const { return (*this)(position->key()); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(Position a, Position b) const { return a == b; }
    bool operator()(const TransferKey &a, Position b) const { return a == b->key(); }
    bool operator()(Position a, const TransferKey &b) const { return (*this)(b, a); }
  };

  static Verdict apply(TransferRecord *record, const Update &update, double time);

  double idle_timeout_ = 0;
  std::list<TransferRecord> records_;
  std::unordered_set<Position, Hash, Equal> index_;
};

}  // namespace flare
