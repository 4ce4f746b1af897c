#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/checksum.h"
#include "base/failure.h"
#include "base/text.h"
#include "frames_samples.h"

namespace flare::wire {
namespace {

Envelope decode_bytes(const Bytes &bytes, const Limits &limits = {}) { return decode(bytes.data, bytes.size, limits); }

flare_status status_of(const std::function<void()> &action) {
  try {
    action();
    return FLARE_OK;
  } catch (const Failure &failure) {
    EXPECT_STRNE(failure.what(), "");
    return failure.status();
  }
}

// The whole way: laid out, encoded, decoded, attached to its objects.
MessagePtr travel(const Message &message, const Limits &limits = {}) {
  std::vector<Bytes> objects;
  const Bytes encoded = encode(data_envelope(message, limits, &objects));
  return attach(std::get<Data>(decode_bytes(encoded, limits).body), objects);
}

Message message_with(Map body) {
  Message message;
  message.id = "id";
  message.data.body = std::move(body);
  return message;
}

Message message_with(std::vector<Tensor> tensors) {
  Map body;
  for (size_t i = 0; i < tensors.size(); ++i) body.set("t" + std::to_string(i), std::move(tensors[i]));
  return message_with(std::move(body));
}

// A number inside so many containers, lists and maps in turn.
Value nested(size_t containers) {
  Value value = 1;
  for (size_t i = 0; i < containers; ++i) {
    Map map;
    map.set("k", value);
    value = i % 2 ? Value(List{value}) : Value(map);
  }
  return value;
}

TEST(Frames, EveryBodyRoundTrips) {
  for (const Envelope &envelope : sample_envelopes()) {
    const Bytes encoded = encode(envelope);
    const Envelope decoded = decode_bytes(encoded);
    EXPECT_TRUE(same(envelope, decoded)) << "body " << envelope.body.index();
    EXPECT_EQ(encode(decoded).text(), encoded.text()) << "body " << envelope.body.index();
  }
}

TEST(Frames, EveryAlternativeOfABodyHasASample) {
  std::vector<bool> seen(std::variant_size_v<Body>);
  for (const Envelope &envelope : sample_envelopes()) seen[envelope.body.index()] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
}

TEST(Frames, EveryEnumeratorRoundTrips) {
  for (uint8_t i = 0; i <= static_cast<uint8_t>(Refusal::kOver); ++i) {
    EXPECT_EQ(std::get<Reject>(decode_bytes(encode({0, Reject{Refusal{i}, ""}})).body).refusal, Refusal{i});
  }
  for (uint8_t i = 0; i <= static_cast<uint8_t>(Phase::kSending); ++i) {
    EXPECT_EQ(std::get<Heartbeat>(decode_bytes(encode({1, Heartbeat{1, Phase{i}}})).body).phase, Phase{i});
  }
}

// The bytes of another build or another language: they must be understood as long as version 1 is spoken.
TEST(Frames, TheLayoutOfVersionOneStays) {
  const auto from_hex = [](std::string_view hex) {
    std::string bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    }
    return copy_bytes(bytes.data(), bytes.size());
  };
  const Bytes heartbeat = from_hex(
      "14000000464c523100000a0014000c00070008000a00000000000006140000000900000000000000080010000800070008000000"
      "000000020500000000000000");
  EXPECT_TRUE(same(decode_bytes(heartbeat), {9, Heartbeat{5, Phase::kComputing}}));

