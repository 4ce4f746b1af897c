#include "base/bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string>

namespace flare {
namespace {

TEST(Block, IsAlignedToACacheLineWhateverItsSize) {
  for (const size_t size : {1u, 7u, 63u, 64u, 65u, 4096u, 1'000'003u}) {
    Block block(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 64, 0u) << size;
    EXPECT_EQ(block.size(), size);
    std::memset(block.data(), 0x5a, size);  // all of it is ours: the address sanitizer looks
  }
}

TEST(Block, OfNothingHasNoMemory) {
  Block block(0);
  EXPECT_EQ(block.data(), nullptr);
  EXPECT_EQ(block.share().size, 0u);
  EXPECT_EQ(block.share().text(), "");
}

TEST(Block, RefusesASizeThatRoundingUpWouldOverflow) {
  constexpr size_t kLargest = std::numeric_limits<size_t>::max();
  EXPECT_THROW(Block{kLargest}, std::bad_alloc);
  EXPECT_THROW(Block{kLargest - 62}, std::bad_alloc);
}

TEST(Block, SharedBytesLiveLongerThanTheBlock) {
  Bytes bytes;
  {
    Block block(5);
    std::memcpy(block.data(), "12345", 5);
    bytes = block.share();
    EXPECT_EQ(static_cast<const void *>(bytes.data), block.data());
  }
  EXPECT_EQ(bytes.text(), "12345");
}

TEST(CopyBytes, IsIndependentOfItsSource) {
  std::string source = "weights";
  const Bytes bytes = copy_bytes(source.data(), source.size());
  source.assign("changed");
  EXPECT_EQ(bytes.text(), "weights");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data) % 64, 0u);
}

TEST(CopyBytes, TakesNullWhenThereIsNothingToCopy) { EXPECT_EQ(copy_bytes(nullptr, 0).size, 0u); }

}  // namespace
}  // namespace flare
