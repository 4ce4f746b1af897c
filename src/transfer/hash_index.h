// Finds numbers by the hash of what they stand for; what that is, the caller compares. One array with linear probing: a
// search touches one line of the cache, where each node of a std::unordered_map costs another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace flare {

class HashIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `matches(number)`: whether it is the one.
  template <typename Matches>
  uint32_t find(size_t hash, Matches matches) const {
    if (slots_.empty()) return kNone;
    const auto wanted = static_cast<uint32_t>(hash);
    for (size_t at = wanted & mask(); slots_[at].number != kNone; at = (at + 1) & mask()) {
      if (slots_[at].hash == wanted && matches(slots_[at].number)) return slots_[at].number;
    }
    return kNone;
  }

  void insert(size_t hash, uint32_t number) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    place({static_cast<uint32_t>(hash), number});
    ++used_;
  }

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t number = kNone;
  };

  size_t mask() const { return slots_.size() - 1; }  // of a power of two

  void place(Slot slot) {
    size_t at = slot.hash & mask();
    while (slots_[at].number != kNone) at = (at + 1) & mask();
    slots_[at] = slot;
  }

  void grow() {
    const auto old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 16 : 2 * slots_.size()));
    for (const Slot &slot : old) {
      if (slot.number != kNone) place(slot);
    }
  }

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace flare
