// Envelopes of all kinds, and what makes two of them the same: for the tests of the codec and for its fuzzer.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "pipe/zmq/frames.h"

namespace flare::wire {

inline constexpr flare_dtype kDtypes[] = {
    FLARE_INT8,   FLARE_INT16,    FLARE_INT32,     FLARE_INT64,      FLARE_UINT8,         FLARE_UINT16,
    FLARE_UINT32, FLARE_UINT64,   FLARE_FLOAT16,   FLARE_FLOAT32,    FLARE_FLOAT64,       FLARE_OPAQUE,
    FLARE_BOOL,   FLARE_BFLOAT16, FLARE_COMPLEX64, FLARE_COMPLEX128, FLARE_FLOAT8_E4M3FN, FLARE_FLOAT8_E5M2,
};

// `size` bytes that are different for each seed.
inline Bytes sample_bytes(size_t size, uint32_t seed) {
  Block block(size);
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525 + 1013904223;
    block.data()[i] = static_cast<std::byte>(seed >> 24);
  }
  return block.share();
}

inline Tensor sample_tensor(flare_dtype dtype, std::vector<int64_t> shape, uint32_t seed = 1) {
  const uint64_t size = tensor_bytes(dtype, shape.data(), static_cast<int32_t>(shape.size()), {});
  return {dtype, std::move(shape), sample_bytes(size, seed)};
}

inline Map sample_values() {
  Map inner;
  inner.set("w", sample_tensor(FLARE_FLOAT32, {2, 3}, 7));
  inner.set("größe/重み", int64_t{-1});
  Map map;
  map.set("none", Value());
  map.set("true", true);
  map.set("false", false);
  map.set("least", std::numeric_limits<int64_t>::min());
  map.set("zero", int64_t{0});
  map.set("pi", 3.14159);
  map.set("minus zero", -0.0);
  map.set("nan", std::numeric_limits<double>::quiet_NaN());
  map.set("infinity", std::numeric_limits<double>::infinity());
  map.set("text", "naïve 模型 🚀");
  map.set("", "");
  map.set("bytes", sample_bytes(37, 3));
  map.set("no bytes", Bytes());
  map.set("list",
          List{Value(), true, int64_t{5}, "x", List(), Map(), inner, List{List{sample_tensor(FLARE_INT8, {})}}});
  map.set("map", inner);
  map.set("tensor", sample_tensor(FLARE_FLOAT64, {4, 0, 2}));
  map.set("opaque", OpaqueObject{"numpy.random.Generator", sample_bytes(100, 4)});
  return map;
}

inline Message sample_message() {
  Message message;
  message.topic = "train";
  message.id = "6c1d6e1c-6e0b-4a9f-9d0e-0c5d2b1f7a11";
  message.data.headers.set("__task_id__", "6c1d6e1c-6e0b-4a9f-9d0e-0c5d2b1f7a11");
  message.data.headers.set("current_round", int64_t{3});
  message.data.headers.set("receiver_ids", List{"site-1", "site-2"});
  message.data.kind = "WEIGHTS";
  message.data.body = sample_values();
  message.data.meta.set("NUM_STEPS_CURRENT_ROUND", int64_t{100});
  return message;
}

inline Envelope data_envelope(Message message, const Limits &limits = {}, std::vector<Bytes> *objects = nullptr) {
  std::vector<Bytes> unused;
  Data data;
  data.payload = lay_out(message, limits, objects ? objects : &unused);
  data.message = std::make_shared<const Message>(std::move(message));
  return {7, data};
}

inline std::vector<Envelope> sample_envelopes() {
  Hello hello;
  hello.max_version = 3;
  hello.lane = Lane::kBulk;
  hello.epoch = 41;
  hello.instance = "instance";
  hello.agent_id = "site-1";
  hello.token = "secret";
  hello.library = "0.1.0";
  hello.host = "boot:1000";
  hello.capabilities = 0x80000001;
  const Welcome welcome{1, Lane::kBulk, 41, "other", "site-1", "hospital", "job", "0.1.0", "boot:1000", 6};
  Message reply;
  reply.kind = MessageKind::kReply;
  reply.topic = "train";
  reply.id = "reply";
  reply.request_id = "request";
  reply.data.body.set("w", sample_tensor(FLARE_FLOAT32, {300, 300}));
  reply.data.body.set("b", sample_tensor(FLARE_FLOAT32, {300}));
  Message empty;
  empty.id = "1";
  return {
      {0, hello},
      {0, Hello()},
      {0, welcome},
      {0, Reject{Refusal::kNameTaken, "an agent with that name is connected"}},
      {7, Ack{"message", true, "", false}},
      {7, Ack{"message", false, "the queue is full", false}},
      {7, Ack{"message", false, "nobody asked for it", true}},
      {std::numeric_limits<uint64_t>::max(), Heartbeat{std::numeric_limits<uint64_t>::max(), Phase::kSending}},
      {7, Bye{"closed"}},
      {7, ChunkRequest{"transaction", 3, 1048576, 1048576}},
      {7, Chunk{"transaction", 3, 1048576, 0xfedcba9876543210}},
      {7, ChunkRefused{"transaction", FLARE_ABORTED, "unknown transaction"}},
      {7, Settled{"transaction", true, "", ""}},
      {7, Settled{"transaction", false, "streaming_idle_timeout", "server"}},
      {7, Progress{"transaction", "server", 1u << 20, 3}},
      {7, Progress{"transaction", "", 0, 0}},
      data_envelope(std::move(empty)),
      data_envelope(std::move(reply)),
      data_envelope(sample_message()),
  };
}

