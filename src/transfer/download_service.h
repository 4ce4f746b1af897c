// The owner's side of downloads by the rules of NVFlare: transactions of objects, who pulled what and confirmed it,
// when all is over, and how it ended (DS-01..DS-20). A state machine: events with their time in, actions out. It keeps
// no bytes: its driver produces the chunks and reports what came of it.
//
// Cured here: W-07 and W-20 (nothing settles inside a call: the driver is told to, and chooses when), W-26 (tables are
// bounded by count too), W-27 (every event costs the same whatever the number of refs and receivers), W-31 (a ref that
// a newer transaction took over survives the older one).
//
// Times are seconds on one monotonic clock (transfer/transfer_record.h says why).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "transfer/transfer_outcome.h"
#include "transfer/transfer_record.h"

namespace flare {

class DownloadService {
 public:
  static constexpr double kTombstoneTtl = 1800;
  static constexpr double kReceiptTtl = 1800;
  static constexpr double kDrainTimeout = 60;

  struct TransactionOptions {
    std::string id;
    double timeout = 0;          // without activity of any receiver
    int64_t receiver_count = 0;  // 0: unknown, or that of the declared receivers
    std::vector<std::string> receivers;
    bool progress = false;
    double progress_interval = 30;
    std::optional<int64_t> min_receivers;
    std::optional<double> acquire_timeout, idle_timeout;  // of each receiver (DS-14)
  };

  // An object of a transaction; a ref names the one that was added last under it.
  struct Object {
    std::string transaction, ref;
    uint64_t id = 0;
  };

  // ---- Actions, in order ----
  struct Progress {
    std::string transaction, ref, receiver;
    int64_t sequence = 0;
    int64_t bytes = 0;
    std::optional<int64_t> items;
    TransferState state = TransferState::kActive;
    double time = 0;
  };
  struct DownloadedToOne {
    Object object;
    std::string receiver;
    DownloadStatus status;
  };
  struct DownloadedToAll {
    Object object;
  };
  // Every receiver is through, but the last of them awaits its reply: call retire_finished() once that has left.
  // on_monitor() would find it as well, later (W-07).
  struct Finishable {
    std::string transaction;
  };
  struct Settle {  // call settle(): here, or where callbacks hurt nobody
    std::string transaction;
  };
  struct ObjectDone {
    Object object;
    DoneStatus status;
  };
  struct TransactionDone {
    std::string transaction;
    DoneStatus status;
    std::vector<Object> objects;  // still there
  };
  struct OutcomeKnown {
    TransferOutcome outcome;
  };
  struct Release {
    Object object;
  };
  using Action = std::variant<Progress, DownloadedToOne, DownloadedToAll, Finishable, Settle, ObjectDone,
                              TransactionDone, OutcomeKnown, Release>;

  enum class Code { kOk, kInvalidRequest, kProcessException };
  enum class Served { kNothing, kData, kEof, kError };
  struct Reply {
    Code code = Code::kOk;
    Served served = Served::kNothing;
    std::optional<std::string> nonce;  // a confirmation is expected, with this
  };
  // A pull that was admitted: produce the chunk of the object, then tell served().
  struct Pull {
    uint64_t ticket = 0;  // 0: not admitted, `reply` is the answer
    Object object;
    Reply reply;
  };
  struct Produced {
    enum class What { kData, kEof, kError, kThrew } what = What::kData;
    int64_t bytes = 0;
    std::optional<int64_t> items;  // when the chunk is a list
  };

  // Resolves once: with the outcome, or without one when nobody will ever know it.
  struct Waiter {
    bool done = false;
    std::optional<TransferOutcome> outcome;
  };

  struct Options {
    bool confirmations = true;           // the kill switch of DS-08
    std::function<std::string()> nonce;  // unguessable, never twice
    bool upstream_defects = false;       // W-31, for a replay of upstream's traces; the product never sets it
  };
  struct Sizes {
    size_t live, refs, tombstones, receipts, owned, settling;
  };

  DownloadService(Options options, const Limits &limits) : options_(std::move(options)), limits_(limits) {}

  // Throw Failure: INVALID_ARGUMENT, INVALID_STATE for an id in use, TOO_LARGE beyond limits.max_transactions.
  void new_transaction(const TransactionOptions &options, double now);
  Object add_object(const std::string &transaction, const std::string &ref, double now);

