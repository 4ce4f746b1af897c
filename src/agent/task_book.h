// Which task is where: waiting to be taken, in the user's hands, or answered (AG-06, AG-13, AG-14). It decides
// alone, under its owner's lock, so that two threads can neither take nor answer one task twice (W-09, W-10).
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "flare_agent.h"
#include "pipe/message.h"

namespace flare {

class TaskBook {
 public:
  explicit TaskBook(size_t capacity) : capacity_(capacity) {}

  // ---- From the peer ----
  enum class Arrival { kQueued, kInHand };  // kInHand: the task that the user has already; its answer goes to this one
  // With those that will arrive when their tensors are here.
  bool full(size_t under_way) const { return queue_.size() + under_way >= capacity_; }
  Arrival arrived(const MessagePtr &task);
  // Another peer took the place of the old: what it had not handed over will come again.
  void peer_replaced();
  // Nobody wants the task any more; the same id may come again as another task. True: it was still waiting, and the
  // user never sees it.
  bool aborted(const std::string &task_id);
  // No more tasks will come (AG-07: also those that wait are not given out any more, W-24).
  void over(flare_status status, const std::string &reason);

  // ---- From the user ----
  struct Next {
    flare_status status;  // OK; TIMEOUT: nothing yet; INVALID_STATE: one is in hand; else why there is no more
    std::string reason;
    MessagePtr task;
  };
  Next next();
  // Whether next() would say anything but TIMEOUT.
  bool ready() const { return over_status_ || in_hand_ || !queue_.empty(); }
  // The task in hand gets its answer, once. False: it is not in hand (any more).
  bool answer(const std::string &task_id);
  // As it was asked for last.
  const MessagePtr &in_hand() const { return in_hand_; }
  // Whether an answer is waited for: a peer that took the place of the old has not asked for it yet, or for others.
  enum class Wanted { kYes, kMaybe, kNo };
  Wanted wanted() const { return wanted_; }

  std::optional<flare_status> over_status() const { return over_status_; }
  const std::string &over_reason() const { return over_reason_; }

 private:
  size_t capacity_;
  std::deque<MessagePtr> queue_;
  MessagePtr in_hand_;
  Wanted wanted_ = Wanted::kYes;  // of what is in hand
  std::optional<flare_status> over_status_;
  std::string over_reason_;
};

}  // namespace flare
