#include "agent/task_book.h"

#include <algorithm>

namespace flare {

TaskBook::Arrival TaskBook::arrived(const MessagePtr &task) {
  if (in_hand_ && wanted_ != Wanted::kNo && task_id_of(*in_hand_) == task_id_of(*task)) {
    in_hand_ = task;
    wanted_ = Wanted::kYes;
    return Arrival::kInHand;
  }
  if (wanted_ == Wanted::kMaybe) wanted_ = Wanted::kNo;
  queue_.push_back(task);
  return Arrival::kQueued;
}

void TaskBook::peer_replaced() {
  queue_.clear();
  if (wanted_ == Wanted::kYes) wanted_ = Wanted::kMaybe;
}

bool TaskBook::aborted(const std::string &task_id) {
  if (in_hand_ && task_id_of(*in_hand_) == task_id) wanted_ = Wanted::kNo;
  return std::erase_if(queue_, [&](const MessagePtr &task) { return task_id_of(*task) == task_id; }) > 0;
}

void TaskBook::over(flare_status status, const std::string &reason) {
  if (over_status_) return;
  over_status_ = status;
  over_reason_ = reason;
  queue_.clear();
}

TaskBook::Next TaskBook::next() {
  if (over_status_) return {*over_status_, over_reason_, nullptr};
  if (in_hand_) {
    return {FLARE_INVALID_STATE,
            "task '" + task_id_of(*in_hand_) +
                "' is in hand: submit its result, fail it or release it before taking the next",
            nullptr};
  }
  if (queue_.empty()) return {FLARE_TIMEOUT, "", nullptr};
  Next next{FLARE_OK, "", queue_.front()};
  queue_.pop_front();
  in_hand_ = next.task;
  wanted_ = Wanted::kYes;
  return next;
}

bool TaskBook::answer(const std::string &task_id) {
  if (!in_hand_ || task_id_of(*in_hand_) != task_id) return false;
  in_hand_.reset();
  return true;
}

}  // namespace flare
