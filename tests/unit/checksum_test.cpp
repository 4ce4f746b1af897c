#include "base/checksum.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace flare {
namespace {

// Both ends of a wire must agree for ever, whatever version of the library they were built with. The lengths take every
// path of XXH3. Values of the reference implementation, 0.8.4.
TEST(Checksum, IsXxh3OfSixtyFourBitsWithSeedZero) {
  const std::vector<std::pair<size_t, uint64_t>> expected = {
      {0, 0x2d06800538d394c2},    {1, 0x4c5cca45d0f4811f},    {3, 0x6e3e2670e61106ac},        {4, 0x5c4c63133443d03f},
      {8, 0xf9fd4dd0b04d78f5},    {9, 0x7c20df9712c26edf},    {16, 0x86abf6baccea0858},       {17, 0xb58bf5dc5022d071},
      {128, 0x10d17f72c0ccba41},  {129, 0x1648bdc3db49d1a2},  {240, 0xb6cfaf343fab81e6},      {241, 0x956cae592c67279e},
      {1024, 0x70bd377d9574f4bb}, {1025, 0x66c4487c41e127a7}, {1u << 20, 0x6f7c82505ffbc516},
  };
  for (const auto &[size, value] : expected) {
    std::vector<unsigned char> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(i * 131 + 7);
    EXPECT_EQ(checksum(bytes.data(), size), value) << size;
  }
}

TEST(Checksum, DoesNotDependOnTheAddress) {
  std::vector<unsigned char> bytes(300 + 8);
  for (size_t shift = 0; shift < 8; ++shift) {
    for (size_t i = 0; i < 300; ++i) bytes[shift + i] = static_cast<unsigned char>(i);
    EXPECT_EQ(checksum(bytes.data() + shift, 300), 0xd44052f5a3485425) << shift;
  }
}

TEST(Checksum, TakesNullWhenThereIsNothing) { EXPECT_EQ(checksum(nullptr, 0), checksum("", 0)); }

}  // namespace
}  // namespace flare
