#include "pipe/zmq/sealed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/failure.h"

namespace flare::wire {
namespace {

using testing::HasSubstr;

std::vector<std::byte> sealed() {
  const Bytes bytes = seal({7, Settled{"transaction", true, "", "server"}});
  return {bytes.data, bytes.data + bytes.size};
}

TEST(Sealed, ComesBackAsItWas) {
  const auto frame = sealed();
  const Envelope envelope = unseal(frame.data(), frame.size(), {});
  EXPECT_EQ(envelope.epoch, 7u);
  const auto &settled = std::get<Settled>(envelope.body);
  EXPECT_EQ(settled.transaction, "transaction");
  EXPECT_TRUE(settled.success);
}

TEST(Sealed, OneBitChangedAnywhereIsSeen) {
  const auto frame = sealed();
  for (size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    auto damaged = frame;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_THROW(unseal(damaged.data(), damaged.size(), {}), Failure) << "bit " << bit;
  }
}

TEST(Sealed, CutOffAnywhereIsSeen) {
  const auto frame = sealed();
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_THROW(unseal(frame.data(), size, {}), Failure) << size << " bytes";
  }
}

TEST(Sealed, SaysWhatIsWrong) {
  auto frame = sealed();
  frame[20] ^= std::byte{1};
  try {
    unseal(frame.data(), frame.size(), {});
    FAIL();
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_PROTOCOL);
    EXPECT_THAT(failure.what(), HasSubstr("damaged on its way"));
  }
}

}  // namespace
}  // namespace flare::wire
