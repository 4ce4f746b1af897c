// What a broken or hostile peer may send: each envelope is refused for its reason, or it is a valid one.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "base/failure.h"
#include "frames_samples.h"
#include "wire_generated.h"

namespace flare::wire {
namespace {

namespace fb = flatbuffers;

using Builder = fb::FlatBufferBuilder;
using Entries = fb::Offset<fb::Vector<fb::Offset<fbs::Entry>>>;

// Decodes a copy that ends where its memory ends, so that a sanitizer sees every byte read beyond. FLARE_OK: it was
// valid, and then it means the same once it is encoded again.
flare_status judge(const void *data, size_t size, const Limits &limits = {}) {
  const std::unique_ptr<char[]> copy(new char[size]);
  std::memcpy(copy.get(), data, size);
  Envelope envelope;
  try {
    envelope = decode(copy.get(), size, limits);
  } catch (const Failure &failure) {
    EXPECT_TRUE(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE) << failure.what();
    EXPECT_STRNE(failure.what(), "");
    return failure.status();
  }
  const Bytes again = encode(envelope);
  EXPECT_TRUE(same(envelope, decode(again.data, again.size, limits)));
  return FLARE_OK;
}

flare_status judge(std::string_view bytes, const Limits &limits = {}) {
  return judge(bytes.data(), bytes.size(), limits);
}

template <typename Table>
flare_status judge(Builder *builder, fb::Offset<Table> body, const Limits &limits = {}) {
  fbs::FinishEnvelopeBuffer(*builder,
                            fbs::CreateEnvelope(*builder, 1, fbs::BodyTraits<Table>::enum_value, body.Union()));
  return judge(builder->GetBufferPointer(), builder->GetSize(), limits);
}

// A Data whose body is made by `make`; the rest of it is well.
flare_status judge_body(const std::function<Entries(Builder &)> &make, const std::vector<fbs::Slot> &slots = {},
                        const std::vector<uint64_t> &objects = {}, bool inlined = false, const Limits &limits = {}) {
  Builder builder;
  const Entries body = make(builder);
  const auto id = builder.CreateString("id");
  const auto slot_vector = builder.CreateVectorOfStructs(slots);
  const auto object_vector = builder.CreateVector(objects);
  return judge(
      &builder,
      fbs::CreateData(builder, fbs::MessageKind::Request, 0, id, 0, 0, 0, body, 0, slot_vector, object_vector, inlined),
      limits);
}

template <typename Table>
fb::Offset<fbs::Entry> entry(Builder &builder, const char *key, fb::Offset<Table> value) {
  return fbs::CreateEntry(builder, builder.CreateString(key), fbs::ValueTraits<Table>::enum_value, value.Union());
}

Entries entries(Builder &builder, const std::vector<fb::Offset<fbs::Entry>> &list) {
  return builder.CreateVector(list);
}

// One tensor per shape, all uint8.
std::function<Entries(Builder &)> tensors(const std::vector<std::vector<int64_t>> &shapes,
                                          int32_t dtype = FLARE_UINT8) {
  return [=](Builder &builder) {
    std::vector<fb::Offset<fbs::Entry>> list;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const auto shape = builder.CreateVector(shapes[i]);
      list.push_back(entry(builder, std::to_string(i).c_str(), fbs::CreateTensorValue(builder, dtype, shape)));
    }
    return entries(builder, list);
  };
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t below(size_t end) { return static_cast<uint32_t>(engine_() % end); }
  template <typename List>
  const auto &of(const List &list) {
    return list[below(std::size(list))];
  }

 private:
  std::mt19937 engine_;
};

TEST(HostileFrames, TruncatedAtAnyLength) {
  for (const Envelope &envelope : sample_envelopes()) {
    const Bytes encoded = encode(envelope);
    for (size_t size = 0; size < encoded.size; ++size) judge(encoded.data, size);
    EXPECT_EQ(judge(encoded.data, encoded.size / 2), FLARE_PROTOCOL);
  }
}

TEST(HostileFrames, EveryFlippedBit) {
  size_t refused = 0;
  for (const Envelope &envelope : sample_envelopes()) {
    std::string bytes(encode(envelope).text());
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const auto mask = static_cast<char>(1 << (bit % 8));
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
      refused += judge(bytes) != FLARE_OK;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    }
  }
  EXPECT_GT(refused, 1000u);
}

