#include "transfer/downloader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/checksum.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using State = Downloader::State;
using Verdict = Downloader::Verdict;

std::byte content(uint32_t object, uint64_t offset) { return static_cast<std::byte>(object * 31 + offset * 7); }

std::vector<std::byte> chunk_of(const ChunkRequest &request) {
  std::vector<std::byte> data(request.length);
  for (uint64_t i = 0; i < data.size(); ++i) data[i] = content(request.object, request.offset + i);
  return data;
}

// Chunks of 10 bytes, four of them under way.
class DownloaderTest : public testing::Test {
 protected:
  static Limits small_limits() {
    Limits limits;
    limits.chunk_bytes = 10;
    limits.chunk_window = 4;
    return limits;
  }
  Downloader make(std::vector<uint64_t> sizes, std::optional<Duration> idle_timeout = 600s) {
    return {"tx", std::move(sizes), idle_timeout, 4s, small_limits(), now};
  }
  Verdict answer(Downloader *downloader, const ChunkRequest &request) {
    const auto data = chunk_of(request);
    return downloader->on_chunk(request.object, request.offset, data.data(), data.size(),
                                checksum(data.data(), data.size()), now);
  }

  TimePoint now{1h};
};

// The owner at the other end of a slow link that keeps the order: one chunk each `chunk_time`.
struct SlowLink {
  Duration chunk_time;
  TimePoint free;
  std::deque<std::pair<TimePoint, ChunkRequest>> under_way;
  size_t asked = 0;

  void ask(std::vector<ChunkRequest> requests, TimePoint now) {
    for (auto &request : requests) {
      ++asked;
      free = std::max(free, now) + chunk_time;
      under_way.emplace_back(free, std::move(request));
    }
  }
};

TEST_F(DownloaderTest, AsksInOrderAndKeepsTheWindow) {
  Downloader downloader = make({25, 0, 30});
  auto requests = downloader.take_requests(now);
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_TRUE(downloader.take_requests(now).empty());
  EXPECT_EQ(requests[2].offset, 20u);
  EXPECT_EQ(requests[2].length, 5u) << "the rest of the object";
  EXPECT_EQ(requests[3].object, 2u) << "the empty one has nothing to fetch";
  EXPECT_EQ(answer(&downloader, requests[1]), Verdict::kStored);
  requests = downloader.take_requests(now);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].offset, 10u);
}

TEST_F(DownloaderTest, ReportsNewsAndNotTooOften) {
  Downloader downloader = make({25});
  const auto requests = downloader.take_requests(now);
  EXPECT_FALSE(downloader.take_report(now)) << "nothing is here";
  answer(&downloader, requests[1]);
  ASSERT_TRUE(downloader.take_report(now));
  EXPECT_FALSE(downloader.take_report(now));
  answer(&downloader, requests[0]);
  now += 99ms;
  EXPECT_FALSE(downloader.take_report(now));
  now += 1ms;
  EXPECT_EQ(downloader.take_report(now)->bytes_done, 20);
  answer(&downloader, requests[2]);
  now += 1s;
  EXPECT_FALSE(downloader.take_report(now)) << "the word that all is here says more";
}

TEST_F(DownloaderTest, PutsEachChunkInItsPlaceWhateverTheOrder) {
  const std::vector<uint64_t> sizes{25, 0, 30, 1};
  Downloader downloader = make(sizes);
  std::vector<ChunkRequest> asked;
  while (downloader.state() == State::kRunning) {
    for (auto &request : downloader.take_requests(now)) asked.push_back(request);
    ASSERT_EQ(answer(&downloader, asked.back()), Verdict::kStored);
    asked.pop_back();
  }
  EXPECT_EQ(downloader.progress().items_done, 4);
  const auto objects = downloader.take_objects();
  ASSERT_EQ(objects.size(), sizes.size());
  for (uint32_t i = 0; i < objects.size(); ++i) {
    ASSERT_EQ(objects[i].size, sizes[i]);
    for (uint64_t j = 0; j < sizes[i]; ++j) ASSERT_EQ(objects[i].data[j], content(i, j)) << i << " at " << j;
  }
}

TEST_F(DownloaderTest, AsksAgainForWhatStaysUnanswered) {
  Downloader downloader = make({20});
  const auto requests = downloader.take_requests(now);
  now += 1s;
  answer(&downloader, requests[0]);
  EXPECT_EQ(downloader.deadline(), now + 4s) << "nothing is missed while chunks come";
  now += 4s;
  downloader.on_time(now);
  const auto again = downloader.take_requests(now);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].offset, 10u);
  EXPECT_EQ(answer(&downloader, requests[1]), Verdict::kStored) << "the answer to the first request, late";
  EXPECT_EQ(answer(&downloader, again[0]), Verdict::kRepeated);
}

// Otherwise the repeated chunks would take the link from the new ones, more and more of them.
TEST_F(DownloaderTest, DoesNotFloodASlowLink) {
  for (const Duration chunk_time : {Duration(500ms), Duration(2s), Duration(8s), Duration(30s)}) {
    SCOPED_TRACE(chunk_time.count());
    const size_t chunks = 200;
    Downloader downloader = make({10 * chunks});
    SlowLink link{chunk_time, now, {}};
    const TimePoint start = now;
    while (downloader.state() == State::kRunning) {
      link.ask(downloader.take_requests(now), now);
      const auto deadline = downloader.deadline();
      ASSERT_TRUE(deadline);
      if (*deadline < link.under_way.front().first) {
        now = *deadline;
        downloader.on_time(now);
        continue;
      }
      now = link.under_way.front().first;
      answer(&downloader, link.under_way.front().second);
      link.under_way.pop_front();
    }
    EXPECT_EQ(downloader.state(), State::kComplete) << downloader.reason();
    EXPECT_LE(link.asked, chunks + 20);
    EXPECT_LE(now - start, (chunks + 20) * chunk_time);
  }
}