  Message message;
  message.topic = "train";
  message.id = "id";
  message.data.kind = "WEIGHTS";
  message.data.headers.set("__task_id__", "t");
  message.data.body.set("w", Tensor{FLARE_FLOAT32, {2}, copy_bytes("\0\0\x80\x3f\0\0\0\x40", 8)});
  message.data.meta.set("d", List{1.5, int64_t{-2}, true, Value()});
  const Bytes data = from_hex(
      "24000000464c52310000000000000000000000000000000000000a0018000c00070008000a000000000000042c00000007000000"
      "00000000000000001c003400000008000c0000001000140018001c0020002400070028001c000000000000017c00000070000000"
      "600000006801000020010000740000002400000010000000b7f434718fd7e84d0000000001000000080000000000000000000000"
      "01000000000000000000000000000000000000000800000000000000000000000000000000000000000000000700000057454947"
      "48545300020000006964000005000000747261696e000000010000000400000012ffffff00000006080000000c00000001000000"
      "64000000fefeffff04000000040000005c0000003800000010000000080000000400040004000000c4ffffff000000010c000000"
      "0000060008000700060000000000000108000c0007000800080000000000000204000000defffffffeffffffffffffff08000e00"
      "0700080008000000000000030c000000000006000c00040006000000000000000000f83f0100000004000000baffffff00000008"
      "0800000014000000010000007700000008000c000400080008000000022000000400000001000000020000000000000000000000"
      "010000001000000000000a001000080007000c000a00000000000004080000001c0000000b0000005f5f7461736b5f69645f5f00"
      "000006000800040006000000040000000100000074000000");
  EXPECT_TRUE(same(decode_bytes(data), data_envelope(message)));
}

TEST(Frames, EveryTypeOfValueRoundTrips) {
  const Message message = sample_message();
  const MessagePtr back = travel(message);
  EXPECT_TRUE(same(message, *back, Contents::kCompare));
}

TEST(Frames, ValuesInHeadersAndMetaCarryBytesToo) {
  Message message = message_with({sample_tensor(FLARE_INT16, {5}, 1)});
  message.data.headers.set("h", sample_tensor(FLARE_INT16, {6}, 2));
  message.data.meta.set("m", Value::Data(sample_bytes(7, 3)));
  EXPECT_TRUE(same(message, *travel(message), Contents::kCompare));
}

TEST(Frames, EveryDtypeRoundTrips) {
  for (const flare_dtype dtype : kDtypes) {
    const Message message =
        message_with({sample_tensor(dtype, {3, 5}), sample_tensor(dtype, {}), sample_tensor(dtype, {0})});
    EXPECT_TRUE(same(message, *travel(message), Contents::kCompare)) << dtype_name(dtype);
  }
}

TEST(Frames, TheOrderOfEntriesIsKept) {
  Map body;
  for (const char *key : {"z", "a", "m", "Z", "0", ""}) body.set(key, key);
  EXPECT_TRUE(same(body, travel(message_with(body))->data.body, Contents::kCompare));
}

TEST(Frames, ADecodedMessageHasNoBytesUntilTheyAreAttached) {
  const Envelope decoded = decode_bytes(encode(data_envelope(sample_message())));
  const Message &message = *std::get<Data>(decoded.body).message;
  EXPECT_EQ(message.data.body.find("tensor")->tensor()->bytes.size, 0u);
  EXPECT_EQ(std::get<Bytes>(message.data.body.find("bytes")->data()).size, 0u);
}

TEST(Frames, AnEnvelopeMayLieAnywhereInMemory) {
  for (const Envelope &envelope : sample_envelopes()) {
    const Bytes encoded = encode(envelope);
    for (size_t shift = 0; shift < 8; ++shift) {
      Block block(encoded.size + shift);
      std::memcpy(block.data() + shift, encoded.data, encoded.size);
      EXPECT_TRUE(same(envelope, decode(block.data() + shift, encoded.size, {})));
    }
  }
}

TEST(Frames, ReasonsAreCutBetweenCharacters) {
  std::string reason = "x";
  while (reason.size() < 2 * kMaxReason) reason += "ü";
  const auto bye = std::get<Bye>(decode_bytes(encode({1, Bye{reason}})).body);
  EXPECT_EQ(bye.reason, reason.substr(0, kMaxReason - 1));
}

TEST(Frames, ReasonsAreMadeUtf8) {
  const auto bye = std::get<Bye>(decode_bytes(encode({1, Bye{"no file \xff\xfe.txt"}})).body);
  EXPECT_EQ(bye.reason, "no file ??.txt");
}

// ---- Layout ------------------------------------------------------------------------------------------------------

TEST(FramesLayout, AMessageWithoutTensorsHasNoPayload) {
  Map body;
  body.set("loss", 0.5);
  std::vector<Bytes> objects(3);
  const Payload payload = lay_out(message_with(body), {}, &objects);
  EXPECT_TRUE(payload.slots.empty());
  EXPECT_TRUE(payload.sizes.empty());
  EXPECT_FALSE(payload.inlined);
  EXPECT_TRUE(objects.empty());
}

TEST(FramesLayout, EmptyTensorsNeedNoObject) {
  const Message message = message_with({sample_tensor(FLARE_FLOAT32, {0, 5}), sample_tensor(FLARE_INT8, {3, 0})});
  std::vector<Bytes> objects;
  const Payload payload = lay_out(message, {}, &objects);
  EXPECT_EQ(payload.slots.size(), 2u);
  EXPECT_TRUE(payload.sizes.empty());
  EXPECT_FALSE(payload.inlined);
  EXPECT_TRUE(objects.empty());
  EXPECT_TRUE(same(message, *travel(message), Contents::kCompare));
}

TEST(FramesLayout, SmallPayloadsAreInlinedWithTheirChecksum) {
  std::vector<Bytes> objects;
  const Payload payload =
      lay_out(message_with({sample_tensor(FLARE_UINT8, {100}, 1), sample_tensor(FLARE_INT64, {}, 2)}), {}, &objects);
  EXPECT_TRUE(payload.inlined);
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(payload.sizes, std::vector<uint64_t>{128 + 8});
  EXPECT_EQ(objects[0].size, 136u);
  EXPECT_EQ(payload.slots[1].offset, 128u);
  EXPECT_EQ(payload.inline_checksum, checksum(objects[0].data, objects[0].size));
}

TEST(FramesLayout, TheLimitOfInlinedPayloadsIsExact) {
  const Limits limits;
  const auto size = static_cast<int64_t>(limits.inline_bytes);
  for (const int64_t more : {0, 1}) {
    std::vector<Bytes> objects;
    const Payload payload = lay_out(message_with({sample_tensor(FLARE_UINT8, {size + more})}), limits, &objects);
    EXPECT_EQ(payload.inlined, more == 0);
    EXPECT_EQ(payload.sizes, std::vector<uint64_t>{limits.inline_bytes + static_cast<size_t>(more)});
  }
}

TEST(FramesLayout, LargeTensorsAreNotCopied) {
  const Message message =
      message_with({sample_tensor(FLARE_UINT8, {256 << 10}, 1), sample_tensor(FLARE_UINT8, {10}, 2),
                    sample_tensor(FLARE_FLOAT32, {1 << 20}, 3), sample_tensor(FLARE_UINT8, {70}, 4)});
  std::vector<Bytes> objects;
  const Payload payload = lay_out(message, {}, &objects);
  EXPECT_FALSE(payload.inlined);
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_EQ(objects[0].data, message.data.body.find("t0")->tensor()->bytes.data);
  EXPECT_EQ(objects[2].data, message.data.body.find("t2")->tensor()->bytes.data);
  EXPECT_EQ(payload.sizes, (std::vector<uint64_t>{256 << 10, 64 + 70, 4 << 20}));
  EXPECT_EQ(payload.slots[3].object, 1u);
  EXPECT_EQ(payload.slots[3].offset, 64u);
  EXPECT_TRUE(same(message, *travel(message), Contents::kCompare));
}

TEST(FramesLayout, SharedObjectsAreAlignedZeroedBetweenAndOneChunkAtMost) {
  const Limits limits;
  std::vector<Tensor> tensors;
  for (uint32_t i = 0; i < 40; ++i) tensors.push_back(sample_tensor(FLARE_UINT8, {100'000 + i}, i));
  const Message message = message_with(std::move(tensors));
  std::vector<Bytes> objects;
  const Payload payload = lay_out(message, limits, &objects);
  EXPECT_GT(objects.size(), 3u);
  std::vector<uint64_t> filled(objects.size());
  for (const Payload::Slot &slot : payload.slots) {
    EXPECT_EQ(slot.offset % 64, 0u);
    for (uint64_t i = filled[slot.object]; i < slot.offset; ++i) {
      ASSERT_EQ(objects[slot.object].data[i], std::byte{0});
    }
    filled[slot.object] = slot.offset + slot.size;
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    EXPECT_LE(objects[i].size, limits.chunk_bytes);
    EXPECT_EQ(objects[i].size, payload.sizes[i]);
  }
  EXPECT_TRUE(same(message, *travel(message), Contents::kCompare));
}

TEST(FramesLayout, ManySmallTensorsTravelTogether) {
  constexpr size_t kCount = 120'000;
  Map body;
  Map layer;
  for (size_t i = 0; i < kCount; ++i) {
    layer.set("weight_" + std::to_string(i),
              sample_tensor(FLARE_FLOAT32, {1 + static_cast<int64_t>(i % 7)}, static_cast<uint32_t>(i)));
  }
  body.set("layer", std::move(layer));
  const Message message = message_with(std::move(body));
  std::vector<Bytes> objects;
  const Envelope envelope = data_envelope(message, {}, &objects);
  EXPECT_EQ(std::get<Data>(envelope.body).payload.slots.size(), kCount);
  EXPECT_LT(objects.size(), 12u);
  EXPECT_TRUE(same(message, *travel(message), Contents::kCompare));
}

TEST(FramesLayout, ChunksSmallerThanATensorDoNotMatter) {
  Limits limits;
  limits.inline_bytes = 16;
  limits.chunk_bytes = 256;
  const Message message = message_with({sample_tensor(FLARE_UINT8, {255}, 1), sample_tensor(FLARE_UINT8, {256}, 2),
                                        sample_tensor(FLARE_UINT8, {257}, 3), sample_tensor(FLARE_UINT8, {1}, 4)});
  EXPECT_TRUE(same(message, *travel(message, limits), Contents::kCompare));
}

TEST(FramesLayout, WhatThePeerWouldRefuseIsRefusedHere) {
  Limits limits;
  limits.max_tensors = 2;
  limits.max_text = 10;
  limits.max_tensor_bytes = 1000;
  limits.max_message_bytes = 1500;
  limits.inline_bytes = 64;
  limits.max_envelope_bytes = 8000;
  std::vector<Bytes> objects;
  const auto refused = [&](const Message &message) { return status_of([&] { lay_out(message, limits, &objects); }); };
  const Tensor small = sample_tensor(FLARE_UINT8, {1});
  EXPECT_EQ(refused(message_with({small, small})), FLARE_OK);
  EXPECT_EQ(refused(message_with({small, small, small})), FLARE_TOO_LARGE);
  EXPECT_EQ(refused(message_with({sample_tensor(FLARE_UINT8, {1001})})), FLARE_TOO_LARGE);
  EXPECT_EQ(refused(message_with({sample_tensor(FLARE_UINT8, {800}), sample_tensor(FLARE_UINT8, {800})})),
            FLARE_TOO_LARGE);
  Map long_key;
  long_key.set("01234567890", true);
  EXPECT_EQ(refused(message_with(long_key)), FLARE_TOO_LARGE);
  Map long_text;
  long_text.set("a", std::string(9000, 'x'));
  EXPECT_EQ(refused(message_with(long_text)), FLARE_TOO_LARGE);
  Message message = message_with(Map());
  message.id = std::string(kMaxId + 1, 'x');
  EXPECT_EQ(refused(message), FLARE_TOO_LARGE);
  message.id = "";
  EXPECT_EQ(refused(message), FLARE_INVALID_ARGUMENT);
}

TEST(FramesLayout, NestingIsAllowedUpToTheLimitAndTheSameOnBothEnds) {
  const Limits limits;
  Map deepest;
  deepest.set("value", nested(limits.max_depth));
  EXPECT_TRUE(same(deepest, travel(message_with(deepest))->data.body, Contents::kCompare));
  Map deeper;
  deeper.set("value", nested(limits.max_depth + 1));
  EXPECT_EQ(status_of([&] { travel(message_with(deeper)); }), FLARE_TOO_LARGE);
}

TEST(FramesLayout, TheEnvelopeIsNeverLargerThanForeseen) {
  std::vector<Message> messages = {sample_message(), message_with(Map())};
  List list(1000, Value());
  Map map;
  map.set("list", list);
  map.set("numbers", List(1000, Value(1.5)));
  map.set("texts", List(1000, Value("x")));
  messages.push_back(message_with(map));
  messages.push_back(message_with(std::vector<Tensor>(1000, sample_tensor(FLARE_INT8, {1, 1, 1}))));
  for (const Message &message : messages) {
    Limits limits;
    limits.max_envelope_bytes = 0;
    std::vector<Bytes> objects;
    while (status_of([&] { lay_out(message, limits, &objects); }) != FLARE_OK) limits.max_envelope_bytes += 64;
    const Bytes encoded = encode(data_envelope(message, limits));
    EXPECT_LE(encoded.size, limits.max_envelope_bytes);
    EXPECT_GT(encoded.size * 2 + 4000, limits.max_envelope_bytes);
  }
}

// ---- Attach ------------------------------------------------------------------------------------------------------

TEST(FramesAttach, TensorsAreSlicesThatKeepTheirObjectAlive) {
  const Message message = message_with({sample_tensor(FLARE_UINT8, {10}, 1), sample_tensor(FLARE_UINT8, {20}, 2)});
  std::vector<Bytes> objects;
  const Envelope envelope = data_envelope(message, {}, &objects);
  const std::byte *base = objects[0].data;
  const std::weak_ptr<const void> owner = objects[0].owner;
  MessagePtr back = attach(std::get<Data>(envelope.body), objects);
  objects.clear();
  EXPECT_EQ(back->data.body.find("t1")->tensor()->bytes.data, base + 64);
  EXPECT_FALSE(owner.expired());
  EXPECT_TRUE(same(message, *back, Contents::kCompare));
  back.reset();
  EXPECT_TRUE(owner.expired());
}

TEST(FramesAttach, TensorsOfAMisalignedObjectAreAligned) {
  const Message message = message_with({sample_tensor(FLARE_UINT8, {10}, 1), sample_tensor(FLARE_INT64, {20}, 2)});
  std::vector<Bytes> objects;
  const Envelope envelope = data_envelope(message, {}, &objects);
  Block block(objects[0].size + 8);
  std::memcpy(block.data() + 8, objects[0].data, objects[0].size);
  const Bytes shifted{block.share().owner, block.data() + 8, objects[0].size};
  const MessagePtr back = attach(std::get<Data>(envelope.body), {shifted});
  EXPECT_TRUE(same(message, *back, Contents::kCompare));
  for (const auto &[name, value] : back->data.body) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(value.tensor()->bytes.data) % 64, 0u) << name;
  }
}

TEST(FramesAttach, TensorsInMisalignedSlotsAreAligned) {
  const Message message = message_with({sample_tensor(FLARE_INT32, {1}, 1), sample_tensor(FLARE_INT32, {3}, 2)});
  Envelope envelope = data_envelope(message);
  Data &data = std::get<Data>(envelope.body);
  data.payload.slots[1].offset = 4;
  data.payload.sizes = {16};
  const Bytes object = sample_bytes(16, 5);
  const MessagePtr back = attach(std::get<Data>(decode_bytes(encode(envelope)).body), {object});
  const Bytes &bytes = back->data.body.find("t1")->tensor()->bytes;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data) % 64, 0u);
  EXPECT_EQ(bytes.text(), object.text().substr(4));
}