TEST(HostileFrames, RandomBytes) {
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random.below(200), '\0');
    for (char &byte : bytes) byte = static_cast<char>(random.below(256));
    EXPECT_EQ(judge(bytes), FLARE_PROTOCOL);
    if (bytes.size() < 8) continue;
    std::memcpy(bytes.data() + 4, "FLR1", 4);
    const uint32_t root = 8 + random.below(64);
    std::memcpy(bytes.data(), &root, sizeof root);
    judge(bytes);
  }
}

TEST(HostileFrames, NumbersReplacedByTellingOnes) {
  constexpr uint32_t kTelling[] = {0,      1,      2,          4,          0x7f,       0xff,      0x7fff,
                                   0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
  Random random(2);
  std::vector<std::string> samples;
  for (const Envelope &envelope : sample_envelopes()) samples.emplace_back(encode(envelope).text());
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = random.of(samples);
    for (uint32_t changes = 1 + random.below(3); changes > 0; --changes) {
      const uint32_t number = random.below(2) ? random.of(kTelling) : random.below(4096);
      const size_t at = random.below(bytes.size() / 4) * size_t{4};
      std::memcpy(bytes.data() + at, &number, random.below(2) ? 4 : 2);
    }
    judge(bytes);
  }
}

TEST(HostileFrames, AnotherIdentifierOrNone) {
  std::string bytes(encode({1, Heartbeat{}}).text());
  bytes[7] = '2';
  EXPECT_EQ(judge(bytes), FLARE_PROTOCOL);
  EXPECT_EQ(judge(""), FLARE_PROTOCOL);
  EXPECT_EQ(judge("GET / HTTP/1.1\r\n\r\n"), FLARE_PROTOCOL);
  Builder builder;
  const auto body = fbs::CreateHeartbeat(builder, 1).Union();
  builder.Finish(fbs::CreateEnvelope(builder, 1, fbs::Body::Heartbeat, body));
  EXPECT_EQ(judge(builder.GetBufferPointer(), builder.GetSize()), FLARE_PROTOCOL);
}

TEST(HostileFrames, LargerThanTheLimit) {
  Limits limits;
  limits.max_envelope_bytes = 100;
  EXPECT_EQ(judge(std::string(101, 'x'), limits), FLARE_TOO_LARGE);
  EXPECT_EQ(judge(std::string(100, 'x'), limits), FLARE_PROTOCOL);
}

// ---- Bodies ------------------------------------------------------------------------------------------------------

TEST(HostileFrames, NoBodyOrAnUnknownOne) {
  Builder none;
  const auto start = none.StartTable();
  fbs::FinishEnvelopeBuffer(none, fb::Offset<fbs::Envelope>(none.EndTable(start)));
  EXPECT_EQ(judge(none.GetBufferPointer(), none.GetSize()), FLARE_PROTOCOL);
  for (const int type : {0, 12, 255}) {
    Builder builder;
    const auto body = fbs::CreateHeartbeat(builder, 1).Union();
    fbs::FinishEnvelopeBuffer(builder, fbs::CreateEnvelope(builder, 1, static_cast<fbs::Body>(type), body));
    EXPECT_EQ(judge(builder.GetBufferPointer(), builder.GetSize()), FLARE_PROTOCOL) << type;
  }
}

TEST(HostileFrames, ABodyOfAnotherTypeThanItSays) {
  for (const Envelope &envelope : sample_envelopes()) {
    for (int type = 0; type < 20; ++type) {
      std::string bytes(encode(envelope).text());
      auto *table = reinterpret_cast<fb::Table *>(fb::GetMutableRoot<fbs::Envelope>(bytes.data()));
      table->SetField<uint8_t>(fbs::Envelope::VT_BODY_TYPE, static_cast<uint8_t>(type), 0);
      judge(bytes);
    }
  }
}

