// The 16 bytes that begin each frame of NVFlare's SFM, big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flare {

namespace frame_type {  // FRAG (2) and ACK (3) are never used
inline constexpr uint8_t kData = 1;
inline constexpr uint8_t kHello = 4;
inline constexpr uint8_t kReady = 5;
inline constexpr uint8_t kPing = 6;
inline constexpr uint8_t kPong = 7;
}  // namespace frame_type

struct Prefix {
  uint32_t length = 0;  // of the whole frame, with this
  uint16_t header_bytes = 0;
  uint8_t type = 0;
  uint8_t reserved = 0;
  uint16_t flags = 0;
  uint16_t app_id = 0;
  uint16_t stream_id = 0;
  uint16_t sequence = 0;

  friend bool operator==(const Prefix &, const Prefix &) = default;
};

inline constexpr size_t kPrefixBytes = 16;

void write_prefix(const Prefix &prefix, std::byte *to);
Prefix read_prefix(const std::byte *from);

}  // namespace flare