TEST(FramesAttach, ObjectsOfAnotherSizeAreRefused) {
  const Message message = message_with({sample_tensor(FLARE_UINT8, {10})});
  std::vector<Bytes> objects;
  const Envelope envelope = data_envelope(message, {}, &objects);
  const Data &data = std::get<Data>(envelope.body);
  EXPECT_EQ(status_of([&] { attach(data, {}); }), FLARE_PROTOCOL);
  EXPECT_EQ(status_of([&] { attach(data, {sample_bytes(9, 1)}); }), FLARE_PROTOCOL);
  EXPECT_EQ(status_of([&] { attach(data, {objects[0], objects[0]}); }), FLARE_PROTOCOL);
  EXPECT_EQ(status_of([&] { attach(data, objects); }), FLARE_OK);
}

TEST(FramesAttach, ARepeatedAttachmentLeavesTheFirstAlone) {
  const Message message = message_with({sample_tensor(FLARE_UINT8, {10}, 1)});
  std::vector<Bytes> objects;
  const Envelope envelope = data_envelope(message, {}, &objects);
  const Envelope decoded = decode_bytes(encode(envelope));
  const MessagePtr first = attach(std::get<Data>(decoded.body), objects);
  const MessagePtr second = attach(std::get<Data>(decoded.body), {sample_bytes(10, 99)});
  EXPECT_TRUE(same(message, *first, Contents::kCompare));
  EXPECT_FALSE(same(message, *second, Contents::kCompare));
}

}  // namespace
}  // namespace flare::wire
