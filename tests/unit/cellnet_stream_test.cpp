// One blob out, one blob in: windows, acknowledgements, order, and what no honest sender sends.
#include <gmock/gmock.h>

#include <map>
#include <numeric>
#include <random>

#include "base/failure.h"
#include "cellnet_samples.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// Chunks refer to it for as long as a test likes.
const std::string &content_of(size_t size) {
  static std::map<size_t, std::string> contents;
  std::string &content = contents[size];
  for (size_t i = content.size(); i < size; ++i) content += static_cast<char>(i * 2654435761u >> 13);
  return content;
}

CellLimits small_chunks() {
  CellLimits limits;
  limits.chunk_bytes = 10;
  limits.window_bytes = 160;
  limits.acknowledge_after = 40;
  return limits;
}

StreamOut stream_out(const std::string &content, const CellLimits &limits) {
  Blob blob;
  blob.destination = kThem;
  blob.channel = "cell_pipe.task";
  blob.topic = "train";
  blob.content = view(content);
  return {7, blob, blob.headers, limits, kStart};
}

std::vector<OutgoingMessage> chunks_of(const std::string &content, CellLimits limits) {
  limits.window_bytes = content.size();
  StreamOut stream = stream_out(content, limits);
  std::vector<OutgoingMessage> chunks;
  while (!stream.done()) chunks.push_back(stream.next_chunk(kStart));
  return chunks;
}

struct Arriving {
  explicit Arriving(const Map &headers, const CellLimits &limits = small_chunks())
      : stream(headers, limits, kStart, places) {}
  Arriving(const Map &headers, BlobPlaces where)
      : places(std::move(where)), stream(headers, small_chunks(), kStart, places) {}
  bool take(const OutgoingMessage &chunk, TimePoint now = kStart) {
    return stream.on_chunk(chunk.headers, chunk.payload.pieces().empty() ? Bytes() : chunk.payload.pieces()[0], now);
  }
  std::string failure(const OutgoingMessage &chunk) {
    try {
      take(chunk);
    } catch (const Failure &failure) {
      return failure.what();
    }
    return "";
  }

  BlobPlaces places;
  StreamIn stream;
};

OutgoingMessage with(OutgoingMessage chunk, std::string_view key, Value value) {
  chunk.headers.set(key, std::move(value));
  return chunk;
}

TEST(CellnetStreamOut, CutsIntoChunksWhoseLastCarriesData) {
  for (const auto &[size, count] : std::vector<std::pair<size_t, size_t>>{{0, 1}, {1, 1}, {10, 1}, {11, 2}, {30, 3}}) {
    const std::string content = content_of(size);
    const auto chunks = chunks_of(content, small_chunks());
    ASSERT_EQ(chunks.size(), count) << size;
    std::string whole;
    for (size_t i = 0; i < chunks.size(); ++i) {
      EXPECT_EQ(number_of(chunks[i].headers, stream_key::kSequence), i);
      EXPECT_EQ(number_of(chunks[i].headers, stream_key::kOffset), whole.size());
      EXPECT_EQ(number_of(chunks[i].headers, stream_key::kSize), size);
      EXPECT_EQ(number_of(chunks[i].headers, stream_key::kKind), i + 1 == count ? 2 : 1);
      if (size == 0) continue;
      ASSERT_EQ(chunks[i].payload.pieces().size(), 1u);
      const Bytes &payload = chunks[i].payload.pieces()[0];
      whole += payload.text();
      EXPECT_EQ(static_cast<const void *>(payload.data), content.data() + 10 * i) << "a copy";
    }
    EXPECT_EQ(whole, content);
  }
}

TEST(CellnetStreamOut, CutsWhatLiesInPiecesWithoutPuttingThemTogether) {
  const std::string first = "0123456", second = "78", third = "9abcdefghijklmnopq";
  Blob blob;
  blob.content = Chain({view(first), {}, view(second), view(third)});
  StreamOut stream(7, blob, blob.headers, small_chunks(), kStart);
  std::vector<std::string> chunks;
  while (!stream.done()) {
    std::string text;
    const auto chunk = stream.next_chunk(kStart);
    for (const Bytes &piece : chunk.payload.pieces()) text += "(" + std::string(piece.text()) + ")";
    chunks.push_back(text);
  }
  EXPECT_THAT(chunks, ElementsAre("(0123456)(78)(9)", "(abcdefghij)", "(klmnopq)"));
}