TEST(HostileFrames, UnknownEnumerators) {
  EXPECT_EQ(judge(encode({1, Heartbeat{1, Phase{4}}}).text()), FLARE_PROTOCOL);
  EXPECT_EQ(judge(encode({0, Reject{Refusal{6}, ""}}).text()), FLARE_PROTOCOL);
  Hello hello;
  hello.lane = Lane{2};
  EXPECT_EQ(judge(encode({0, hello}).text()), FLARE_PROTOCOL);
  Welcome welcome;
  welcome.lane = Lane{200};
  EXPECT_EQ(judge(encode({0, welcome}).text()), FLARE_PROTOCOL);
  Message message = sample_message();
  message.kind = static_cast<MessageKind>(2);
  EXPECT_EQ(judge(encode(data_envelope(message)).text()), FLARE_PROTOCOL);
}

TEST(HostileFrames, MissingIds) {
  EXPECT_EQ(judge(encode({1, Ack{"", true, "", false}}).text()), FLARE_PROTOCOL);
  EXPECT_EQ(judge(encode({1, ChunkRequest{"", 0, 0, 1}}).text()), FLARE_PROTOCOL);
  EXPECT_EQ(judge(encode({1, Chunk{"", 0, 0, 0}}).text()), FLARE_PROTOCOL);
  EXPECT_EQ(judge(encode({1, ChunkRefused{"", 0, ""}}).text()), FLARE_PROTOCOL);
  EXPECT_EQ(judge(encode({1, Settled{"", true, "", ""}}).text()), FLARE_PROTOCOL);
  EXPECT_EQ(judge(encode({1, Data{std::make_shared<Message>(), {}}}).text()), FLARE_PROTOCOL);
}

TEST(HostileFrames, LongIdsAndNames) {
  Limits limits;
  limits.max_text = 2000;
  EXPECT_EQ(judge(encode({1, Ack{std::string(kMaxId, 'x'), true, "", false}}).text(), limits), FLARE_OK);
  EXPECT_EQ(judge(encode({1, Ack{std::string(kMaxId + 1, 'x'), true, "", false}}).text(), limits), FLARE_TOO_LARGE);
  Hello hello;
  hello.token = std::string(2001, 'x');
  EXPECT_EQ(judge(encode({0, hello}).text(), limits), FLARE_TOO_LARGE);
  Message message = sample_message();
  message.topic = std::string(2001, 'x');
  EXPECT_EQ(judge(encode(data_envelope(message)).text(), limits), FLARE_TOO_LARGE);
  Builder builder;
  EXPECT_EQ(judge(&builder, fbs::CreateBye(builder, builder.CreateString(std::string(kMaxReason + 1, 'x')))),
            FLARE_TOO_LARGE);
}

// What was not asked at its very edge above.
TEST(HostileFrames, TheLastThatFitsAndTheFirstThatDoesNot) {
  Limits limits;
  limits.max_text = 2000;
  limits.max_tensor_bytes = limits.max_message_bytes = 5000;
  limits.max_tensors = 2;
  for (const size_t more : {size_t{0}, size_t{1}}) {
    const flare_status expected = more == 0 ? FLARE_OK : FLARE_TOO_LARGE;
    Hello hello;
    hello.token = std::string(2000 + more, 'x');
    EXPECT_EQ(judge(encode({0, hello}).text(), limits), expected);
    Message message;
    message.id = std::string(kMaxId + more, 'x');
    EXPECT_EQ(judge(encode(Envelope{1, Data{std::make_shared<Message>(message), {}}}).text(), limits), expected);
    message.id = "id";
    message.data.body.set(std::string(2000 + more, 'x'), 1);
    EXPECT_EQ(judge(encode(Envelope{1, Data{std::make_shared<Message>(message), {}}}).text(), limits), expected);
    const Settled settled{"t", true, "", std::string(kMaxReceiver + more, 'x')};
    EXPECT_EQ(judge(encode({1, settled}).text(), limits), expected);
    EXPECT_EQ(judge(encode({1, Progress{"t", "", 5000 + more, 0}}).text(), limits), expected);
    // An object may be as large as a chunk, however small the limit of a tensor is.
    EXPECT_EQ(judge(encode({1, Chunk{"t", 0, limits.chunk_bytes + more, 0}}).text(), limits), expected);
    Builder builder;
    EXPECT_EQ(judge(&builder, fbs::CreateBye(builder, builder.CreateString(std::string(kMaxReason + more, 'x')))),
              expected);
    const auto shapes = std::vector<std::vector<int64_t>>(2 + more, {0});
    EXPECT_EQ(judge_body(tensors(shapes), std::vector<fbs::Slot>(2 + more), {}, false, limits), expected);
    const std::vector<int64_t> many(static_cast<size_t>(limits.max_dimensions) + more, 1);
    EXPECT_EQ(judge_body(tensors(std::vector<std::vector<int64_t>>{many}), {{0, 0, 1}}, {1}, false, limits), expected);
    const auto size = static_cast<int64_t>(2500 + more);
    EXPECT_EQ(judge_body(tensors({{2500}, {size}}), {{0, 0, 2500}, {1, 0, static_cast<uint64_t>(size)}},
                         {2500, static_cast<uint64_t>(size)}, false, limits),
              expected);
  }
}

