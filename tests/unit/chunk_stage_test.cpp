#include "pipe/zmq/chunk_stage.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <vector>

namespace flare {
namespace {

class ChunkStageTest : public testing::Test {
 protected:
  void TearDown() override { loop.stop(); }  // the stage ends here, in no turn

  // All that it copies without waiting.
  void fill() {
    Bytes copied;
    while (stage->copy(chunk, &copied)) copies.push_back(std::exchange(copied, {}));
  }

  Loop loop{"chunk-stage-test", [](const std::exception_ptr &) {}};
  std::atomic<int> rooms{0};
  std::unique_ptr<ChunkStage> stage = std::make_unique<ChunkStage>(&loop, [this] { ++rooms; });
  const Bytes chunk = copy_bytes(std::vector<char>(1 << 20, 'x').data(), 1 << 20);
  std::deque<Bytes> copies;
};

TEST_F(ChunkStageTest, CopiesAFewAndThenSaysWhenThereIsRoom) {
  fill();
  ASSERT_GE(copies.size(), 2u);
  EXPECT_LE(copies.size() << 20, size_t{8} << 20) << "what a sender may need beyond its model";
  EXPECT_NE(copies.front().data, chunk.data);
  EXPECT_EQ(copies.front().text(), chunk.text());
  loop.run_and_wait([] {});
  EXPECT_EQ(rooms, 0);
  const size_t all = copies.size();
  copies.pop_front();
  loop.run_and_wait([] {});
  EXPECT_EQ(rooms, 0) << "one wake-up for several";
  while (copies.size() > all / 2) copies.pop_front();
  loop.run_and_wait([] {});
  EXPECT_EQ(rooms, 1);
  fill();
  EXPECT_EQ(copies.size(), all);
}

TEST_F(ChunkStageTest, SaysNothingWhenNobodyWaits) {
  Bytes copied;
  ASSERT_TRUE(stage->copy(chunk, &copied));
  copied = {};
  loop.run_and_wait([] {});
  EXPECT_EQ(rooms, 0);
}

TEST_F(ChunkStageTest, UsesMemoryAgain) {
  Bytes copied;
  ASSERT_TRUE(stage->copy(chunk, &copied));
  const std::byte *const data = copied.data;
  copied = {};
  ASSERT_TRUE(stage->copy(chunk, &copied));
  EXPECT_EQ(copied.data, data);
}

TEST_F(ChunkStageTest, CopiesMayOutliveTheStageAndItsLoop) {
  fill();
  loop.run_and_wait([this] { stage.reset(); });
  loop.stop();
  EXPECT_EQ(copies.front().text(), chunk.text());
  copies.clear();
  EXPECT_EQ(rooms, 0);
}

}  // namespace
}  // namespace flare
