// The frames of the ZeroMQ wire, version 1, as plain structs, and their FlatBuffer encoding (schema/wire.fbs).
// Pure: no sockets, and nothing of FlatBuffers shows outside frames_*.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "pipe/message.h"
#include "transfer/chunk.h"

namespace flare::wire {

enum class Lane : uint8_t { kControl = 0, kBulk = 1 };
enum class Phase : uint8_t { kIdle = 0, kReceiving = 1, kComputing = 2, kSending = 3 };
enum class Refusal : uint8_t { kVersion = 0, kToken = 1, kAgentId = 2, kNameTaken = 3, kUnknownSession = 4, kOver = 5 };

inline constexpr uint16_t kWireVersion = 1;

struct Hello {  // agent -> exchanger, first on each connection
  uint16_t min_version = kWireVersion;
  uint16_t max_version = kWireVersion;
  Lane lane = Lane::kControl;
  uint64_t epoch = 0;    // bulk: that of the control connection's Welcome; control: 0
  std::string instance;  // of this agent object, new at each open
  std::string agent_id;
  std::string token;
  std::string library;  // version, for people
  std::string host;     // boot id and user, to find out whether memory can be shared
  uint32_t capabilities = 0;
};
struct Welcome {
  uint16_t version = kWireVersion;
  Lane lane = Lane::kControl;
  uint64_t epoch = 0;
  std::string instance;  // of the exchanger object
  std::string agent_id;
  std::string site;
  std::string job_id;
  std::string library;
  std::string host;
  uint32_t capabilities = 0;
};
struct Reject {
  Refusal refusal = Refusal::kVersion;
  std::string reason;
};
struct Ack {  // of a message, or of a Settled (id = transaction)
  std::string id;
  bool accepted = true;
  std::string reason;
  bool for_good = false;  // of a refusal: sending it again is of no use
};
struct Heartbeat {
  uint64_t sequence = 0;
  Phase phase = Phase::kIdle;
};
struct Bye {  // this end closes in order
  std::string reason;
};
struct Chunk {  // a second frame holds the bytes
  std::string transaction;
  uint32_t object = 0;
  uint64_t offset = 0;
  uint64_t checksum = 0;
};
struct ChunkRefused {  // the whole transaction is refused
  std::string transaction;
  int32_t status = 0;
  std::string reason;
};
struct Settled {  // receiver -> owner: everything is here, or I gave up
  std::string transaction;
  bool success = true;
  std::string reason;
  std::string receiver;  // "": the sender itself; else of whom an exchanger says so
};
struct Progress {  // receiver -> owner: how far it is
  std::string transaction;
  std::string receiver;  // as in Settled
  uint64_t bytes = 0;
  uint32_t items = 0;
};

// Where the tensors and bytes of a message travel. Objects are numbered as in its transaction; when inlined there
// is one object and it is the second frame. A slot of size 0 is {0, 0, 0} and in no object. In each object the slots
// ascend and do not overlap, and the object ends with its last slot.
struct Payload {
  struct Slot {
    uint32_t object = 0;
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  std::vector<Slot> slots;      // one per tensor, bytes or opaque object, in the order of the walk over the message
  std::vector<uint64_t> sizes;  // of the objects
  bool inlined = false;
  uint64_t inline_checksum = 0;
};

struct Data {
  MessagePtr message;
  Payload payload;
};

using Body = std::variant<Hello, Welcome, Reject, Data, Ack, Heartbeat, Bye, ChunkRequest, Chunk, ChunkRefused, Settled,
                          Progress>;

struct Envelope {
  uint64_t epoch = 0;  // 0 in Hello, Welcome and Reject
  Body body;
};

// Lays the payload of a message out: what fits one object of limits.inline_bytes is inlined (copied); else every
// tensor from 256 KiB on is an object of its own (no copy) and smaller ones share objects of up to limits.chunk_bytes
// (copied), each slot aligned to 64. `objects` receives the bytes. No payload bytes at all: no objects, not inlined.
// Here is where a message is refused that the peer would refuse: throws Failure(FLARE_TOO_LARGE) for what is beyond
// the limits (nesting, names, tensors, the size of the envelope to be), FLARE_INVALID_ARGUMENT without an id.
Payload lay_out(const Message &message, const Limits &limits, std::vector<Bytes> *objects);

// The same without copying anything: for whoever must know before a message is on its way.
Payload plan(const Message &message, const Limits &limits);

// Texts are UTF-8, except for reasons, which are made so. Never fails for a message that lay_out() took.
Bytes encode(const Envelope &envelope);

// Throws Failure(FLARE_PROTOCOL or FLARE_TOO_LARGE) for anything that is not a valid envelope within the limits:
// wrong identifier, failed verification, nesting, text that is not UTF-8 or too long, missing ids, repeated keys,
// unknown dtypes, shapes whose size is not the slot's size, slots outside of their objects or overlapping, sizes
// beyond the limits. What it allocates is in proportion to `size`, whatever is announced. The message of a Data has
// empty bytes in its tensors until attach(). `data` may have any alignment.
Envelope decode(const void *data, size_t size, const Limits &limits);

// The message with the bytes of its tensors in place (slices of the objects, which they keep alive). Throws
// Failure(FLARE_PROTOCOL) unless the objects have the sizes that payload.sizes tells; checksums are the business of
// whoever received them. Tensors are aligned to 64: an object, or a slice of it, that is not is copied.
MessagePtr attach(const Data &data, const std::vector<Bytes> &objects);

}  // namespace flare::wire
