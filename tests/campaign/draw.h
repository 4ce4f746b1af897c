// What a schedule draws its numbers with: the same seed, the same numbers.
#pragma once

#include <cstdint>
#include <random>

namespace flare_test {

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  uint64_t bits() { return random_(); }
  int64_t below(int64_t bound) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool one_in(int64_t n) { return below(n) == 0; }
  double fraction() { return static_cast<double>(random_() >> 11) / 9007199254740992.0; }  // of 2^53

 private:
  std::mt19937_64 random_;
};

}  // namespace flare_test