TEST(CellnetStreamOut, WaitsWhenTheWindowIsFull) {
  const std::string content = content_of(500);
  StreamOut stream = stream_out(content, small_chunks());
  int sent = 0;
  for (; stream.may_send(); ++sent) stream.next_chunk(kStart);
  EXPECT_EQ(sent, 17);  // while no more than 160 bytes are not acknowledged, one more goes
  EXPECT_EQ(stream.deadline(), kStart + 60s);
  EXPECT_TRUE(stream.on_ack(50, kStart + 1s));
  for (; stream.may_send(); ++sent) stream.next_chunk(kStart + 2s);
  EXPECT_EQ(sent, 22);
  EXPECT_EQ(stream.deadline(), kStart + 62s);
}

TEST(CellnetStreamOut, BelievesNoAckThatCannotBe) {
  const std::string content = content_of(500);
  StreamOut stream = stream_out(content, small_chunks());
  while (stream.may_send()) stream.next_chunk(kStart);
  EXPECT_FALSE(stream.on_ack(171, kStart));  // of what was never sent
  EXPECT_FALSE(stream.on_ack(-1, kStart));
  EXPECT_FALSE(stream.on_ack(0, kStart));
  EXPECT_FALSE(stream.may_send());
  EXPECT_TRUE(stream.on_ack(170, kStart));
  EXPECT_FALSE(stream.on_ack(50, kStart));  // late
  EXPECT_TRUE(stream.may_send());
}

TEST(CellnetStreamIn, TakesChunksInAnyOrderAndMoreThanOnce) {
  const std::string content = content_of(1234);
  auto chunks = chunks_of(content, small_chunks());
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<size_t> order(2 * chunks.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i / 2;
    std::shuffle(order.begin(), order.end(), random);
    Arriving in(chunks[order[0]].headers);
    size_t news = 0;
    for (const size_t i : order) {
      EXPECT_EQ(in.stream.whole(), news == chunks.size());
      if (in.take(chunks[i])) ++news;
    }
    EXPECT_EQ(news, chunks.size());
    EXPECT_TRUE(in.stream.whole());
    EXPECT_EQ(in.stream.content().text(), content);
  }
}

TEST(CellnetStreamIn, TakesBlobsWhoseSizeIsNotKnown) {
  const std::string content = content_of(777);
  auto chunks = chunks_of(content, small_chunks());
  for (auto &chunk : chunks) chunk.headers.set(stream_key::kSize, 0);
  std::swap(chunks[3], chunks[40]);
  Arriving in(chunks[0].headers);
  for (const auto &chunk : chunks) in.take(chunk);
  EXPECT_TRUE(in.stream.whole());
  EXPECT_EQ(in.stream.content().text(), content);
}

TEST(CellnetStreamIn, IsOneBlockWithoutCopies) {
  const std::string content = content_of(100);
  const auto chunks = chunks_of(content, small_chunks());
  Arriving in(chunks[0].headers);
  EXPECT_EQ(in.stream.reserved_bytes(), 100u);
  const auto *before = in.stream.content().data;
  for (const auto &chunk : chunks) in.take(chunk);
  EXPECT_EQ(in.stream.content().data, before);
  EXPECT_EQ(in.stream.reserved_bytes(), 100u);
}

TEST(CellnetStreamIn, PutsABlobWhereItsElementsAreAlignedWhateverComesFirst) {
  const std::string content = content_of(200);
  const auto chunks = chunks_of(content, small_chunks());
  for (const size_t first : {size_t{0}, size_t{3}, size_t{19}}) {
    for (const size_t at : {size_t{0}, size_t{5}, size_t{64}, size_t{199}}) {
      Arriving in(chunks[0].headers, {nullptr, [&](const Bytes &beginning) {
                                        EXPECT_EQ(beginning.text(), content.substr(0, 10));
                                        return at;
                                      }});
      in.take(chunks[first]);
      for (const auto &chunk : chunks) in.take(chunk);
      ASSERT_TRUE(in.stream.whole());
      EXPECT_EQ(in.stream.content().text(), content);
      EXPECT_EQ((reinterpret_cast<uintptr_t>(in.stream.content().data) + at) % 64, 0u);
      EXPECT_EQ(in.stream.reserved_bytes(), 264u);
    }
  }
}

TEST(CellnetStreamIn, AcknowledgesWhatHasNoGapAndNothingOnceTheLastIsHere) {
  const auto chunks = chunks_of(content_of(200), small_chunks());
  Arriving in(chunks[0].headers);
  for (const size_t i : {0u, 1u, 2u, 3u}) in.take(chunks[i]);
  EXPECT_FALSE(in.stream.take_ack());  // 40 bytes are not more than 40
  in.take(chunks[6]);
  EXPECT_FALSE(in.stream.take_ack());
  in.take(chunks[4]);
  EXPECT_EQ(in.stream.take_ack(), 50);
  EXPECT_FALSE(in.stream.take_ack());
  in.take(chunks[5]);
  for (const size_t i : {7u, 8u}) in.take(chunks[i]);
  EXPECT_FALSE(in.stream.take_ack());
  in.take(chunks[19]);
  in.take(chunks[9]);
  EXPECT_FALSE(in.stream.take_ack());
}