TEST_F(DownloaderTest, MissesAChunkSoonEvenAfterALongPause) {
  Downloader downloader = make({20}, std::nullopt);
  const auto requests = downloader.take_requests(now);
  now += 24h;
  answer(&downloader, requests[0]);
  now += 10min;
  downloader.on_time(now);
  EXPECT_EQ(downloader.take_requests(now).size(), 1u);
}

TEST_F(DownloaderTest, AsksASilentOwnerLessAndLessOften) {
  Downloader downloader = make({40});
  size_t asked = 0;
  for (const TimePoint end = now + 590s; now < end; now += 1s) {
    downloader.on_time(now);
    asked += downloader.take_requests(now).size();
  }
  EXPECT_EQ(downloader.state(), State::kRunning);
  EXPECT_GE(asked, 4u * 8);
  EXPECT_LE(asked, 4u * 16);
  answer(&downloader, {"tx", 0, 0, 10});
  EXPECT_EQ(downloader.progress().bytes_done, 10);
}

TEST_F(DownloaderTest, AfterAReconnectAsksOnlyForWhatIsMissing) {
  Downloader downloader = make({40});
  const auto requests = downloader.take_requests(now);
  answer(&downloader, requests[2]);
  downloader.on_disconnected();
  EXPECT_TRUE(downloader.take_requests(now).empty());
  now += 1h;
  downloader.on_time(now);
  downloader.on_reconnected(now);
  std::vector<uint64_t> offsets;
  for (const auto &request : downloader.take_requests(now)) offsets.push_back(request.offset);
  EXPECT_THAT(offsets, testing::UnorderedElementsAre(0, 10, 30));
  EXPECT_EQ(downloader.deadline(), now + 4s);
  EXPECT_EQ(answer(&downloader, requests[2]), Verdict::kRepeated);
}

TEST_F(DownloaderTest, AReconnectWithoutADisconnectAsksAgainAsWell) {
  Downloader downloader = make({40});
  downloader.take_requests(now);
  downloader.on_reconnected(now);
  EXPECT_EQ(downloader.take_requests(now).size(), 4u);
}

TEST_F(DownloaderTest, CorruptionIsCountedForEachChunk) {
  Downloader downloader = make({40});
  const char garbage[10] = {};
  for (int round = 0; round < 4; ++round) {
    for (const auto &request : downloader.take_requests(now)) {
      EXPECT_EQ(downloader.on_chunk(0, request.offset, garbage, 10, 1, now), Verdict::kCorrupt);
    }
  }
  ASSERT_EQ(downloader.state(), State::kRunning);
  for (const auto &request : downloader.take_requests(now)) EXPECT_EQ(answer(&downloader, request), Verdict::kStored);
  EXPECT_EQ(downloader.state(), State::kComplete);
}

TEST_F(DownloaderTest, WhatWasRefusedFailsOnceWithItsReason) {
  Downloader downloader = make({40});
  const auto requests = downloader.take_requests(now);
  downloader.on_refused(FLARE_ABORTED, "the trainer cancelled it");
  downloader.on_refused(FLARE_STALLED, "too late");
  EXPECT_EQ(downloader.state(), State::kFailed);
  EXPECT_EQ(downloader.status(), FLARE_ABORTED);
  EXPECT_THAT(downloader.reason(), HasSubstr("the trainer cancelled it"));
  EXPECT_EQ(answer(&downloader, requests[0]), Verdict::kRepeated);
  EXPECT_TRUE(downloader.take_requests(now).empty());
  EXPECT_FALSE(downloader.deadline());
}

TEST_F(DownloaderTest, AStallSaysSinceWhenAndHowFarItWas) {
  Downloader downloader = make({40}, 500ms);
  const auto requests = downloader.take_requests(now);
  answer(&downloader, requests[0]);
  now += 500ms;
  downloader.on_time(now);
  EXPECT_EQ(downloader.status(), FLARE_STALLED);
  EXPECT_THAT(downloader.reason(), HasSubstr("nothing came for 0.5 s"));
  EXPECT_THAT(downloader.reason(), HasSubstr("10 of 40 bytes"));
}

TEST_F(DownloaderTest, RepeatedChunksAreNoProgress) {
  Downloader downloader = make({40}, 10s);
  const auto requests = downloader.take_requests(now);
  answer(&downloader, requests[0]);
  now += 9s;
  answer(&downloader, requests[0]);
  now += 1s;
  downloader.on_time(now);
  EXPECT_EQ(downloader.status(), FLARE_STALLED);
}

TEST_F(DownloaderTest, FetchesAHundredThousandObjects) {
  Downloader downloader = make(std::vector<uint64_t>(100'000, 10));
  while (downloader.state() == State::kRunning) {
    for (const auto &request : downloader.take_requests(now)) ASSERT_EQ(answer(&downloader, request), Verdict::kStored);
    downloader.on_time(now);
  }
  EXPECT_EQ(downloader.progress().items_done, 100'000);
}

}  // namespace
}  // namespace flare