TEST(HostileFrames, TextThatIsNotUtf8) {
  for (const char *text : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"}) {
    EXPECT_EQ(judge(encode({1, Ack{text, true, "", false}}).text()), FLARE_PROTOCOL);
    Hello hello;
    hello.agent_id = text;
    EXPECT_EQ(judge(encode({0, hello}).text()), FLARE_PROTOCOL);
    Message message = sample_message();
    message.data.meta.set(text, 1);
    EXPECT_EQ(judge(encode(data_envelope(message)).text()), FLARE_PROTOCOL);
    message = sample_message();
    message.data.meta.set("key", List{text});
    EXPECT_EQ(judge(encode(data_envelope(message)).text()), FLARE_PROTOCOL);
    Builder builder;
    EXPECT_EQ(judge(&builder, fbs::CreateBye(builder, builder.CreateString(text))), FLARE_PROTOCOL);
  }
}

TEST(HostileFrames, ChunksBeyondTheLimits) {
  const Limits limits;
  const auto ask = [](uint64_t offset, size_t length) {
    return judge(encode({1, ChunkRequest{"t", 0, offset, static_cast<uint32_t>(length)}}).text());
  };
  EXPECT_EQ(ask(0, limits.chunk_bytes), FLARE_OK);
  EXPECT_EQ(ask(0, limits.chunk_bytes + 1), FLARE_TOO_LARGE);
  EXPECT_EQ(ask(0, 0xffffffff), FLARE_TOO_LARGE);
  EXPECT_EQ(ask(0, 0), FLARE_PROTOCOL);
  EXPECT_EQ(ask(~uint64_t{0}, 1), FLARE_TOO_LARGE);
  EXPECT_EQ(judge(encode({1, Chunk{"t", 0, ~uint64_t{0}, 0}}).text()), FLARE_TOO_LARGE);
}

// ---- Values ------------------------------------------------------------------------------------------------------

TEST(HostileFrames, DepthBombs) {
  const auto judge_nested = [](int containers) {
    return judge_body([=](Builder &builder) {
      auto type = fbs::Value::IntValue;
      auto value = fbs::CreateIntValue(builder, 1).Union();
      for (int i = 0; i < containers; ++i) {
        if (i % 2) {
          const auto items = builder.CreateVector(std::vector{fbs::CreateItem(builder, type, value)});
          type = fbs::Value::ListValue;
          value = fbs::CreateListValue(builder, items).Union();
        } else {
          const auto key = builder.CreateString("k");
          const auto map = builder.CreateVector(std::vector{fbs::CreateEntry(builder, key, type, value)});
          type = fbs::Value::MapValue;
          value = fbs::CreateMapValue(builder, map).Union();
        }
      }
      return entries(builder, {fbs::CreateEntry(builder, builder.CreateString("k"), type, value)});
    });
  };
  EXPECT_EQ(judge_nested(static_cast<int>(Limits().max_depth)), FLARE_OK);
  for (const int containers : {33, 34, 100, 1'000'000})
    EXPECT_EQ(judge_nested(containers), FLARE_PROTOCOL) << containers;
}

