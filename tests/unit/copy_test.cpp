#include "base/copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace flare {
namespace {

// Every remainder of a line at either end, from places that are aligned to nothing; bytes around it stay as they were.
TEST(CopyPastCaches, CopiesWhatItIsToldAndNothingElse) {
  constexpr size_t kSpace = 1024;
  std::vector<std::byte> from(kSpace), to(kSpace);
  for (size_t i = 0; i < kSpace; ++i) from[i] = static_cast<std::byte>(i % 251 + 1);
  const size_t first = (64 - reinterpret_cast<uintptr_t>(to.data()) % 64) % 64;
  for (const size_t at : {first, first + 1, first + 16, first + 63}) {
    for (const size_t shift : {size_t{0}, size_t{1}, size_t{8}, size_t{33}}) {
      for (size_t size = 0; size <= 300; ++size) {
        std::fill(to.begin(), to.end(), std::byte{0});
        copy_past_caches(to.data() + at, from.data() + shift, size);
        for (size_t i = 0; i < kSpace; ++i) {
          const bool copied = i >= at && i < at + size;
          ASSERT_EQ(to[i], copied ? from[shift + i - at] : std::byte{0})
              << at << " " << shift << " " << size << " " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace flare
