// DownloadService and Downloader against each other over a link that loses, repeats, reorders and corrupts, in
// virtual time: a transfer ends complete with the same bytes, or failed with a reason, and it always ends.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/checksum.h"
#include "transfer/download_service.h"
#include "transfer/downloader.h"

namespace flare {
namespace {

using namespace std::chrono_literals;

struct Packet {
  uint32_t object;
  uint64_t offset;
  std::vector<std::byte> data;
  uint64_t sum;
};

std::vector<Bytes> random_objects(std::mt19937 &random, std::vector<uint64_t> *sizes) {
  std::vector<Bytes> objects;
  const size_t count = random() % 6;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = random() % 4 == 0 ? 0 : random() % 5000;
    Block block(size);
    for (size_t j = 0; j < size; ++j) block.data()[j] = static_cast<std::byte>(random());
    sizes->push_back(size);
    objects.push_back(block.share());
  }
  return objects;
}

class Transfer : public testing::TestWithParam<unsigned> {};

TEST_P(Transfer, EndsCompleteOrWithAReason) {
  std::mt19937 random(GetParam());
  Limits limits;
  limits.chunk_bytes = 1 + random() % 700;
  limits.chunk_window = 1 + random() % 5;
  const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const unsigned loss = below(60), corruption = below(30), repeats = below(30);
  std::vector<uint64_t> sizes;
  const std::vector<Bytes> objects = random_objects(random, &sizes);
  TimePoint now{};
  DownloadService service(limits);
  service.add("tx", objects, {}, 60s, now);
  Downloader downloader("tx", sizes, 60s, 2s, limits, now);
  std::vector<Packet> link;
  const auto chance = [&](unsigned percent) { return random() % 100 < percent; };

  int turns = 0;
  while (downloader.state() == Downloader::State::kRunning) {
    ASSERT_LT(++turns, 200'000) << "it never ends";
    for (const ChunkRequest &request : downloader.take_requests(now)) {
      ASSERT_LE(request.length, limits.chunk_bytes);
      if (chance(loss)) continue;
      std::string refusal;
      const auto bytes = service.serve(request, "", now, &refusal);
      ASSERT_TRUE(bytes) << refusal;
      Packet packet{
          request.object, request.offset, {bytes->data, bytes->data + bytes->size}, checksum(bytes->data, bytes->size)};
      if (chance(corruption)) packet.data[random() % packet.data.size()] ^= std::byte{0x10};
      link.push_back(packet);
      if (chance(repeats)) link.push_back(packet);
    }
    ASSERT_TRUE(downloader.take_requests(now).empty()) << "the window is full";
    if (chance(3)) {
      downloader.on_disconnected();
      ASSERT_TRUE(downloader.take_requests(now).empty());
      link.clear();
      now += 1s;
      downloader.on_reconnected(now);
    }
    if (!link.empty()) {
      std::swap(link[random() % link.size()], link.back());
      const Packet packet = link.back();
      link.pop_back();
      downloader.on_chunk(packet.object, packet.offset, packet.data.data(), packet.data.size(), packet.sum, now);
    } else if (const auto deadline = downloader.deadline()) {
      ASSERT_GE(*deadline, now);
      now = *deadline;
      downloader.on_time(now);
    }
  }
  if (downloader.state() == Downloader::State::kFailed) {
    EXPECT_FALSE(downloader.reason().empty());
    EXPECT_NE(downloader.status(), FLARE_OK);
    service.confirm("tx", "", false, downloader.reason(), now);
    ASSERT_EQ(service.take_settled().at(0).status, FLARE_ABORTED);
    return;
  }
  EXPECT_EQ(downloader.progress().bytes_done, downloader.progress().bytes_total);
  const auto received = downloader.take_objects();
  ASSERT_EQ(received.size(), objects.size());
  for (size_t i = 0; i < objects.size(); ++i) EXPECT_EQ(received[i].text(), objects[i].text());
  EXPECT_TRUE(service.confirm("tx", "", true, "", now));
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
  EXPECT_EQ(service.progress("tx")->bytes_done, service.progress("tx")->bytes_total);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Transfer, testing::Range(1u, 301u));

Bytes zeros(size_t size) {
  Block block(size);
  if (size > 0) std::memset(block.data(), 0, size);
  return block.share();
}

TEST(DownloadService, ServesOnlyWhatIsThere) {
  DownloadService service{Limits()};
  std::string refusal;
  service.add("tx", {zeros(100), zeros(0)}, {}, std::nullopt, {});
  const auto served = [&](const ChunkRequest &request, const std::string &receiver = "") {
    return service.serve(request, receiver, {}, &refusal).has_value();
  };
  EXPECT_TRUE(served({"tx", 0, 0, 100}));
  EXPECT_TRUE(served({"tx", 0, 99, 1}));
  EXPECT_FALSE(served({"tx", 0, 0, 101}));
  EXPECT_FALSE(served({"tx", 0, 100, 1}));
  EXPECT_FALSE(served({"tx", 0, UINT64_MAX, 2})) << "offset + length overflows";
  EXPECT_FALSE(served({"tx", 0, 0, 0}));
  EXPECT_FALSE(served({"tx", 0, 0, UINT32_MAX}));
  EXPECT_FALSE(served({"tx", 1, 0, 1}));
  EXPECT_FALSE(served({"tx", 2, 0, 1}));
  EXPECT_FALSE(served({"other", 0, 0, 1}));
  EXPECT_FALSE(served({"tx", 0, 0, 1}, "stranger"));
  EXPECT_FALSE(refusal.empty());
}

TEST(DownloadService, StallsWithoutNewBytesAndSaysHowFarItWas) {
  Limits limits;
  limits.chunk_bytes = 10;
  DownloadService service(limits);
  std::string refusal;
  TimePoint now{};
  service.add("tx", {zeros(100)}, {}, 10s, now);
  now += 9s;
  service.serve({"tx", 0, 0, 10}, "", now, &refusal);
  now += 9s;
  service.serve({"tx", 0, 0, 10}, "", now, &refusal);  // the same again is no progress
  service.on_time(now);
  EXPECT_TRUE(service.take_settled().empty());
  EXPECT_EQ(service.deadline(), now + 1s);
  now += 1s;
  service.on_time(now);
  const auto settled = service.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].status, FLARE_STALLED);
  EXPECT_NE(settled[0].reason.find("10 of 100 bytes"), std::string::npos) << settled[0].reason;
  EXPECT_EQ(service.live(), 0u);
  EXPECT_FALSE(service.deadline());
}

