// The faults of one direction of a connection: each does what it says to whole messages, and nothing else.
#include "../process/stream_faults.h"

#include <gtest/gtest.h>

#include <bitset>

namespace flare_test {
namespace {

using namespace std::chrono_literals;

const StreamFaults::Time kStart{};
const std::string kGreeting(64, 'g');

std::string frame(int flags, const std::string &body) {
  std::string bytes(1, static_cast<char>(flags | (body.size() > 255 ? 2 : 0)));
  if (body.size() > 255) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(body.size() >> shift));
  } else {
    bytes.push_back(static_cast<char>(body.size()));
  }
  return bytes + body;
}
std::string message(const std::string &envelope, const std::string &payload = "") {
  return payload.empty() ? frame(0, envelope) : frame(1, envelope) + frame(0, payload);
}

class Faults : public testing::Test {
 protected:
  // What comes out of these bytes, in pieces of `piece`, with all time in the world.
  std::string pass(const FaultRates &rates, const std::string &bytes, size_t piece = 7) {
    faults_.set(rates);
    std::string in = kGreeting + frame(4, "READY") + bytes, out;
    for (size_t i = 0; i < in.size(); i += piece) {
      faults_.on_bytes(in.data() + i, std::min(piece, in.size() - i), kStart);
    }
    faults_.take(kStart + 1h, &out);
    faults_.take(kStart + 2h, &out);
    EXPECT_EQ(out.substr(0, 71), in.substr(0, 71)) << "the handshake is left alone";
    return out.substr(71);
  }
  static size_t bits(const std::string &a, const std::string &b) {
    size_t count = 0;
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      count += std::bitset<8>(static_cast<unsigned char>(a[i] ^ b[i])).count();
    }
    return count;
  }

  StreamFaults faults_{7};
  const std::string first_ = message("envelope one", std::string(1000, 'x'));
  const std::string second_ = message("two");
};

TEST_F(Faults, WithoutAnyAllPasses) {
  EXPECT_EQ(pass({}, first_ + second_), first_ + second_);
  EXPECT_EQ(faults_.counts().sum(), 0);
}

TEST_F(Faults, WholeMessagesAreDropped) {
  FaultRates rates;
  rates.drop = 1;
  EXPECT_EQ(pass(rates, first_ + second_), "");
  EXPECT_EQ(faults_.counts().dropped, 2);
}

TEST_F(Faults, WholeMessagesAreDuplicated) {
  FaultRates rates;
  rates.duplicate = 1;
  EXPECT_EQ(pass(rates, first_ + second_), first_ + first_ + second_ + second_);
}

TEST_F(Faults, NeighboursChangePlaces) {
  FaultRates rates;
  rates.reorder = 1;
  EXPECT_EQ(pass(rates, first_ + second_), second_ + first_);
  EXPECT_EQ(faults_.counts().reordered, 1);
}

TEST_F(Faults, TheLastOneIsNotHeldForEver) {
  FaultRates rates;
  rates.reorder = 1;
  EXPECT_EQ(pass(rates, first_), first_);
}

TEST_F(Faults, ABitOfThePayload) {
  FaultRates rates;
  rates.flip_payload = 1;
  const std::string out = pass(rates, first_ + second_);
  ASSERT_EQ(out.size(), first_.size() + second_.size());
  EXPECT_EQ(out.substr(0, 14 + 9), first_.substr(0, 14 + 9));
  EXPECT_EQ(bits(out, first_ + second_), 1u);
  EXPECT_EQ(faults_.counts().payloads, 1) << "the second has none";
}

TEST_F(Faults, ABitOfTheEnvelope) {
  FaultRates rates;
  rates.flip_envelope = 1;
  const std::string out = pass(rates, first_);
  EXPECT_EQ(bits(out.substr(2, 12), first_.substr(2, 12)), 1u);
  EXPECT_EQ(bits(out, first_), 1u);
}

TEST_F(Faults, ABitOfTheFraming) {
  FaultRates rates;
  rates.flip_framing = 1;
  const std::string out = pass(rates, first_);
  EXPECT_EQ(bits(out.substr(0, 2), first_.substr(0, 2)), 1u);
  EXPECT_EQ(bits(out, first_), 1u);
}

TEST_F(Faults, BytesAreLost) {
  FaultRates rates;
  rates.lose_bytes = 1;
  const std::string out = pass(rates, first_);
  EXPECT_LT(out.size(), first_.size());
  EXPECT_GE(out.size(), first_.size() - 100);
}

TEST_F(Faults, DelaysKeepTheOrder) {
  FaultRates rates;
  rates.shortest_delay = 10ms;
  rates.longest_delay = 30ms;
  faults_.set(rates);
  const std::string in = kGreeting + first_ + second_;
  faults_.on_bytes(in.data(), in.size(), kStart);
  std::string out;
  faults_.take(kStart + 9ms, &out);
  EXPECT_EQ(out, "");
  ASSERT_TRUE(faults_.next());
  EXPECT_GE(*faults_.next(), kStart + 10ms);
  faults_.take(kStart + 30ms, &out);
  EXPECT_EQ(out, in);
  EXPECT_FALSE(faults_.next());
}

TEST_F(Faults, TheSameSeedDoesTheSame) {
  FaultRates rates;
  rates.flip_payload = rates.drop = rates.duplicate = 0.5;
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += first_ + second_;
  const std::string once = pass(rates, bytes);
  faults_ = StreamFaults(7);
  EXPECT_EQ(pass(rates, bytes, 1000), once);
}

}  // namespace
}  // namespace flare_test
