#include "base/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace flare {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMiB = size_t{1} << 20;

TEST(BlockPool, GivesTheSameMemoryAgain) {
  const auto pool = BlockPool::make(8 * kMiB, 1h);
  Block block = pool->take(kMiB);
  std::byte *const data = block.data();
  EXPECT_EQ(block.size(), kMiB);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
  EXPECT_EQ(pool->kept_bytes(), 0u);
  block = {};
  EXPECT_EQ(pool->kept_bytes(), kMiB);
  block = pool->take(kMiB);
  EXPECT_EQ(block.data(), data);
  EXPECT_EQ(pool->kept_bytes(), 0u);
}

TEST(BlockPool, GivesASlightlyLargerBlockWithTheSizeAskedFor) {
  const auto pool = BlockPool::make(8 * kMiB, 1h);
  pool->take(kMiB);
  const Block block = pool->take(kMiB - 4096);
  EXPECT_EQ(block.size(), kMiB - 4096);
  EXPECT_EQ(pool->kept_bytes(), 0u);
}

TEST(BlockPool, TakesTheWholeBlockBackHoweverLittleOfItWasUsed) {
  const auto pool = BlockPool::make(8 * kMiB, 1h);
  pool->take(kMiB);
  pool->take(kMiB - 4096);
  EXPECT_EQ(pool->kept_bytes(), kMiB);
}

TEST(BlockPool, DoesNotHoldABlockByTwoOwners) {
  const auto pool = BlockPool::make(8 * kMiB, 1h);
  Block block = pool->take(kMiB);
  const Bytes shared = block.share();
  block = {};
  EXPECT_EQ(pool->kept_bytes(), 0u) << "somebody reads it";
  EXPECT_NE(pool->take(kMiB).data(), shared.data);
}

TEST(BlockPool, KeepsNoMoreThanItMay) {
  const auto pool = BlockPool::make(2 * kMiB, 1h);
  std::vector<Block> blocks;
  for (int i = 0; i < 3; ++i) blocks.push_back(pool->take(kMiB));
  blocks.clear();
  EXPECT_EQ(pool->kept_bytes(), 2 * kMiB);
  pool->take(3 * kMiB);
  EXPECT_EQ(pool->kept_bytes(), 0u) << "what is too large is not kept, and made room for by the others";
}

TEST(BlockPool, MakesRoomForWhatItHasNotWithTheOldestFirst) {
  const auto pool = BlockPool::make(100 * kMiB, 1h);
  Block oldest = pool->take(2 * kMiB);
  Block other = pool->take(4 * kMiB);
  oldest = {};
  other = {};
  const Block block = pool->take(kMiB);
  EXPECT_EQ(pool->kept_bytes(), 4 * kMiB);
}

TEST(BlockPool, GivesBackWhatWasKeptTooLong) {
  const auto pool = BlockPool::make(8 * kMiB, 1min);
  EXPECT_FALSE(pool->deadline());
  const TimePoint before = Clock::now();
  pool->take(kMiB);
  ASSERT_TRUE(pool->deadline());
  EXPECT_GE(*pool->deadline(), before + 1min);
  pool->trim(*pool->deadline() - 1ns);
  EXPECT_EQ(pool->kept_bytes(), kMiB);
  pool->trim(*pool->deadline());
  EXPECT_EQ(pool->kept_bytes(), 0u);
  EXPECT_FALSE(pool->deadline());
}

TEST(BlockPool, KeepsNothingOnceClosed) {
  const auto pool = BlockPool::make(8 * kMiB, 1h);
  Block lent = pool->take(kMiB);
  pool->take(kMiB);
  pool->close();
  EXPECT_EQ(pool->kept_bytes(), 0u);
  lent = {};
  EXPECT_EQ(pool->kept_bytes(), 0u);
}

TEST(BlockPool, BlocksMayOutliveItAndGoInAnyThread) {
  auto pool = BlockPool::make(8 * kMiB, 1h);
  std::vector<Block> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(pool->take(kMiB));
  pool.reset();
  std::vector<std::thread> threads;
  for (Block &block : blocks) {
    threads.emplace_back([&block] {
      std::fill(block.data(), block.data() + block.size(), std::byte{1});
      block = {};
    });
  }
  for (auto &thread : threads) thread.join();
}

TEST(BlockPool, LeavesSmallBlocksToTheAllocator) {
  const auto pool = BlockPool::make(8 * kMiB, 1h);
  pool->take(100);
  pool->take(0);
  EXPECT_EQ(pool->kept_bytes(), 0u);
}

}  // namespace
}  // namespace flare
