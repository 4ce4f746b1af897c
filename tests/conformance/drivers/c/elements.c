#include "elements.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  flare_dtype dtype;
} names[] = {
    {"int8", FLARE_INT8},
    {"int16", FLARE_INT16},
    {"int32", FLARE_INT32},
    {"int64", FLARE_INT64},
    {"uint8", FLARE_UINT8},
    {"uint16", FLARE_UINT16},
    {"uint32", FLARE_UINT32},
    {"uint64", FLARE_UINT64},
    {"float16", FLARE_FLOAT16},
    {"float32", FLARE_FLOAT32},
    {"float64", FLARE_FLOAT64},
    {"opaque", FLARE_OPAQUE},
    {"bfloat16", FLARE_BFLOAT16},
    {"complex64", FLARE_COMPLEX64},
    {"complex128", FLARE_COMPLEX128},
    {"bool", FLARE_BOOL},
    {"float8_e4m3fn", FLARE_FLOAT8_E4M3FN},
    {"float8_e5m2", FLARE_FLOAT8_E5M2},
};
static const size_t name_count = sizeof names / sizeof *names;

const char *dtype_name(flare_dtype dtype) {
  for (size_t i = 0; i < name_count; ++i)
    if (names[i].dtype == dtype) return names[i].name;
  return "unknown";
}

flare_dtype dtype_named(const char *name) {
  for (size_t i = 0; i < name_count; ++i)
    if (strcmp(names[i].name, name) == 0) return names[i].dtype;
  return 0;
}

size_t element_count(const flare_tensor *tensor) {
  size_t count = 1;
  for (int32_t i = 0; i < tensor->ndim; ++i) count *= (size_t)tensor->shape[i];
  return count;
}

/* The real part of a complex number comes first; the rest of the element is zero. */
void fill_elements(flare_dtype dtype, unsigned char *out, size_t count, int64_t start) {
  const size_t size = flare_dtype_size(dtype);
  memset(out, 0, count * size);
  for (size_t i = 0; i < count; ++i, out += size) {
    const int64_t number = (start + (int64_t)i) % 128;
    const float single = (float)number;
    const double real = (double)number;
    if (dtype == FLARE_BOOL)
      *out = (unsigned char)(number % 2);
    else if (dtype == FLARE_FLOAT32 || dtype == FLARE_COMPLEX64)
      memcpy(out, &single, sizeof single);
    else if (dtype == FLARE_FLOAT64 || dtype == FLARE_COMPLEX128)
      memcpy(out, &real, sizeof real);
    else
      memcpy(out, &number, size); /* integers and bits, little-endian */
  }
}

HashText hash_of(const void *data, size_t size) {
  uint64_t state = 0xcbf29ce484222325; /* FNV-1a */
  for (size_t i = 0; i < size; ++i) state = (state ^ ((const unsigned char *)data)[i]) * 0x100000001b3;
  HashText text;
  (void)snprintf(text.digits, sizeof text.digits, "%016" PRIx64, state);
  return text;
}
