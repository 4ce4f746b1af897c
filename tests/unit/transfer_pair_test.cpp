// ChunkService and Downloader against each other over a link that loses, repeats, reorders and corrupts, in
// virtual time: a transfer ends complete with the same bytes, or failed with a reason, and it always ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <variant>
#include <vector>

#include "base/checksum.h"
#include "transfer/chunk_service.h"
#include "transfer/downloader.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using State = Downloader::State;

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
  ChunkService service(limits);
  service.add("tx", objects, {});
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
      const auto bytes = service.serve(request, "", &refusal);
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
    service.confirm("tx", "", false, downloader.reason());
    ASSERT_EQ(service.take_settled().at(0).status, FLARE_ABORTED);
    return;
  }
  EXPECT_EQ(downloader.progress().bytes_done, downloader.progress().bytes_total);
  const auto received = downloader.take_objects();
  ASSERT_EQ(received.size(), objects.size());
  for (size_t i = 0; i < objects.size(); ++i) EXPECT_EQ(received[i].text(), objects[i].text());
  EXPECT_TRUE(service.confirm("tx", "", true, ""));
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Transfer, testing::Range(1u, 301u));

Bytes zeros(size_t size) {
  Block block(size);
  if (size > 0) std::memset(block.data(), 0, size);
  return block.share();
}

TEST(ChunkService, ServesOnlyWhatIsThere) {
  ChunkService service{Limits()};
  std::string refusal;
  service.add("tx", {zeros(100), zeros(0)}, {});
  const auto served = [&](const ChunkRequest &request, const std::string &receiver = "") {
    return service.serve(request, receiver, &refusal).has_value();
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

TEST(ChunkService, EveryDeclaredReceiverConfirms) {
  ChunkService service{Limits()};
  service.add("tx", {zeros(1)}, {"a", "b"});
  EXPECT_TRUE(service.confirm("tx", "a", true, ""));
  EXPECT_TRUE(service.confirm("tx", "a", true, "")) << "a repeat is known";
  EXPECT_FALSE(service.confirm("tx", "c", true, ""));
  EXPECT_TRUE(service.take_settled().empty());
  EXPECT_TRUE(service.confirm("tx", "b", true, ""));
  EXPECT_EQ(service.take_settled().at(0).status, FLARE_OK);
  EXPECT_TRUE(service.confirm("tx", "b", true, "")) << "so that it can be acknowledged again";
  EXPECT_TRUE(service.take_settled().empty()) << "settled once";
}

TEST(ChunkService, CancelSettlesOnceWithItsReason) {
  ChunkService service{Limits()};
  service.add("tx", {zeros(1)}, {});
  service.cancel("tx", FLARE_ABORTED, "because");
  service.cancel("tx", FLARE_STALLED, "again");
  const auto settled = service.take_settled();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].reason, "because");
  EXPECT_FALSE(service.confirm("never", "", true, ""));
}

