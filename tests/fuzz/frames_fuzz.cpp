// Whatever decodes must mean the same once it is encoded again; and its message, with bytes attached, must survive
// the whole way: laid out, encoded, decoded, attached.
#include <numeric>

#include "base/failure.h"
#include "frames_samples.h"
#include "fuzz_input.h"

namespace flare::wire {
namespace {

constexpr uint64_t kMaxAttached = 1 << 20;

void check_message(const Data &data, const Limits &limits) {
  std::vector<Bytes> objects;
  if (std::accumulate(data.payload.sizes.begin(), data.payload.sizes.end(), uint64_t{0}) > kMaxAttached) return;
  for (const uint64_t size : data.payload.sizes) objects.push_back(sample_bytes(size, static_cast<uint32_t>(size)));
  const MessagePtr message = attach(data, objects);
  Data again;
  again.message = message;
  try {
    again.payload = lay_out(*message, limits, &objects);
  } catch (const Failure &failure) {
    // It foresees what an envelope needs at most, so it is stricter near the limits.
    require(failure.status() == FLARE_TOO_LARGE);
    return;
  }
  const Bytes encoded = encode({1, again});
  const Envelope decoded = decode(encoded.data, encoded.size, limits);
  const MessagePtr arrived = attach(std::get<Data>(decoded.body), objects);
  require(same(*message, *arrived, Contents::kCompare));
}

void check_input(const uint8_t *bytes, size_t size) {
  const Limits limits;
  Envelope envelope;
  try {
    envelope = decode(bytes, size, limits);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);
    return;
  }
  const Bytes encoded = encode(envelope);
  require(same(envelope, decode(encoded.data, encoded.size, limits)));
  if (const auto *data = std::get_if<Data>(&envelope.body)) check_message(*data, limits);
}

}  // namespace
}  // namespace flare::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::wire::check_input(bytes, size);
  return 0;
}
