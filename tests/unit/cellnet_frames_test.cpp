// Frames and the maps in them: what is found in any bytes, and what is refused.
#include <gmock/gmock.h>

#include "base/failure.h"
#include "cellnet_samples.h"

namespace flare {
namespace {

using testing::HasSubstr;

std::string frame_bytes(size_t length, uint16_t header_bytes, char fill = 'x') {
  Prefix prefix;
  prefix.length = static_cast<uint32_t>(length);
  prefix.header_bytes = header_bytes;
  prefix.type = frame_type::kData;
  std::string bytes(std::max(length, kPrefixBytes), fill);
  write_prefix(prefix, reinterpret_cast<std::byte *>(bytes.data()));
  return bytes;
}

template <typename F>
std::pair<flare_status, std::string> failure_of(F &&call) {
  try {
    call();
  } catch (const Failure &failure) {
    return {failure.status(), failure.what()};
  }
  return {FLARE_OK, ""};
}

TEST(CellnetPrefix, IsBigEndianAndComesBack) {
  const Prefix prefix{0x01020304, 0x0506, 7, 8, 0x090a, 0x0b0c, 0x0d0e, 0x0f10};
  std::string bytes(kPrefixBytes, 0);
  write_prefix(prefix, reinterpret_cast<std::byte *>(bytes.data()));
  EXPECT_EQ(bytes, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");
  EXPECT_EQ(read_prefix(reinterpret_cast<const std::byte *>(bytes.data())), prefix);
}

TEST(CellnetFrameParser, TellsHeadersFromPayload) {
  const auto frames = parse_all(frame_bytes(16 + 3 + 2, 3) + frame_bytes(16, 0) + frame_bytes(16 + 4, 4));
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].headers, "xxx");
  EXPECT_EQ(frames[0].payload, "xx");
  EXPECT_EQ(frames[1].payload, "");
  EXPECT_EQ(frames[2].headers, "xxxx");
  EXPECT_EQ(frames[2].payload, "");
}

TEST(CellnetFrameParser, FindsLargeAndSmallFramesInPiecesOfAnySize) {
  std::string bytes;
  for (const size_t size : {size_t{100}, size_t{1} << 20, size_t{5} << 20, size_t{17}, size_t{3} << 20, size_t{16}}) {
    bytes += frame_bytes(size, 0, static_cast<char>('a' + size % 7));
  }
  for (const size_t piece : {size_t{4096}, size_t{1} << 20, size_t{12345}, bytes.size()}) {
    const auto frames = parse_all(bytes, piece);
    ASSERT_EQ(frames.size(), 6u) << piece;
    std::string again;
    for (const auto &frame : frames) {
      std::string prefix(kPrefixBytes, 0);
      write_prefix(frame.prefix, reinterpret_cast<std::byte *>(prefix.data()));
      again += prefix + frame.payload;
    }
    EXPECT_EQ(again == bytes, true) << piece;
  }
}

TEST(CellnetFrameParser, GivesMemoryOfALargeFrameBack) {
  FrameParser parser{CellLimits()};
  parse_all(frame_bytes(size_t{30} << 20, 0), 1 << 20, &parser);
  EXPECT_LT(parser.room().size(), size_t{4} << 20);
}

TEST(CellnetFrameParser, SkipsWhatIsTooLargeAndGoesOn) {
  CellLimits limits;
  limits.max_frame_bytes = 1000;
  const std::string bytes = frame_bytes(1000, 0) + frame_bytes(1001, 0) + frame_bytes(20, 0) + frame_bytes(5000, 7);
  for (const size_t piece : {size_t{1}, size_t{999}, bytes.size()}) {
    const auto frames = parse_all(bytes + frame_bytes(21, 0), piece, limits);
    ASSERT_EQ(frames.size(), 5u);
    EXPECT_FALSE(frames[0].skipped);
    EXPECT_TRUE(frames[1].skipped);
    EXPECT_EQ(frames[1].prefix.length, 1001u);
    EXPECT_EQ(frames[2].payload.size(), 4u);
    EXPECT_TRUE(frames[3].skipped);
    EXPECT_EQ(frames[4].payload.size(), 5u);
  }
}

TEST(CellnetFrameParser, RefusesWhatIsNoFrame) {
  const auto refused = [](const std::string &bytes) { return failure_of([&] { parse_all(bytes); }).first; };
  EXPECT_EQ(refused(frame_bytes(15, 0)), FLARE_PROTOCOL);
  EXPECT_EQ(refused(frame_bytes(0, 0)), FLARE_PROTOCOL);
  EXPECT_EQ(refused(frame_bytes(18, 3)), FLARE_PROTOCOL);
  EXPECT_EQ(refused(frame_bytes(18, 2)), FLARE_OK);
  EXPECT_EQ(refused("short"), FLARE_OK);
}

TEST(CellnetFrameParser, ForgetsTheLastConnection) {
  FrameParser parser{CellLimits()};
  parse_all(frame_bytes(1000, 0).substr(0, 500), 500, &parser);
  parser.reset();
  EXPECT_EQ(parse_all(frame_bytes(30, 0), 30, &parser).size(), 1u);
}

TEST(CellnetHeaderMap, ComesBackInItsOrder) {
  Map map;
  map.set("z", 1);
  map.set("a", List{Value(), true, false, -1, int64_t{1} << 40, 20.0, -0.5, "text", List{}});
  Map inner;
  inner.set("bytes", owned("\x00\xff"));
  map.set("m", inner);
  const std::string encoded = encode_map(map);
  const Map again = decode_map(encoded, CellLimits());
  EXPECT_EQ(encode_map(again), encoded);
  EXPECT_EQ(value_to_json(again), value_to_json(map));
}

// Python's json.dumps-like check of types: a float stays one, whatever its value.
TEST(CellnetHeaderMap, WritesWhatPythonDoes) {
  Map map;
  map.set("i", 20);
  map.set("f", 20.0);
  EXPECT_EQ(encode_map(map), std::string("\x82\xa1i\x14\xa1"
                                         "f\xcb\x40\x34\0\0\0\0\0\0",
                                         15));
}

TEST(CellnetHeaderMap, OfARepeatedKeyTheLastCounts) {
  EXPECT_EQ(number_of(decode_map("\x82\xa1k\x01\xa1k\x02", CellLimits()), "k"), 2);
}

TEST(CellnetHeaderMap, RefusesWhatHeadersCannotBe) {
  const auto refused = [](std::string_view bytes) { return failure_of([&] { decode_map(bytes, CellLimits()); }); };
  using namespace std::string_view_literals;
  EXPECT_EQ(refused("").first, FLARE_PROTOCOL);
  EXPECT_THAT(refused("\xc0").second, HasSubstr("not a map"));
  EXPECT_THAT(refused("\x91\x80").second, HasSubstr("not a map"));
  EXPECT_EQ(refused("\x81\xa1k").first, FLARE_PROTOCOL);             // truncated
  EXPECT_EQ(refused("\x81\xa5k").first, FLARE_PROTOCOL);             // a text that is cut
  EXPECT_EQ(refused("\xdf\xff\xff\xff\xff").first, FLARE_PROTOCOL);  // four billion entries, and none there
  EXPECT_EQ(refused("\x81\xa1k\xdd\xff\xff\xff\xff").first, FLARE_PROTOCOL);
  EXPECT_THAT(refused("\x80\xc0").second, HasSubstr("behind"));
  EXPECT_THAT(refused("\x81\x01\x02").second, HasSubstr("key"));
  EXPECT_THAT(refused("\x81\x80\x02").second, HasSubstr("key"));
  EXPECT_THAT(refused("\x81\x91\x01\x02").second, HasSubstr("key"));
  EXPECT_THAT(refused("\x81\xc4\x01k\x02"sv).second, HasSubstr("key"));
  EXPECT_THAT(refused("\x81\xa1\xff\x02").second, HasSubstr("UTF-8"));
  EXPECT_THAT(refused("\x81\xa1k\xd4\x01\x02").second, HasSubstr("type"));
  EXPECT_THAT(refused("\x81\xa1k\xcf\x80\0\0\0\0\0\0\0"sv).second, HasSubstr("63 bits"));
  EXPECT_EQ(refused("\x81\xa1k\xc1").first, FLARE_PROTOCOL);
}

TEST(CellnetHeaderMap, RefusesBombs) {
  CellLimits limits;
  const auto refused = [&](const std::string &bytes) { return failure_of([&] { decode_map(bytes, limits); }).first; };
  std::string deep = "\x81\xa1k";
  for (size_t i = 1; i < limits.max_header_depth; ++i) deep += '\x91';
  EXPECT_EQ(refused(deep.substr(0, deep.size() - 1) + '\x90'), FLARE_OK);
  EXPECT_EQ(refused(deep + '\x90'), FLARE_TOO_LARGE);
  EXPECT_EQ(refused(std::string("\x81\xa1k") + std::string(60000, '\x91')), FLARE_TOO_LARGE);
  const auto many = [](size_t count) {
    return "\x81\xa1k\xdc" + std::string{static_cast<char>(count >> 8), static_cast<char>(count & 0xff)} +
           std::string(count, '\x90');
  };
  EXPECT_EQ(refused(many(limits.max_header_values - 2)), FLARE_OK);
  EXPECT_EQ(refused(many(limits.max_header_values - 1)), FLARE_TOO_LARGE);
}

}  // namespace
}  // namespace flare
