// A message is a polynomial over GF(2), its CRC the remainder of a division by P. What stands n bits before the end may
// be multiplied by x^n mod P and added to the end: so 64 bytes become 16, by carry-less multiplications, again and
// again, and tables give the remainder of the last 16. It goes at some GB/s, where tables alone need longer for a model
// than all else that is done with it.
#include "base/crc32.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flare {
namespace {

constexpr uint32_t kPolynomial = 0xedb88320u;
constexpr size_t kStep = 8;

// The remainders of each byte, and of each followed by 1 to 7 zeros.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, kStep> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int i = 0; i < 8; ++i) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = remainder;
  }
  for (size_t zeros = 1; zeros < kStep; ++zeros) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[zeros - 1][byte];
      tables[zeros][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}();

uint32_t by_tables(uint32_t crc, std::span<const std::byte> bytes) {
  static_assert(std::endian::native == std::endian::little);
  crc = ~crc;
  for (; bytes.size() >= kStep; bytes = bytes.subspan(kStep)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), kStep);
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < kStep; ++i) crc ^= kTables[kStep - 1 - i][word >> (8 * i) & 0xff];
  }
  for (const std::byte byte : bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(byte)) & 0xff];
  return ~crc;
}

#if defined(__x86_64__)

// x^n mod P in zip's order of bits, where the highest bit is that of x^0. It stands in the upper half of 64 bits, as
// the product of two 64 bit numbers in this order is one bit short of 128.
constexpr int64_t power(int n) {
  uint32_t remainder = 0x80000000u;
  for (int i = 0; i < n; ++i) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kPolynomial : 0);
  return static_cast<int64_t>(static_cast<uint64_t>(remainder) << 32);
}

constexpr size_t kBlock = 16;
constexpr size_t kLanes = 4;

// Of 16 bytes the first 8 are 64 bits further from the end than the last 8. The one bit that a product is short of is
// made up for by a power one lower.
template <int kBits>
__attribute__((target("pclmul,sse2"))) __m128i fold(__m128i far, __m128i near) {
  constexpr int64_t kLast = power(kBits - 1), kFirst = power(kBits + 63);
  const __m128i powers = _mm_set_epi64x(kLast, kFirst);
  const __m128i first = _mm_clmulepi64_si128(far, powers, 0x00);
  const __m128i last = _mm_clmulepi64_si128(far, powers, 0x11);
  return _mm_xor_si128(near, _mm_xor_si128(first, last));
}

__attribute__((target("pclmul,sse2"))) uint32_t by_folding(uint32_t crc, std::span<const std::byte> bytes) {
  const auto load = [&](size_t lane) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(bytes.data() + lane * kBlock));
  };
  __m128i lanes[kLanes] = {load(0), load(1), load(2), load(3)};
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(~crc)));
  for (bytes = bytes.subspan(kLanes * kBlock); bytes.size() >= kLanes * kBlock;
       bytes = bytes.subspan(kLanes * kBlock)) {
#pragma GCC unroll 4  // so that lanes are registers
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = fold<kLanes * kBlock * 8>(lanes[lane], load(lane));
  }
  for (size_t lane = 1; lane < kLanes; ++lane) lanes[lane] = fold<kBlock * 8>(lanes[lane - 1], lanes[lane]);
  std::byte left[kBlock];
  _mm_storeu_si128(reinterpret_cast<__m128i *>(left), lanes[kLanes - 1]);
  return by_tables(by_tables(0xffffffffu, left), bytes);  // inverted before and after: so it begins with 0
}

#endif

}  // namespace

uint32_t crc32_of(uint32_t crc, std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  static const bool can_fold = __builtin_cpu_supports("pclmul") != 0;
  if (can_fold && bytes.size() >= kLanes * kBlock) return by_folding(crc, bytes);
#endif
  return by_tables(crc, bytes);
}

}  // namespace flare
