#include "base/copy.h"

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace flare {

namespace {

#ifdef __SSE2__

constexpr size_t kLine = 64;  // a cache line, which is written as a whole

void copy_line(__m128i *to, const __m128i *from) {
  const __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
  const __m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);
  _mm_stream_si128(to, a);
  _mm_stream_si128(to + 1, b);
  _mm_stream_si128(to + 2, c);
  _mm_stream_si128(to + 3, d);
}

#endif

}  // namespace

void copy_past_caches(std::byte *to, const std::byte *from, size_t size) {
  size_t done = 0;
#ifdef __SSE2__
  if (reinterpret_cast<uintptr_t>(to) % kLine == 0) {
    for (; size - done >= kLine; done += kLine) {
      copy_line(reinterpret_cast<__m128i *>(to + done), reinterpret_cast<const __m128i *>(from + done));
    }
    _mm_sfence();  // who hears that it is here also sees it
  }
#endif
  if (done < size) std::memcpy(to + done, from + done, size - done);
}

}  // namespace flare
