// What a zip archive is made of, for the side that writes and the one that reads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flare::fobs::zip {

inline constexpr uint32_t kLocalMagic = 0x04034b50;
inline constexpr uint32_t kCentralMagic = 0x02014b50;
inline constexpr uint32_t kEndMagic = 0x06054b50;
inline constexpr uint32_t kEnd64Magic = 0x06064b50;
inline constexpr uint32_t kLocator64Magic = 0x07064b50;

// Before names and extra fields.
inline constexpr size_t kLocalSize = 30;
inline constexpr size_t kCentralSize = 46;
inline constexpr size_t kEndSize = 22;
inline constexpr size_t kEnd64Size = 56;
inline constexpr size_t kLocator64Size = 20;

inline constexpr uint32_t kElsewhere = 0xffffffff;  // the number stands in the extra field, in 64 bits
inline constexpr uint16_t kExtra64 = 1;
inline constexpr uint16_t kEncrypted = 1;

}  // namespace flare::fobs::zip
