// A message in NVFlare's encoding (LOBS): one object, and the datums that it refers to, each in a section of its own.
// Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "fobs/object.h"
#include "fobs/pieces.h"

namespace flare::fobs {

// Text or bytes that were too large for the object, or where arrays are to be downloaded from.
struct Datum {
  enum class Kind : uint8_t { kText = 101, kBytes = 102, kFile = 103 };

  Kind kind = Kind::kBytes;
  uint8_t dot = 0;  // see classes.h
  std::string id;   // a UUID
  Joined content;   // of a message that was read in `bytes` alone
};

struct Message {
  Object root;
  std::vector<Datum> datums;
  uint64_t bytes = 0;  // of one that was read: all that large parts of it keep
};

// `bytes` is what all large parts go on to refer to. Throws Failure: FLARE_PROTOCOL for what NVFlare would not read
// either, FLARE_TOO_LARGE beyond a limit.
Message decode(const Bytes &bytes, const Limits &limits);

// Throws Failure(FLARE_INVALID_ARGUMENT) as pack().
Pieces encode(const Message &message);

// Where arrays are downloaded from.
struct Source {
  uint8_t dot = 0;   // the kind of arrays
  std::string fqcn;  // the cell that has them
  std::string ref_id;
  size_t items = 0;  // that the message refers to; there may be more, never fewer
};

// Those that a message names, one for each kind at most. Throws Failure(FLARE_PROTOCOL).
std::vector<Source> sources_of(const Message &message, const Limits &limits);
Datum source_datum(const Source &source, std::string id);

// Puts text and bytes of such a size (of text in characters) into datums, as NVFlare does.
struct Externalization {
  uint64_t from_size = 10u << 20;
  std::function<std::string()> new_id = new_uuid;
};
void externalize(Message *message, const Externalization &rules = {});

}  // namespace flare::fobs
