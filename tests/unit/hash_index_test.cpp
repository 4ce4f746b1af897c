#include "transfer/hash_index.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace flare {
namespace {

TEST(HashIndex, EqualHashesAreToldApartByTheCaller) {
  HashIndex index;
  const auto find = [&](size_t hash, uint32_t wanted) {
    return index.find(hash, [&](uint32_t number) { return number == wanted; });
  };
  EXPECT_EQ(find(7, 0), HashIndex::kNone);
  for (uint32_t number = 0; number < 100; ++number) index.insert(7, number);
  for (uint32_t number = 0; number < 100; ++number) EXPECT_EQ(find(7, number), number);
  EXPECT_EQ(find(7, 100), HashIndex::kNone);
  EXPECT_EQ(find(8, 1), HashIndex::kNone);
}

TEST(HashIndex, EverythingIsFoundHoweverManyThereAre) {
  HashIndex index;
  std::mt19937_64 random(1);
  std::vector<size_t> hashes;
  for (uint32_t number = 0; number < 1'000; ++number) {
    hashes.push_back(random() % 500);
    index.insert(hashes.back(), number);
    if (number % 100 != 0) continue;
    for (uint32_t known = 0; known <= number; ++known) {
      ASSERT_EQ(index.find(hashes[known], [&](uint32_t each) { return each == known; }), known);
    }
  }
}

}  // namespace
}  // namespace flare