// ---- The same ----------------------------------------------------------------------------------------------------

// What travels outside of the envelope is not in it: a decoded message has no contents yet.
enum class Contents { kCompare, kIgnore };

inline bool same(const Value &a, const Value &b, Contents contents);

inline bool same(const Map &a, const Map &b, Contents contents) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Map::Entry &x, const Map::Entry &y) {
    return x.first == y.first && same(x.second, y.second, contents);
  });
}

inline bool same(const Bytes &a, const Bytes &b, Contents contents) {
  return contents == Contents::kIgnore || a.text() == b.text();
}

inline bool same(const Value &a, const Value &b, Contents contents) {
  if (a.data().index() != b.data().index()) return false;
  return std::visit(
      [&](const auto &x) {
        using Type = std::decay_t<decltype(x)>;
        const Type &y = std::get<Type>(b.data());
        if constexpr (std::is_same_v<Type, double>) {
          return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
        } else if constexpr (std::is_same_v<Type, Bytes> || std::is_same_v<Type, Map>) {
          return same(x, y, contents);
        } else if constexpr (std::is_same_v<Type, List>) {
          return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                            [&](const Value &u, const Value &v) { return same(u, v, contents); });
        } else if constexpr (std::is_same_v<Type, Tensor>) {
          return x.dtype == y.dtype && x.shape == y.shape && same(x.bytes, y.bytes, contents);
        } else if constexpr (std::is_same_v<Type, OpaqueObject>) {
          return x.type_name == y.type_name && same(x.content, y.content, contents);
        } else {
          return x == y;
        }
      },
      a.data());
}

inline bool same(const Message &a, const Message &b, Contents contents) {
  return a.kind == b.kind && a.topic == b.topic && a.id == b.id && a.request_id == b.request_id &&
         a.data.kind == b.data.kind && same(a.data.headers, b.data.headers, contents) &&
         same(a.data.body, b.data.body, contents) && same(a.data.meta, b.data.meta, contents);
}

inline bool same(const Payload &a, const Payload &b) {
  const auto same_slot = [](const Payload::Slot &x, const Payload::Slot &y) {
    return x.object == y.object && x.offset == y.offset && x.size == y.size;
  };
  return std::equal(a.slots.begin(), a.slots.end(), b.slots.begin(), b.slots.end(), same_slot) && a.sizes == b.sizes &&
         a.inlined == b.inlined && a.inline_checksum == b.inline_checksum;
}

inline bool same(const Hello &a, const Hello &b) {
  return a.min_version == b.min_version && a.max_version == b.max_version && a.lane == b.lane && a.epoch == b.epoch &&
         a.instance == b.instance && a.agent_id == b.agent_id && a.token == b.token && a.library == b.library &&
         a.host == b.host && a.capabilities == b.capabilities;
}
inline bool same(const Welcome &a, const Welcome &b) {
  return a.version == b.version && a.lane == b.lane && a.epoch == b.epoch && a.instance == b.instance &&
         a.agent_id == b.agent_id && a.site == b.site && a.job_id == b.job_id && a.library == b.library &&
         a.host == b.host && a.capabilities == b.capabilities;
}
inline bool same(const Reject &a, const Reject &b) { return a.refusal == b.refusal && a.reason == b.reason; }
inline bool same(const Ack &a, const Ack &b) {
  return a.id == b.id && a.accepted == b.accepted && a.reason == b.reason;
}
inline bool same(const Heartbeat &a, const Heartbeat &b) { return a.sequence == b.sequence && a.phase == b.phase; }
inline bool same(const Bye &a, const Bye &b) { return a.reason == b.reason; }
inline bool same(const ChunkRequest &a, const ChunkRequest &b) {
  return a.transaction == b.transaction && a.object == b.object && a.offset == b.offset && a.length == b.length;
}
inline bool same(const Chunk &a, const Chunk &b) {
  return a.transaction == b.transaction && a.object == b.object && a.offset == b.offset && a.checksum == b.checksum;
}
inline bool same(const ChunkRefused &a, const ChunkRefused &b) {
  return a.transaction == b.transaction && a.status == b.status && a.reason == b.reason;
}
inline bool same(const Settled &a, const Settled &b) {
  return a.transaction == b.transaction && a.success == b.success && a.reason == b.reason && a.receiver == b.receiver;
}
inline bool same(const Progress &a, const Progress &b) {
  return a.transaction == b.transaction && a.receiver == b.receiver && a.bytes == b.bytes && a.items == b.items;
}
inline bool same(const Data &a, const Data &b) {
  return same(a.payload, b.payload) && same(*a.message, *b.message, Contents::kIgnore);
}

// Without the contents of the payload.
inline bool same(const Envelope &a, const Envelope &b) {
  if (a.epoch != b.epoch || a.body.index() != b.body.index()) return false;
  return std::visit([&](const auto &x) { return same(x, std::get<std::decay_t<decltype(x)>>(b.body)); }, a.body);
}

}  // namespace flare::wire
