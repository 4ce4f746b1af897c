#include <stdlib.h>

#include "driver.h"
#include "elements.h"

static json_t *hex_of(const unsigned char *data, size_t size) {
  char *digits = malloc(2 * size + 1);
  if (digits == NULL) abort();
  for (size_t i = 0; i < size; ++i) {
    digits[2 * i] = "0123456789abcdef"[data[i] >> 4];
    digits[2 * i + 1] = "0123456789abcdef"[data[i] & 15];
  }
  json_t *text = json_stringn(digits, 2 * size);
  free(digits);
  return text;
}

static json_t *list_to_json(const flare_value *list) {
  json_t *entries = json_array();
  const flare_value *child = NULL;
  for (size_t i = 0; flare_value_at(list, i, NULL, &child) == FLARE_OK; ++i)
    (void)json_array_append_new(entries, value_to_json(child));
  return entries;
}

static json_t *map_to_json(const flare_value *map) {
  json_t *entries = json_object();
  const char *key = NULL;
  const flare_value *child = NULL;
  for (size_t i = 0; flare_value_at(map, i, &key, &child) == FLARE_OK; ++i)
    (void)json_object_set_new(entries, key, value_to_json(child));
  return entries;
}

json_t *value_to_json(const flare_value *value) {
  int64_t number = 0;
  double real = 0;
  const char *text = NULL;
  const void *data = NULL;
  size_t size = 0;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  switch (flare_value_get_type(value)) {
    case FLARE_VALUE_BOOL: (void)flare_value_get_int(value, &number); return json_boolean(number != 0);
    case FLARE_VALUE_INT: (void)flare_value_get_int(value, &number); return json_integer(number);
    case FLARE_VALUE_DOUBLE: (void)flare_value_get_double(value, &real); return json_real(real);
    case FLARE_VALUE_TEXT: (void)flare_value_get_text(value, &text); return json_string(text);
    case FLARE_VALUE_BYTES:
      (void)flare_value_get_bytes(value, &data, &size);
      return json_pack("{s:o}", "$bytes", hex_of(data, size));
    case FLARE_VALUE_LIST: return list_to_json(value);
    case FLARE_VALUE_MAP: return map_to_json(value);
    case FLARE_VALUE_TENSOR:
      (void)flare_value_get_tensor(value, &tensor);
      return json_pack("{s:s}", "$tensor", dtype_name(tensor.dtype));
    case FLARE_VALUE_OPAQUE: (void)flare_value_get_text(value, &text); return json_pack("{s:s}", "$opaque", text);
    default: return json_null();
  }
}