TEST(DownloadService, EveryDeclaredReceiverConfirms) {
  DownloadService service{Limits()};
  service.add("tx", {zeros(1)}, {"a", "b"}, std::nullopt, {});
  EXPECT_TRUE(service.confirm("tx", "a", true, "", {}));
  EXPECT_TRUE(service.confirm("tx", "a", true, "", {})) << "a repeat is known";
  EXPECT_FALSE(service.confirm("tx", "c", true, "", {}));
  EXPECT_TRUE(service.take_settled().empty());
  EXPECT_TRUE(service.confirm("tx", "b", true, "", {}));
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
  EXPECT_TRUE(service.confirm("tx", "b", true, "", {})) << "so that it can be acknowledged again";
  EXPECT_TRUE(service.take_settled().empty()) << "settled once";
}

TEST(DownloadService, CancelSettlesOnceWithItsReason) {
  DownloadService service{Limits()};
  service.add("tx", {zeros(1)}, {}, std::nullopt, {});
  service.cancel("tx", FLARE_ABORTED, "because");
  service.cancel("tx", FLARE_STALLED, "again");
  const auto settled = service.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].reason, "because");
  EXPECT_FALSE(service.confirm("never", "", true, "", {}));
}

TEST(DownloadService, IsBounded) {
  Limits limits;
  limits.max_transactions = 2;
  limits.max_outcomes = 3;
  DownloadService service(limits);
  service.add("a", {}, {}, std::nullopt, {});
  EXPECT_THROW(service.add("a", {}, {}, std::nullopt, {}), std::exception);
  service.add("b", {}, {}, std::nullopt, {});
  EXPECT_THROW(service.add("c", {}, {}, std::nullopt, {}), std::exception);
  service.cancel_all(FLARE_STOPPED, "x");
  for (int i = 0; i < 10; ++i) {
    const std::string id = "t" + std::to_string(i);
    service.add(id, {}, {}, std::nullopt, {});
    service.cancel(id, FLARE_STOPPED, "x");
  }
  EXPECT_FALSE(service.progress("t0"));
  EXPECT_TRUE(service.progress("t9"));
}

