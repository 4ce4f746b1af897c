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
  EXPECT_EQ(copies.make(150), 150U);
  EXPECT_EQ(text_of(first).substr(0, 150), numbers.substr(0, 150));
  EXPECT_EQ(copies.make(51), 51U);
  EXPECT_FALSE(copies.all_made());
  EXPECT_EQ(text_of(first), numbers);
  EXPECT_EQ(copies.make(1000), 2U);
  EXPECT_EQ(text_of(second), "abc");
  EXPECT_TRUE(copies.all_made());
}

TEST(Copies, KeepWhatTheyCopyUntilItIsDone) {
  Copies copies;
  Block to(4);
  Bytes from = copy_bytes("four", 4);
  const std::weak_ptr<const void> kept = from.owner;
  copies.add(to, std::exchange(from, Bytes()));
  copies.make(3);
  EXPECT_FALSE(kept.expired());
  copies.make(1);
  EXPECT_TRUE(kept.expired());
  EXPECT_EQ(text_of(to), "four");
}

}  // namespace
}  // namespace flare