TEST(CellnetStreamIn, RefusesChunksThatAreNotThoseOfOneBlob) {
  const auto chunks = chunks_of(content_of(100), small_chunks());
  const auto refused = [&](const OutgoingMessage &chunk, size_t before = 0) {
    Arriving in(chunks[0].headers);
    for (size_t i = 0; i < before; ++i) in.take(chunks[i]);
    return in.failure(chunk);
  };
  EXPECT_EQ(refused(chunks[1]), "");
  EXPECT_THAT(refused(with(chunks[1], stream_key::kSequence, -1)), HasSubstr("without number"));
  EXPECT_THAT(refused(with(chunks[1], stream_key::kSequence, "1")), HasSubstr("without number"));
  EXPECT_THAT(refused(with(chunks[1], stream_key::kOffset, Value())), HasSubstr("or place"));
  EXPECT_THAT(refused(with(chunks[1], stream_key::kKind, 4)), HasSubstr("neither"));
  EXPECT_THAT(refused(with(chunks[1], stream_key::kOffset, 91)), HasSubstr("more bytes than the 100"));
  EXPECT_THAT(refused(with(chunks[1], stream_key::kOffset, std::numeric_limits<int64_t>::max())),
              HasSubstr("more bytes"));
  EXPECT_THAT(refused(with(chunks[1], stream_key::kOffset, 20), 1), HasSubstr("begins at 20 instead of 10"));
  EXPECT_THAT(refused(with(chunks[5], stream_key::kKind, stream_kind::kFinal), 5), HasSubstr("announced with 100"));
}

TEST(CellnetStreamIn, RefusesASecondEnd) {
  const auto chunks = chunks_of(content_of(100), small_chunks());
  const OutgoingMessage last = with(chunks[5], stream_key::kKind, stream_kind::kFinal);
  Arriving behind(chunks[0].headers);
  behind.take(last);
  EXPECT_THAT(behind.failure(chunks[6]), HasSubstr("behind the last"));
  Arriving before(chunks[0].headers);
  before.take(chunks[6]);
  EXPECT_THAT(before.failure(last), HasSubstr("second last"));
}

TEST(CellnetStreamIn, RefusesAnEarlyChunkInTheWrongPlace) {
  const auto chunks = chunks_of(content_of(100), small_chunks());
  Arriving in(chunks[0].headers);
  in.take(with(chunks[2], stream_key::kOffset, 30));
  in.take(chunks[0]);
  EXPECT_THAT(in.failure(chunks[1]), HasSubstr("not where it belongs"));
}

TEST(CellnetStreamIn, KeepsNoMoreThanItsLimits) {
  CellLimits limits = small_chunks();
  limits.max_blob_bytes = 99;
  const auto chunks = chunks_of(content_of(100), limits);
  EXPECT_THROW(Arriving(chunks[0].headers, limits), Failure);
  EXPECT_THROW(Arriving(with(chunks[0], stream_key::kSize, -5).headers, limits), Failure);
  EXPECT_THROW(Arriving(with(chunks[0], stream_key::kSize, "much").headers, limits), Failure);

  // Of a size that is not known.
  limits.max_ahead_bytes = 20;
  Arriving in(with(chunks[0], stream_key::kSize, 0).headers, limits);
  EXPECT_THAT(in.failure(chunks[3]), HasSubstr("too far ahead"));
  for (size_t i = 0; i < 9; ++i) in.take(chunks[i]);
  EXPECT_LE(in.stream.reserved_bytes(), 99u);
  EXPECT_THAT(in.failure(chunks[9]), HasSubstr("more bytes than the 99"));

  limits = small_chunks();
  limits.max_out_of_order = 3;
  Arriving unordered(chunks[0].headers, limits);
  for (const size_t i : {9u, 8u, 7u}) unordered.take(chunks[i]);
  EXPECT_THAT(unordered.failure(chunks[6]), HasSubstr("too many chunks before"));
}

TEST(CellnetStreamIn, ItsTimeRunsFromTheLastNews) {
  const auto chunks = chunks_of(content_of(100), small_chunks());
  Arriving in(chunks[0].headers);
  in.take(chunks[0], kStart + 5s);
  in.take(chunks[0], kStart + 50s);  // a repeat is no news
  EXPECT_EQ(in.stream.deadline(), kStart + 305s);
}

}  // namespace
}  // namespace flare