// 30 lists, each holding the one before it twice: a small envelope that stands for a thousand million numbers.
TEST(HostileFrames, SharedTables) {
  for (const int times : {2, 50}) {
    const auto bomb = [times](Builder &builder) {
      auto item = fbs::CreateItem(builder, fbs::Value::IntValue, fbs::CreateIntValue(builder, 1).Union());
      for (int i = 0; i < 30; ++i) {
        const auto items = builder.CreateVector(std::vector<fb::Offset<fbs::Item>>(static_cast<size_t>(times), item));
        item = fbs::CreateItem(builder, fbs::Value::ListValue, fbs::CreateListValue(builder, items).Union());
      }
      const auto items = builder.CreateVector(std::vector<fb::Offset<fbs::Item>>{item});
      return entries(builder, {entry(builder, "k", fbs::CreateListValue(builder, items))});
    };
    EXPECT_EQ(judge_body(bomb), FLARE_PROTOCOL);
  }
}

TEST(HostileFrames, SharedTexts) {
  const auto bomb = [](Builder &builder) {
    const auto text = builder.CreateString(std::string(100'000, 'x'));
    std::vector<fb::Offset<fbs::Item>> list;
    for (int i = 0; i < 10'000; ++i) {
      const auto value = fbs::CreateTextValue(builder, text).Union();
      list.push_back(fbs::CreateItem(builder, fbs::Value::TextValue, value));
    }
    return entries(builder, {entry(builder, "k", fbs::CreateListValue(builder, builder.CreateVector(list)))});
  };
  EXPECT_EQ(judge_body(bomb), FLARE_PROTOCOL);
}

TEST(HostileFrames, SharedShapes) {
  const auto bomb = [](Builder &builder) {
    const auto shape = builder.CreateVector(std::vector<int64_t>(32, 0));
    std::vector<fb::Offset<fbs::Item>> list;
    for (int i = 0; i < 1000; ++i) {
      const auto value = fbs::CreateTensorValue(builder, FLARE_INT8, shape).Union();
      list.push_back(fbs::CreateItem(builder, fbs::Value::TensorValue, value));
    }
    return entries(builder, {entry(builder, "k", fbs::CreateListValue(builder, builder.CreateVector(list)))});
  };
  EXPECT_EQ(judge_body(bomb, std::vector<fbs::Slot>(1000)), FLARE_PROTOCOL);
}

TEST(HostileFrames, AKeyTwiceOrNone) {
  EXPECT_EQ(judge_body([](Builder &builder) {
              return entries(builder, {entry(builder, "k", fbs::CreateIntValue(builder, 1)),
                                       entry(builder, "k", fbs::CreateIntValue(builder, 2))});
            }),
            FLARE_PROTOCOL);
  EXPECT_EQ(judge_body([](Builder &builder) {
              const auto start = builder.StartTable();
              return entries(builder, {fb::Offset<fbs::Entry>(builder.EndTable(start))});
            }),
            FLARE_PROTOCOL);
}

TEST(HostileFrames, ValuesOfNoOrUnknownType) {
  const auto judge_type = [](int type, bool present) {
    return judge_body([=](Builder &builder) {
      const auto key = builder.CreateString("k");
      const auto value = present ? fbs::CreateIntValue(builder, 1).Union() : fb::Offset<void>();
      return entries(builder, {fbs::CreateEntry(builder, key, static_cast<fbs::Value>(type), value)});
    });
  };
  EXPECT_EQ(judge_type(0, false), FLARE_OK);
  for (int type = 1; type <= 9; ++type) EXPECT_EQ(judge_type(type, false), FLARE_PROTOCOL) << type;
  for (const int type : {10, 128, 255}) EXPECT_EQ(judge_type(type, true), FLARE_PROTOCOL) << type;
  for (int type = 1; type <= 9; ++type) judge_type(type, true);
}

// ---- Tensors and their places
// ----------------------------------------------------------------------------------------

TEST(HostileFrames, TensorsThatCannotBe) {
  EXPECT_EQ(judge_body(tensors({{2, 3}}), {{0, 0, 6}}, {6}), FLARE_OK);
  for (const int32_t dtype : {0, -1, 0x0802, 0x2008, 0x7fffffff, FLARE_UINT8 | 1 << 16}) {
    EXPECT_EQ(judge_body(tensors({{2, 3}}, dtype), {{0, 0, 6}}, {6}), FLARE_PROTOCOL) << dtype;
  }
  EXPECT_EQ(judge_body(tensors({{-1}}), {{0, 0, 6}}, {6}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{-1, -6}}), {{0, 0, 6}}, {6}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{std::numeric_limits<int64_t>::min()}}), {{0, 0, 6}}, {6}), FLARE_PROTOCOL);
  for (const int64_t huge : {int64_t{1} << 32, int64_t{1} << 62, std::numeric_limits<int64_t>::max()}) {
    const flare_status status = judge_body(tensors({{huge, huge, huge}}), {{0, 0, 6}}, {6});
    EXPECT_NE(status, FLARE_OK) << huge;
  }
  EXPECT_EQ(judge_body(tensors({std::vector<int64_t>(33, 1)}), {{0, 0, 1}}, {1}), FLARE_TOO_LARGE);
  EXPECT_EQ(judge_body(tensors({std::vector<int64_t>(32, 1)}), {{0, 0, 1}}, {1}), FLARE_OK);
}

