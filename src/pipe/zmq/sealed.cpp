#include "pipe/zmq/sealed.h"

#include <cstring>

#include "base/checksum.h"
#include "base/failure.h"

namespace flare::wire {

Bytes seal(const Envelope &envelope) {
  const Bytes bare = encode(envelope);
  const uint64_t sum = checksum(bare.data, bare.size);
  Block sealed(bare.size + kSealBytes);
  std::memcpy(sealed.data(), bare.data, bare.size);
  std::memcpy(sealed.data() + bare.size, &sum, sizeof sum);
  return sealed.share();
}

Envelope unseal(const void *data, size_t size, const Limits &limits) {
  if (size < kSealBytes) throw Failure(FLARE_PROTOCOL, "a frame without a checksum");
  const size_t bare = size - kSealBytes;
  uint64_t sum = 0;
  std::memcpy(&sum, static_cast<const std::byte *>(data) + bare, sizeof sum);
  if (checksum(data, bare) != sum) throw Failure(FLARE_PROTOCOL, "an envelope that was damaged on its way");
  return decode(data, bare, limits);
}

}  // namespace flare::wire
