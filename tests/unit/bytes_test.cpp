#include "base/bytes.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

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

// As in a trainer that answers round after round with many tensors, and keeps a little of each.
TEST(Block, WhatWasFreedServesTheNextOfItsSize) {
  constexpr size_t kRounds = 200, kTensors = 100, kBytes = size_t{80} << 10;
  std::vector<std::unique_ptr<std::array<char, 100>>> little;
  size_t before = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    std::vector<Block> tensors;
    for (size_t i = 0; i < kTensors; ++i) {
      tensors.emplace_back(kBytes);
      if (i % 10 == 0) little.push_back(std::make_unique<std::array<char, 100>>());
    }
    if (round == 1) before = ::mallinfo2().arena;
  }
  EXPECT_LT(::mallinfo2().arena, before + kTensors * kBytes);
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
