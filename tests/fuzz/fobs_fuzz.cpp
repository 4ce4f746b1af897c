// A message in NVFlare's encoding is read or refused; what was read is the same once it is written and read again, also
// when its texts and bytes have moved into datums.
#include <map>

#include "base/failure.h"
#include "fobs/message.h"
#include "fobs_samples.h"
#include "fuzz_input.h"

namespace flare::fobs {
namespace {

// Ids that nothing in the message has by chance.
std::function<std::string()> new_ids(const std::string &shown) {
  return [shown, number = 0]() mutable {
    std::string id;
    do {
      std::string digits = std::to_string(++number);
      id = "00112233-4455-6677-8899-" + digits.insert(0, 12 - digits.size(), '0');
    } while (shown.find(to_digits(id)) != std::string::npos);
    return id;
  };
}

void check_datums(Message message, const Limits &limits) {
  const std::string shown = show(message.root);
  const size_t before = message.datums.size();
  externalize(&message, {8, new_ids(shown)});
  std::map<std::string, Object> contents;
  Message outside;
  try {
    outside = decode(encode(message).join(), limits);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_TOO_LARGE);  // references are deeper, and more, than what they stand for
    return;
  }
  require(outside.datums.size() == message.datums.size());
  for (size_t i = before; i < outside.datums.size(); ++i) {
    const Datum &datum = outside.datums[i];
    contents[datum.id] = datum.kind == Datum::Kind::kText ? Object(datum.content.bytes.text()) : datum.content.bytes;
  }
  require(show(inside(outside.root, contents)) == shown);
}

void check(const Bytes &bytes) {
  Limits limits;
  limits.max_objects = 10'000;
  Message message;
  try {
    message = decode(bytes, limits);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);
    return;
  }
  const Message again = decode(encode(message).join(), limits);
  require(show(again) == show(message));
  try {
    require(sources_of(message, limits).size() <= 2);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);
  }
  check_datums(message, limits);
}

}  // namespace
}  // namespace flare::fobs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::fobs::check(flare::copy_bytes(bytes, size));
  return 0;
}