TEST(HostileFrames, SlotsThatDoNotFitTheirTensors) {
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 5}}, {5}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 7}}, {7}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 0}}, {}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{0}}), {{0, 0, 1}}, {1}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {}, {}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 6}, {0, 6, 1}}, {7}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({}), {{0, 0, 0}}, {}), FLARE_PROTOCOL);
}

TEST(HostileFrames, SlotsOutsideOfTheirObjects) {
  const uint64_t most = ~uint64_t{0};
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 4, 6}}, {10}), FLARE_OK);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 5, 6}}, {10}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 11, 6}}, {10}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, most, 6}}, {10}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, most - 5, 6}}, {10}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{1, 4, 6}}, {10}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0xffffffff, 4, 6}}, {10}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 6}}, {}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 6}}, {7}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{0}}), {{0, 1, 0}}, {}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{0}}), {{1, 0, 0}}, {}), FLARE_PROTOCOL);
}

TEST(HostileFrames, SlotsThatOverlap) {
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{0, 0, 6}, {0, 6, 6}}, {12}), FLARE_OK);
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{0, 0, 6}, {0, 5, 6}}, {11}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{0, 0, 6}, {0, 0, 6}}, {6}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{0, 6, 6}, {0, 0, 6}}, {12}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{1, 0, 6}, {0, 0, 6}}, {6, 6}), FLARE_OK);
}

TEST(HostileFrames, ObjectsThatNobodyUses) {
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 6}}, {6, 0}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{6}, {0}}), {{0, 0, 6}, {0, 0, 0}}, {6, 0}), FLARE_OK);
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{0, 0, 6}, {0, 6, 6}}, {12, 1 << 30}), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({}), {}, {6}), FLARE_PROTOCOL);
}

