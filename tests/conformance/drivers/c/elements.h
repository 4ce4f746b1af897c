/* What tensors are filled with, and how their content is told: see "Elements" in README.md. */
#ifndef CONFORMANCE_ELEMENTS_H
#define CONFORMANCE_ELEMENTS_H

#include <stddef.h>

#include "flare_agent.h"

const char *dtype_name(flare_dtype dtype);
/* 0 for a name that is not known. */
flare_dtype dtype_named(const char *name);
size_t element_count(const flare_tensor *tensor);
void fill_elements(flare_dtype dtype, unsigned char *out, size_t count, int64_t start);

typedef struct HashText {
  char digits[17];
} HashText;
HashText hash_of(const void *data, size_t size);

#endif