TEST(ChunkService, IsBounded) {
  Limits limits;
  limits.max_transactions = 2;
  limits.max_outcomes = 3;
  ChunkService service(limits);
  service.add("a", {}, {});
  EXPECT_THROW(service.add("a", {}, {}), std::exception);
  service.add("b", {}, {});
  EXPECT_THROW(service.add("c", {}, {}), std::exception);
  service.cancel_all(FLARE_STOPPED, "x");
  for (int i = 0; i < 10; ++i) {
    const std::string id = "t" + std::to_string(i);
    service.add(id, {}, {});
    service.cancel(id, FLARE_STOPPED, "x");
  }
  EXPECT_FALSE(service.confirm("t0", "", true, "")) << "forgotten";
  EXPECT_TRUE(service.confirm("t9", "", true, ""));
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

struct Chunk {
  uint32_t object;
  uint64_t offset;
  std::vector<std::byte> data;
  uint64_t sum;
};
struct Refusal {
  std::string reason;
};
struct Settled {
  bool success;
  std::string reason;
};
using Parcel = std::variant<ChunkRequest, Chunk, Refusal, Settled>;

// Both ends over a link that delays and reorders in both directions as well, and breaks now and then.
class Exchange {
 public:
  explicit Exchange(unsigned seed) : random_(seed) {
    limits_.chunk_bytes = 1 + below(300);
    limits_.chunk_window = 1 + below(8);
    loss_ = below(40);
    repeats_ = below(40);
    corruption_ = below(4) == 0 ? below(20) : 0;
    breaks_ = below(3) == 0 ? 2 : 0;
    delay_ms_ = below(2) == 0 ? below(100) : below(8000);
    for (size_t count = below(8); objects_.size() < count;) {
      Block block(below(4) == 0 ? 0 : below(4000));
      for (size_t i = 0; i < block.size(); ++i) block.data()[i] = static_cast<std::byte>(random_());
      sizes_.push_back(block.size());
      objects_.push_back(block.share());
    }
    idle_timeout_ = std::chrono::seconds(20 + below(200));
    service_ = std::make_unique<ChunkService>(limits_);
    service_->add("tx", objects_, {});
    downloader_ = std::make_unique<Downloader>("tx", sizes_, idle_timeout_, 2s, limits_, now_);
  }

  void run() {
    const TimePoint too_long = now_ + 1000h;
    while (!over_) {
      pump();
      if (testing::Test::HasFatalFailure()) return;
      if (over_) break;
      std::optional<TimePoint> next = downloader_->deadline();
      if (!link_.empty()) next = earlier(next, link_.begin()->first);
      if (back_at_) next = earlier(next, back_at_);
      if (downloader_->state() != State::kRunning) next = earlier(next, next_word_);
      ASSERT_TRUE(next) << "nothing will ever happen again";
      ASSERT_GE(*next, now_);
      now_ = *next;
      ASSERT_LT(now_, too_long);
      step();
    }
    check_end();
  }

  bool complete() const { return downloader_->state() == State::kComplete; }

 private:
  uint64_t below(uint64_t bound) { return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random_); }
  bool chance(uint64_t percent) { return below(100) < percent; }

  void send(const Parcel &packet) {
    if (back_at_) return;
    if (chance(loss_)) return;
    for (int copies = chance(repeats_) ? 2 : 1; copies > 0; --copies) {
      const auto arrival = now_ + std::chrono::milliseconds(1 + below(delay_ms_ + 1));
      link_.emplace(arrival, chance(corruption_) ? corrupted(packet) : packet);
    }
  }

  Parcel corrupted(Parcel packet) {
    if (auto *request = std::get_if<ChunkRequest>(&packet)) {
      // An owner refuses what is not there, which ends the transfer: mostly stay inside.
      if (chance(90)) return packet;
      request->object = static_cast<uint32_t>(random_());
      request->offset = random_();
    } else if (auto *chunk = std::get_if<Chunk>(&packet)) {
      switch (below(6)) {
        case 0: chunk->data[below(chunk->data.size())] ^= std::byte{4}; break;
        case 1: chunk->sum ^= 1; break;
        case 2: chunk->data.pop_back(); break;
        case 3: chunk->data.resize(chunk->data.size() + 1 + below(1000)); break;
        // Only to places that nobody asked for: the checksum is of the bytes and does not know their place.
        case 4: chunk->offset = random_(); break;
        default: chunk->object = static_cast<uint32_t>(random_()); break;
      }
    }
    return packet;
  }

  // What both ends do after every event.
  void pump() {
    const auto requests = downloader_->take_requests(now_);
    for (const ChunkRequest &request : requests) {
      ASSERT_LT(request.object, sizes_.size());
      ASSERT_GE(request.length, 1u);
      ASSERT_LE(request.length, limits_.chunk_bytes);
      ASSERT_LE(request.offset + request.length, sizes_[request.object]);
      under_way_.insert({request.object, request.offset});
      send(request);
    }
    ASSERT_LE(under_way_.size(), limits_.chunk_window);
    if (downloader_->state() != State::kRunning && now_ >= next_word_) {
      send(Settled{complete(), downloader_->reason()});
      next_word_ = now_ + 2s;
    }
    for (const auto &settlement : service_->take_settled()) {
      ASSERT_FALSE(over_) << "settled twice";
      over_ = settlement;
    }
  }

  void step() {
    downloader_->on_time(now_);
    if (back_at_ && now_ >= *back_at_) {
      back_at_.reset();
      downloader_->on_reconnected(now_);
    } else if (!back_at_ && chance(breaks_)) {
      back_at_ = now_ + 5s;
      link_.clear();
      downloader_->on_disconnected();
    }
    while (!link_.empty() && link_.begin()->first <= now_) {
      const Parcel packet = std::move(link_.extract(link_.begin()).mapped());
      std::visit([this](const auto &content) { deliver(content); }, packet);
    }
  }

  void deliver(const ChunkRequest &request) {
    std::string refusal;
    const auto bytes = service_->serve(request, "", &refusal);
    if (!bytes) {
      EXPECT_FALSE(refusal.empty());
      send(Refusal{refusal});
      return;
    }
    EXPECT_EQ(bytes->data, objects_[request.object].data + request.offset);
    send(Chunk{
        request.object, request.offset, {bytes->data, bytes->data + bytes->size}, checksum(bytes->data, bytes->size)});
  }
  void deliver(const Chunk &chunk) {
    const int64_t before = downloader_->progress().bytes_done;
    const auto verdict =
        downloader_->on_chunk(chunk.object, chunk.offset, chunk.data.data(), chunk.data.size(), chunk.sum, now_);
    const bool stored = verdict == Downloader::Verdict::kStored;
    EXPECT_EQ(downloader_->progress().bytes_done - before, stored ? static_cast<int64_t>(chunk.data.size()) : 0);
    if (stored) under_way_.erase({chunk.object, chunk.offset});
  }
  void deliver(const Refusal &refusal) { downloader_->on_refused(FLARE_ABORTED, refusal.reason); }
  void deliver(const Settled &settled) { service_->confirm("tx", "", settled.success, settled.reason); }

  void check_end() {
    if (downloader_->state() == State::kFailed) {
      EXPECT_FALSE(downloader_->reason().empty());
      EXPECT_NE(downloader_->status(), FLARE_OK);
    }
    EXPECT_EQ(service_->live(), 0u);
    if (over_->status != FLARE_OK) {
      EXPECT_FALSE(over_->reason.empty());
      return;
    }
    ASSERT_TRUE(complete());
    const auto received = downloader_->take_objects();
    ASSERT_EQ(received.size(), objects_.size());
    for (size_t i = 0; i < objects_.size(); ++i) EXPECT_EQ(received[i].text(), objects_[i].text()) << "object " << i;
  }

  std::mt19937_64 random_;
  Limits limits_;
  uint64_t loss_, repeats_, corruption_, breaks_, delay_ms_;
  std::vector<Bytes> objects_;
  std::vector<uint64_t> sizes_;
  Duration idle_timeout_;
  TimePoint now_{1h};
  std::unique_ptr<ChunkService> service_;
  std::unique_ptr<Downloader> downloader_;
  std::multimap<TimePoint, Parcel> link_;
  std::set<std::pair<uint32_t, uint64_t>> under_way_;  // asked for and not here
  std::optional<TimePoint> back_at_;                   // while the link is broken
  TimePoint next_word_{};
  std::optional<ChunkService::Settlement> over_;
};

TEST(TransferOverABadLink, EndsWithTheSameBytesOrAReason) {
  int complete = 0;
  const int seeds = 1000;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Exchange exchange(seed);
    exchange.run();
    if (HasFailure()) return;
    complete += exchange.complete();
  }
  EXPECT_GT(complete, seeds / 2) << "most links are not that bad";
  EXPECT_LT(complete, seeds) << "some are";
}

}  // namespace
}  // namespace flare