TEST(HostileFrames, SizesBeyondTheLimits) {
  Limits limits;
  limits.max_tensor_bytes = 2 << 20;
  limits.max_message_bytes = 3 << 20;
  limits.max_tensors = 2;
  const uint64_t most = ~uint64_t{0};
  const auto judge_size = [&](int64_t size) {
    return judge_body(tensors({{size}}), {{0, 0, static_cast<uint64_t>(size)}}, {static_cast<uint64_t>(size)}, false,
                      limits);
  };
  EXPECT_EQ(judge_size(2 << 20), FLARE_OK);
  EXPECT_EQ(judge_size((2 << 20) + 1), FLARE_TOO_LARGE);
  EXPECT_EQ(judge_size(std::numeric_limits<int64_t>::max()), FLARE_TOO_LARGE);
  EXPECT_EQ(judge_body(tensors({{1}}), {{0, most, 1}}, {most}, false, limits), FLARE_TOO_LARGE);
  EXPECT_EQ(judge_body(tensors({{1 << 20}, {2 << 20}}), {{0, 0, 1 << 20}, {1, 0, 2 << 20}}, {1 << 20, 2 << 20}, false,
                       limits),
            FLARE_OK);
  EXPECT_EQ(judge_body(tensors({{2 << 20}, {2 << 20}}), {{0, 0, 2 << 20}, {1, 0, 2 << 20}}, {2 << 20, 2 << 20}, false,
                       limits),
            FLARE_TOO_LARGE);
  EXPECT_EQ(judge_body(tensors({{1}, {1}}), {{0, 0, 1}, {1, 0, 1}}, {most, most}), FLARE_TOO_LARGE);
  EXPECT_EQ(judge_body(tensors({{0}, {0}, {0}}), {{}, {}, {}}, {}, false, limits), FLARE_TOO_LARGE);
}

TEST(HostileFrames, InlinedPayloadsThatCannotBe) {
  const auto size = int64_t{2} << 20;
  EXPECT_EQ(judge_body(tensors({{6}}), {{0, 0, 6}}, {6}, true), FLARE_OK);
  EXPECT_EQ(judge_body(tensors({{6}, {6}}), {{0, 0, 6}, {1, 0, 6}}, {6, 6}, true), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{0}}), {{0, 0, 0}}, {}, true), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({}), {}, {}, true), FLARE_PROTOCOL);
  EXPECT_EQ(judge_body(tensors({{size}}), {{0, 0, static_cast<uint64_t>(size)}}, {static_cast<uint64_t>(size)}, true),
            FLARE_TOO_LARGE);
}

TEST(HostileFrames, AnnouncedCountsThatAreNotThere) {
  const std::string bytes(encode(data_envelope(sample_message())).text());
  const auto announce = [&](const auto &vector_of, uint32_t count) {
    std::string changed = bytes;
    const auto *data = fbs::GetEnvelope(changed.data())->body_as_Data();
    const auto at = static_cast<size_t>(reinterpret_cast<const char *>(vector_of(*data)) - changed.data());
    std::memcpy(changed.data() + at, &count, sizeof count);
    return judge(changed);
  };
  for (const uint32_t count : {0x10000u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(announce([](const fbs::Data &data) { return data.slots(); }, count), FLARE_PROTOCOL);
    EXPECT_EQ(announce([](const fbs::Data &data) { return data.objects(); }, count), FLARE_PROTOCOL);
    EXPECT_EQ(announce([](const fbs::Data &data) { return data.body(); }, count), FLARE_PROTOCOL);
    EXPECT_EQ(announce([](const fbs::Data &data) { return data.id(); }, count), FLARE_PROTOCOL);
  }
}

// FlatBuffers' verifier lets vectors of 8-byte elements lie at multiples of 4.
TEST(HostileFrames, VectorsThatAreNotAligned) {
  size_t refused = 0;
  for (const bool shifted : {false, true}) {
    const auto body = [shifted](Builder &builder) {
      if (shifted) builder.PushElement<uint32_t>(0);
      // Two 8-byte elements, disguised as four of 4 bytes.
      const auto halves = builder.CreateVector(std::vector<uint32_t>{2, 0, 3, 0});
      auto *length = const_cast<uint8_t *>(builder.GetCurrentBufferPointer());
      const uint32_t count = 2;
      std::memcpy(length, &count, sizeof count);
      const fb::Offset<fb::Vector<int64_t>> shape(halves.o);
      return entries(builder, {entry(builder, "k", fbs::CreateTensorValue(builder, FLARE_UINT8, shape))});
    };
    const flare_status status = judge_body(body, {{0, 0, 6}}, {6});
    EXPECT_TRUE(status == FLARE_OK || status == FLARE_PROTOCOL);
    refused += status == FLARE_PROTOCOL;
  }
  EXPECT_EQ(refused, 1u);
}

}  // namespace
}  // namespace flare::wire
