// A message is a polynomial over GF(2), its CRC the remainder of a division by P. What stands n bits before the end may
// be multiplied by x^n mod P and added to the end: so 64 bytes become 16, by carry-less multiplications, again and
// again, and zlib takes the remainder of the last 16. It goes at some GB/s, where zlib alone needs longer for a model
// than all else that is done with it.
#include "exec/crc32.h"

#include <zlib.h>

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flare_tool {

namespace {

uint32_t by_zlib(uint32_t crc, std::span<const std::byte> bytes) {
  if (bytes.empty()) return crc;  // without a pointer zlib would begin anew
  return static_cast<uint32_t>(::crc32_z(crc, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()));
}

#if defined(__x86_64__)

// x^n mod P in zip's order of bits, where the highest bit is that of x^0. It stands in the upper half of 64 bits, as
// the product of two 64 bit numbers in this order is one bit short of 128.
constexpr int64_t power(int n) {
  uint32_t remainder = 0x80000000u;
  for (int i = 0; i < n; ++i) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xedb88320u : 0);
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
  for (bytes = bytes.subspan(kLanes * kBlock); bytes.size() >= kLanes * kBlock; bytes = bytes.subspan(kLanes * kBlock))
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = fold<kLanes * kBlock * 8>(lanes[lane], load(lane));
  for (size_t lane = 1; lane < kLanes; ++lane) lanes[lane] = fold<kBlock * 8>(lanes[lane - 1], lanes[lane]);
  std::byte left[kBlock];
  _mm_storeu_si128(reinterpret_cast<__m128i *>(left), lanes[kLanes - 1]);
  return by_zlib(by_zlib(0xffffffffu, left), bytes);  // zlib inverts before and after: so it begins with 0
}

#endif

}  // namespace

uint32_t crc32_of(uint32_t crc, std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  static const bool can_fold = __builtin_cpu_supports("pclmul") != 0;
  if (can_fold && bytes.size() >= kLanes * kBlock) return by_folding(crc, bytes);
#endif
  return by_zlib(crc, bytes);
}

}  // namespace flare_tool
