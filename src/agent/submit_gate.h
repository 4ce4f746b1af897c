// One submission of a result, from its send to the verdict whether every receiver has it (AG-20..AG-43). A state
// machine: events with their time in, actions out; it owns no thread, timer or lock.
//
//   begin -> sending -+- refused, raised -----------------------------------> failed
//                     +- nothing to download -------------------------------> delivered
//                     +- not tracked -> waiting for the completion ---------> delivered, whatever it says (AG-29)
//                     +- tracked -> waiting for progress -+- decided -------> delivered or failed
//                                                         +- abandoned -> last grace -> delivered or failed (AG-34)
//
// Without look_interval an abandon also ends the send, and the wait of what is not tracked, after the last grace:
// upstream goes on waiting there, up to submit_result_timeout and download_complete_timeout.
//
// Times are seconds on one monotonic clock (transfer/transfer_record.h says why).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/upload_progress.h"
#include "transfer/result_upload_tracker.h"

namespace flare {

class SubmitGate {
 public:
  static constexpr double kLastGrace = 0.5;  // what a completion that is under way gets when the wait is abandoned

  struct Options {
    bool gated = true;                         // false: accepted is all there is to know (AG-21)
    std::optional<double> idle_timeout = 600;  // nullopt: progress is not tracked
    double download_complete_timeout = 1800;
    // Upstream looks at its clocks and stop flags in intervals of this many seconds and at each event. Given for a
    // replay of its traces; without it every deadline is met exactly and an abandon is seen at once (W-08).
    std::optional<double> look_interval;
  };

  struct Transaction {
    std::string id;
    std::vector<ResultUploadTracker::Pair> pairs;
    double created = 0;
  };
  enum class Sent { kAccepted, kRefused, kRaised };
  enum class Abandon { kAgentStopped, kHandlerStopped, kPipeClosed };  // by precedence (AG-32)

  // ---- Actions, in order ----
  struct Watch {  // events of the transfers that the coming send creates come here (AG-22)
    bool progress;
  };
  struct Send {
    std::optional<double> download_ttl;  // for the gated path (AG-24)
  };
  struct Unwatch {};  // of sends to come (AG-23); what watches the transfers of this one stays
  struct Delete {     // the transaction at its owner; errors matter to nobody (AG-40)
    std::string transaction;
  };
  struct CleanUp {};  // the submission failed: with launch_once the agent closes (AG-55)
  struct Finished {   // once, the last action
    bool success;
    std::string reason;  // of the tracker, or of the abandon; empty when there is nothing to say
    ResultUploadTracker::Cause cause;
  };
  using Action = std::variant<Watch, Send, Unwatch, Delete, CleanUp, Finished>;

  // What the gate waits for, in upstream's words.
  enum class WaitFor { kNothing, kProgress, kCompletion };
  struct Wait {
    WaitFor what = WaitFor::kNothing;
    std::optional<double> timeout;  // nullopt: for ever
    std::optional<double> until;
    size_t number = 0;  // how many there were
  };

  // Throws Failure(FLARE_INVALID_ARGUMENT) for an idle timeout that is not positive and finite.
  explicit SubmitGate(const Options &options);

  void begin();
  // The send created a transfer, and says so before any progress of it (AG-25).
  void on_transaction(const Transaction &transaction);
  // The send is over. `initiated`: the receivers have something to fetch. `listed`: the transactions of this send, for
  // those that were not reported by on_transaction().
  void on_sent(Sent sent, bool initiated, const std::vector<Transaction> &listed, double now);
  // The owner says that a transaction is over; nullopt: it does not say how.
  void on_completed(const std::optional<std::string> &status, double now);
  // Bad events are rejected and counted, never fatal; they are no news.
  ResultUploadTracker::Verdict on_progress(const UploadProgress &progress, double now);
  void on_abandon(Abandon abandon, double now);

  void on_time(double now);
  std::optional<double> deadline() const { return wait_.until; }

  std::vector<Action> take_actions();
  bool finished() const { return state_ == State::kFinished; }

  // ---- For whoever watches ----
  const ResultUploadTracker *tracker() const { return tracker_ ? &*tracker_ : nullptr; }
  const ResultUploadTracker::Decision &last_decision() const { return decision_; }
  std::optional<Abandon> seen_abandon() const { return seen_abandon_; }
  const Wait &wait() const { return wait_; }
  int64_t rejected() const { return rejected_; }

 private:
  enum class State { kNew, kSending, kTracking, kLastGrace, kUntracked, kFinished };

  void turn(double now);  // AG-30
  void give_up(double now);
  void decide(double now) { decision_ = tracker_->decide(completed_, status_, now); }
  void wait_for(WaitFor what, std::optional<double> timeout, double now);
  // AG-40. True: everything was delivered after all.
  bool fail_transactions(double now);
  void register_transaction(const Transaction &transaction);
  void conclude(double now);  // AG-38
  void finish(bool success, const std::string &reason, ResultUploadTracker::Cause cause);

  Options options_;
  State state_ = State::kNew;
  std::optional<ResultUploadTracker> tracker_;
  std::vector<std::string> transactions_;
  bool sent_ = false;  // or failed to be
  bool completed_ = false;
  std::optional<std::string> status_;  // of the completion
  std::optional<Abandon> abandon_, seen_abandon_;
  ResultUploadTracker::Decision decision_;
  Wait wait_;
  int64_t rejected_ = 0;
  std::vector<Action> actions_;
};

// What the user reads about an abandon.
std::string_view text_of(SubmitGate::Abandon abandon);

}  // namespace flare
