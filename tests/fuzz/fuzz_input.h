// A fuzzer's bytes read as choices: what happens next, to whom, and with which numbers. Past its end all are 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "base/time.h"

namespace flare {

// Unlike assert() in every build.
inline void require(bool condition) {
  if (!condition) std::abort();
}

class FuzzInput {
 public:
  FuzzInput(const uint8_t *bytes, size_t size) : bytes_(bytes), left_(size) {}

  bool over() const { return left_ == 0; }

  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *bytes_++;
  }
  bool flag() { return (byte() & 1) != 0; }
  // One of the first `count` numbers.
  size_t below(size_t count) { return byte() % count; }

  // Small ones, those at the edges of all types, and any.
  uint64_t number() {
    constexpr std::array<uint64_t, 8> kEdges = {0,
                                                std::numeric_limits<uint64_t>::max(),
                                                std::numeric_limits<int64_t>::max(),
                                                uint64_t{1} << 63,
                                                std::numeric_limits<uint32_t>::max(),
                                                uint64_t{1} << 32,
                                                uint64_t{1} << 40,
                                                uint64_t{1} << 42};
    const uint8_t kind = byte();
    if (kind < 0xc0) return kind;
    if (kind < 0xe0) return kEdges[kind % kEdges.size()] + byte() - 1;
    uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | byte();
    return number;
  }

  // A step of time: often none, mostly short, at times an hour.
  Duration step() {
    constexpr std::array<int64_t, 8> kSteps = {
        0, 0, 1, 1'000'000, 100'000'000, 1'000'000'000, 10'000'000'000, 3'600'000'000'000};
    return Duration(kSteps[below(kSteps.size())] * (1 + byte() % 4));
  }

  std::string_view rest() {
    const std::string_view rest(reinterpret_cast<const char *>(bytes_), left_);
    bytes_ += left_;
    left_ = 0;
    return rest;
  }

 private:
  const uint8_t *bytes_;
  size_t left_;
};

}  // namespace flare
