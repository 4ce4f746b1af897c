#include "base/copies.h"

#include <gtest/gtest.h>

#include <string>

namespace flare {
namespace {

std::string text_of(const Block &block) { return std::string(block.share().text()); }

TEST(Copies, AreMadeAPieceAtATime) {
  Copies copies;
  EXPECT_TRUE(copies.all_made());
  Block first(200), second(3), empty(0);
  const std::string numbers(200, '4');
  copies.add(first, copy_bytes(numbers.data(), numbers.size()));
  copies.add(empty, Bytes());
  copies.add(second, copy_bytes("abc", 3));
  EXPECT_EQ(copies.make(150), 128U);
  EXPECT_EQ(text_of(first).substr(0, 128), numbers.substr(0, 128));
  EXPECT_EQ(copies.make(10), 0U);
  EXPECT_EQ(copies.make(73), 72U);
  EXPECT_FALSE(copies.all_made());
  EXPECT_EQ(text_of(first), numbers);
  EXPECT_EQ(copies.make(1000), 3U);
  EXPECT_EQ(text_of(second), "abc");
  EXPECT_TRUE(copies.all_made());
}

TEST(Copies, KeepWhatTheyCopyUntilItIsDone) {
  Copies copies;
  const std::string text(65, 'x');
  Block to(text.size());
  Bytes from = copy_bytes(text.data(), text.size());
  const std::weak_ptr<const void> kept = from.owner;
  copies.add(to, std::exchange(from, Bytes()));
  copies.make(64);
  EXPECT_FALSE(kept.expired());
  copies.make(1);
  EXPECT_TRUE(kept.expired());
  EXPECT_EQ(text_of(to), text);
}

}  // namespace
}  // namespace flare
