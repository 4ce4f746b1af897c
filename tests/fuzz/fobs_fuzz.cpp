// A message in NVFlare's encoding is read or refused; what was read is the same once it is written and read again.
#include "base/failure.h"
#include "fobs/message.h"
#include "fobs_samples.h"
#include "fuzz_input.h"

namespace flare::fobs {
namespace {

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
  externalize(&message, {8, [] { return std::string("00112233-4455-6677-8899-aabbccddeeff"); }});
  require(message.datums.size() >= again.datums.size());
  decode(encode(message).join(), limits);
}

}  // namespace
}  // namespace flare::fobs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::fobs::check(flare::copy_bytes(bytes, size));
  return 0;
}
