// What zip files are made of, for the side that writes and the one that reads. All numbers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flare_tool::zip {

constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr uint32_t kEntryMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr uint32_t kLocator64Magic = 0x07064b50;

constexpr size_t kLocalSize = 30;  // before the name
constexpr size_t kEntrySize = 46;  // before the name
constexpr size_t kEndSize = 22;    // before the comment
constexpr size_t kEnd64Size = 56;
constexpr size_t kLocator64Size = 20;

constexpr uint16_t kExtra64 = 1;              // sizes and offsets of 64 bits
constexpr uint16_t kExtraAlignment = 0xd935;  // Android's: the alignment, then as many zeros as it takes

constexpr uint16_t kElsewhere16 = 0xffff;  // the number stands in a place of 64 bits
constexpr uint32_t kElsewhere32 = 0xffffffff;

constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint16_t kEncrypted = 1;   // flag
constexpr uint16_t kUtf8 = 1 << 11;  // flag
constexpr uint16_t kVersion = 20;    // that is needed to read it
constexpr uint16_t kVersion64 = 45;

}  // namespace flare_tool::zip