  Pull pull(const std::string &ref, const std::string &receiver, double now);
  Reply served(uint64_t ticket, const Produced &produced, bool confirm_capable, double now);
  // DS-09. Answered OK in any case; false: it was not accepted.
  bool confirm(const std::string &ref, const std::string &receiver, std::string_view status,
               const std::optional<std::string> &nonce, double now);

  void retire_finished(const std::string &transaction, double now);
  void remove(const std::string &transaction, double now);  // DS-18
  void shutdown(double now);                                // DS-20
  // Does nothing while produced chunks are awaited (DS-15), for a minute at most; it asks again then.
  void settle(const std::string &transaction, double now);

  void on_monitor(double now);  // DS-13
  std::optional<double> deadline() const;

  std::optional<TransferOutcome> outcome(const std::string &transaction, double now);
  std::shared_ptr<const Waiter> waiter(const std::string &transaction);
  std::vector<std::string> acquired_receivers(const std::string &transaction) const;  // sorted
  Sizes sizes() const;
  int64_t rejected() const { return rejected_; }  // requests and confirmations that nothing here asked for

  std::vector<Action> take_actions();

 private:
  struct Receiver {  // on one ref
    std::string name;
    std::optional<DownloadStatus> status;  // final
    std::optional<DownloadStatus> provisional;
    std::string nonce;                   // of the provisional status
    bool started = false, over = false;  // its progress events
    int64_t sequence = 0, bytes = 0;
    std::optional<int64_t> items;
    double last_emit = 0;
  };
  struct Ref {
    Object object;
    double created = 0;
    std::vector<Receiver> receivers;  // in the order in which they came
    std::unordered_map<std::string, size_t> index;
    size_t final_receivers = 0, final_declared = 0;
    bool complete = false;
    bool replaced = false;  // its name is that of a newer object now

    Receiver *receiver(const std::string &name);
  };
  struct Seen {  // a receiver on the whole transaction
    bool declared = false;
    std::optional<double> last_active;
    size_t final_refs = 0;
  };
  struct Transaction {
    TransactionOptions options;
    std::deque<Ref> refs;
    std::map<std::string, Seen> receivers;  // declared, or active once
    size_t complete_refs = 0;
    double last_active = 0;
    size_t in_flight = 0;
    std::optional<DoneStatus> done;  // retired
    double retired = 0;
    bool settle_wanted = false, settled = false;
    bool owns_outcome = true;

    bool finished() const { return options.receiver_count > 0 && !refs.empty() && complete_refs == refs.size(); }
  };
  using TransactionPtr = std::shared_ptr<Transaction>;
  struct Entry {  // what a ref names
    TransactionPtr transaction;
    Ref *ref = nullptr;
  };
  struct Tombstone {
    std::unordered_map<std::string, DownloadStatus> receivers;
    double time = 0;
  };
  struct InFlight {
    Entry entry;
    std::string receiver;
  };

  void progress(const Transaction &transaction, Ref *ref, const std::string &receiver, TransferState state, double now,
                bool force, int64_t bytes = 0, std::optional<int64_t> items = {});
  // DS-10. False: it was final already.
  bool finalize(Transaction *transaction, Ref *ref, const std::string &receiver, DownloadStatus status);
  void enforce_budgets(Transaction *transaction, double now);
  void retire(const TransactionPtr &transaction, DoneStatus done, double now);
  void bury(const Ref &ref, double now);
  void record(TransferOutcome outcome, double now);
  void expire(double now);
  void drop_oldest_receipt();
  void drop_oldest_tombstone();
  void drop_expired_receipt(const std::string &id, double now);

  Options options_;
  Limits limits_;
  std::map<std::string, TransactionPtr> live_;
  std::vector<TransactionPtr> order_;  // live ones, in the order of their beginning
  std::map<std::string, TransactionPtr> settling_;
  std::set<std::string> owners_;  // whose outcome is still to come
  std::unordered_map<std::string, Entry> refs_;
  std::unordered_map<std::string, Tombstone> tombstones_;
  std::deque<std::pair<double, std::string>> tombstone_order_;
  std::map<std::string, TransferOutcome> receipts_;
  std::deque<std::pair<double, std::string>> receipt_order_;
  std::map<std::string, std::vector<std::shared_ptr<Waiter>>> waiters_;
  std::unordered_map<uint64_t, InFlight> in_flight_;
  uint64_t last_object_ = 0, last_ticket_ = 0;
  int64_t rejected_ = 0;
  std::vector<Action> actions_;
};

}  // namespace flare
