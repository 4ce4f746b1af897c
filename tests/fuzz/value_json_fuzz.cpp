// JSON text becomes a value or is refused, and a value is the same after its way through text, and over the wire.
#include <algorithm>

#include "base/failure.h"
#include "frames_samples.h"
#include "fuzz_input.h"

namespace flare {
namespace {

size_t depth_of(const Value &value) {
  size_t inner = 0;
  if (const List *list = value.list()) {
    for (const Value &item : *list) inner = std::max(inner, depth_of(item));
    return inner + 1;
  }
  if (const Map *map = value.map()) {
    for (const auto &[key, item] : *map) inner = std::max(inner, depth_of(item));
    return inner + 1;
  }
  return 0;
}

void check_wire(const Value &value, const Limits &limits) {
  Message message;
  message.id = "id";
  message.data.body.set("value", value);
  wire::Envelope sent;
  try {
    sent = wire::data_envelope(message, limits);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_TOO_LARGE);
    return;
  }
  const Bytes encoded = wire::encode(sent);
  require(wire::same(sent, wire::decode(encoded.data, encoded.size, limits)));
}

void check_text(std::string_view text) {
  const Limits limits;
  Value value;
  try {
    value = value_from_json(text, limits);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_INVALID_ARGUMENT);
    return;
  }
  require(depth_of(value) <= limits.max_depth);
  const std::string written = value_to_json(value);
  require(value_to_json(value_from_json(written, limits)) == written);
  check_wire(value, limits);
}

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::check_text(flare::FuzzInput(bytes, size).rest());
  return 0;
}
