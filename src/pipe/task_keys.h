// The keys of tasks that are no texts, for the answer to each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "fobs/keys.h"

namespace flare {

class TaskKeys {
 public:
  // Of no more tasks than `most`: the oldest are forgotten.
  explicit TaskKeys(size_t most) : most_(most) {}

  void keep(const std::string &task, fobs::Keys keys) {
    if (!keys.empty()) keys_.emplace_back(task, std::move(keys));
    if (keys_.size() > most_) keys_.pop_front();
  }
  const fobs::Keys &of(const std::string &task) const {
    static const fobs::Keys none;
    const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const auto &kept) { return kept.first == task; });
    return found == keys_.end() ? none : found->second;
  }
  void forget(const std::string &task) {
    std::erase_if(keys_, [&](const auto &kept) { return kept.first == task; });
  }

 private:
  size_t most_;
  std::deque<std::pair<std::string, fobs::Keys>> keys_;  // by message; the oldest first
};

}  // namespace flare
