#include "elements.hpp"

#include <array>
#include <cstring>

namespace {

struct Name {
  const char *text;
  flare_dtype dtype;
};

constexpr std::array kNames = {
    Name{"int8", FLARE_INT8},
    Name{"int16", FLARE_INT16},
    Name{"int32", FLARE_INT32},
    Name{"int64", FLARE_INT64},
    Name{"uint8", FLARE_UINT8},
    Name{"uint16", FLARE_UINT16},
    Name{"uint32", FLARE_UINT32},
    Name{"uint64", FLARE_UINT64},
    Name{"float16", FLARE_FLOAT16},
    Name{"float32", FLARE_FLOAT32},
    Name{"float64", FLARE_FLOAT64},
    Name{"opaque", FLARE_OPAQUE},
    Name{"bfloat16", FLARE_BFLOAT16},
    Name{"complex64", FLARE_COMPLEX64},
    Name{"complex128", FLARE_COMPLEX128},
    Name{"bool", FLARE_BOOL},
    Name{"float8_e4m3fn", FLARE_FLOAT8_E4M3FN},
    Name{"float8_e5m2", FLARE_FLOAT8_E5M2},
};

template <typename T>
void store(std::byte *out, T value) {
  std::memcpy(out, &value, sizeof(value));
}

// The real part of a complex number comes first; the rest of the element is zero.
void store_number(flare_dtype dtype, std::byte *out, int64_t number) {
  switch (dtype) {
    case FLARE_BOOL: return store(out, static_cast<uint8_t>(number % 2));
    case FLARE_FLOAT32:
    case FLARE_COMPLEX64: return store(out, static_cast<float>(number));
    case FLARE_FLOAT64:
    case FLARE_COMPLEX128: return store(out, static_cast<double>(number));
    default: std::memcpy(out, &number, flare_dtype_size(dtype));  // integers and bits, little-endian
  }
}

}  // namespace

std::string dtype_name(flare_dtype dtype) {
  for (const Name &name : kNames)
    if (name.dtype == dtype) return name.text;
  return "unknown";
}

flare_dtype dtype_named(const std::string &text) {
  for (const Name &name : kNames)
    if (name.text == text) return name.dtype;
  return 0;
}

std::vector<std::byte> make_elements(flare_dtype dtype, size_t count, int64_t start) {
  const size_t size = flare_dtype_size(dtype);
  std::vector<std::byte> elements(count * size);
  for (size_t i = 0; i < count; ++i)
    store_number(dtype, elements.data() + i * size, (start + static_cast<int64_t>(i)) % 128);
  return elements;
}

std::string hash_of(const void *data, size_t size) {
  uint64_t state = 0xcbf29ce484222325;  // FNV-1a
  for (size_t i = 0; i < size; ++i) state = (state ^ static_cast<const unsigned char *>(data)[i]) * 0x100000001b3;
  std::array<char, 17> digits{};
  (void)std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(state));
  return digits.data();
}