TEST(Downloader, RefusesSizesBeyondTheLimits) {
  Limits limits;
  limits.chunk_bytes = 10;
  limits.max_tensor_bytes = 100;
  limits.max_message_bytes = 150;
  EXPECT_THROW(Downloader("tx", {101}, 1s, 1s, limits, {}), std::exception);
  EXPECT_THROW(Downloader("tx", {100, 51}, 1s, 1s, limits, {}), std::exception);
  EXPECT_THROW(Downloader("tx", {UINT64_MAX, UINT64_MAX}, 1s, 1s, limits, {}), std::exception);
  EXPECT_NO_THROW(Downloader("tx", {100, 50}, 1s, 1s, limits, {}));
}

TEST(Downloader, NothingToFetchIsComplete) {
  EXPECT_EQ(Downloader("tx", {}, 1s, 1s, Limits(), {}).state(), Downloader::State::kComplete);
  EXPECT_EQ(Downloader("tx", {0, 0}, 1s, 1s, Limits(), {}).state(), Downloader::State::kComplete);
}

TEST(Downloader, ChunksNobodyAskedForChangeNothing) {
  Downloader downloader("tx", {10}, 1s, 1s, Limits(), {});
  const char data[10] = "123456789";
  EXPECT_EQ(downloader.on_chunk(0, 0, data, 10, checksum(data, 10), {}), Downloader::Verdict::kRepeated);
  EXPECT_EQ(downloader.on_chunk(0, 10, data, 1, checksum(data, 1), {}), Downloader::Verdict::kUnexpected);
  EXPECT_EQ(downloader.on_chunk(9, 0, data, 1, checksum(data, 1), {}), Downloader::Verdict::kUnexpected);
  downloader.take_requests({});
  EXPECT_EQ(downloader.on_chunk(0, 0, data, 9, checksum(data, 9), {}), Downloader::Verdict::kCorrupt) << "too short";
  downloader.take_requests({});
  EXPECT_EQ(downloader.on_chunk(0, 0, data, 10, checksum(data, 10), {}), Downloader::Verdict::kStored);
  EXPECT_EQ(downloader.state(), Downloader::State::kComplete);
}

TEST(Downloader, WhatIsAlwaysCorruptFailsByName) {
  Downloader downloader("tx", {10}, std::nullopt, 1s, Limits(), {});
  const char data[10] = "123456789";
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(downloader.take_requests({}).size(), 1u) << i;
    downloader.on_chunk(0, 0, data, 10, 0, {});
  }
  EXPECT_EQ(downloader.status(), FLARE_PROTOCOL);
  EXPECT_NE(downloader.reason().find("object 0"), std::string::npos);
}

TEST(Downloader, StallsWithoutBytesButNotWithoutAConnection) {
  TimePoint now{};
  Downloader downloader("tx", {10}, 10s, 2s, Limits(), now);
  downloader.take_requests(now);
  EXPECT_EQ(downloader.deadline(), now + 2s);
  downloader.on_disconnected();
  EXPECT_FALSE(downloader.deadline());
  now += 100s;
  downloader.on_time(now);
  EXPECT_EQ(downloader.state(), Downloader::State::kRunning);
  downloader.on_reconnected(now);
  now += 10s;
  downloader.on_time(now);
  EXPECT_EQ(downloader.status(), FLARE_STALLED);
}

}  // namespace
}  // namespace flare
