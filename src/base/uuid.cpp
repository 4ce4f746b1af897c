#include "base/uuid.h"

#include <sys/random.h>

#include <array>
#include <cstdint>

#include "base/failure.h"

namespace flare {

std::string new_uuid() {
  std::array<uint8_t, 16> random;
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw Failure(FLARE_IO, "the system gives no random numbers (getrandom)");
  }
  random[6] = static_cast<uint8_t>((random[6] & 0x0f) | 0x40);  // version 4
  random[8] = static_cast<uint8_t>((random[8] & 0x3f) | 0x80);  // variant of RFC 4122
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < random.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += "0123456789abcdef"[random[i] >> 4];
    text += "0123456789abcdef"[random[i] & 0x0f];
  }
  return text;
}

}  // namespace flare
