#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "elements.h"

enum { MAX_DIMENSIONS = 32 };

static flare_shareable *content(Driver *driver) { return flare_result_shareable(driver->result); }

static json_t *put(Driver *driver, const json_t *request) {
  const json_t *extents = json_object_get(request, "shape");
  const size_t ndim = json_array_size(extents);
  if (ndim > MAX_DIMENSIONS) return failure("INVALID_ARGUMENT", "this driver puts up to 32 dimensions");
  int64_t shape[MAX_DIMENSIONS];
  bool sensible = true; /* what is not is for the library to say */
  for (size_t i = 0; i < ndim; ++i) {
    shape[i] = json_integer_value(json_array_get(extents, i));
    sensible = sensible && shape[i] >= 0 && shape[i] <= 1 << 24;
  }
  flare_tensor tensor = FLARE_TENSOR_INIT;
  tensor.dtype = dtype_named(text_of(request, "dtype"));
  tensor.ndim = (int32_t)ndim;
  tensor.shape = shape;
  const size_t count = sensible ? element_count(&tensor) : 0;
  void *elements = malloc(count * flare_dtype_size(tensor.dtype) + 1);
  if (elements == NULL) abort();
  fill_elements(tensor.dtype, elements, count, int_of(request, "start"));
  tensor.data = elements;

  const char *name = text_of(request, "name");
  const bool copy = strcmp(text_of(request, "how"), "copy") == 0; /* C owns as it borrows: by keeping the memory */
  flare_error *error = NULL;
  const flare_status status = copy ? flare_shareable_copy_tensor(content(driver), name, &tensor, &error)
                                   : flare_shareable_borrow_tensor(content(driver), name, &tensor, &error);
  if (!copy && status == FLARE_OK && driver->borrowed_count < MAX_BORROWED)
    driver->borrowed[driver->borrowed_count++] = elements;
  else
    free(elements);
  return outcome(status, &error);
}

flare_status echo_task(Driver *driver, flare_error **error) {
  const flare_shareable *data = flare_task_shareable(driver->task);
  flare_status status = FLARE_OK;
  const char *name = NULL;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  for (size_t i = 0; status == FLARE_OK && flare_shareable_tensor_at(data, i, &name, &tensor) == FLARE_OK; ++i)
    status = flare_shareable_copy_tensor(content(driver), name, &tensor, error);
  return status;
}

static json_t *echo(Driver *driver, const json_t *request) {
  (void)request;
  flare_error *error = NULL;
  return outcome(echo_task(driver, &error), &error);
}

static unsigned char byte_of(const char *digits) {
  const char pair[] = {digits[0], digits[1], '\0'};
  return (unsigned char)strtoul(pair, NULL, 16);
}

static json_t *put_bytes(Driver *driver, const json_t *request) {
  const char *digits = text_of(request, "hex");
  const size_t size = strlen(digits) / 2;
  unsigned char *bytes = malloc(size + 1);
  if (bytes == NULL) abort();
  for (size_t i = 0; i < size; ++i) bytes[i] = byte_of(digits + 2 * i);
  flare_error *error = NULL;
  const flare_status status =
      flare_shareable_copy_bytes(content(driver), text_of(request, "name"), bytes, size, &error);
  free(bytes);
  return outcome(status, &error);
}

static flare_status set_as_json(flare_shareable *shareable, flare_section section, const char *name,
                                const json_t *value, flare_error **error) {
  char *json = json_dumps(value, JSON_ENCODE_ANY);
  const flare_status status = flare_shareable_set_json(shareable, section, name, json, error);
  free(json);
  return status;
}

static json_t *set(Driver *driver, const json_t *request) {
  flare_shareable *shareable = content(driver);
  const flare_section section = section_of(request);
  const char *name = text_of(request, "name");
  const json_t *value = json_object_get(request, "value");
  flare_error *error = NULL;
  switch (json_typeof(value)) {
    case JSON_INTEGER:
      return outcome(flare_shareable_set_int(shareable, section, name, json_integer_value(value), &error), &error);
    case JSON_REAL:
      return outcome(flare_shareable_set_double(shareable, section, name, json_real_value(value), &error), &error);
    case JSON_STRING:
      return outcome(flare_shareable_set_text(shareable, section, name, json_string_value(value), &error), &error);
    default: return outcome(set_as_json(shareable, section, name, value, &error), &error);
  }
}

static json_t *set_metric(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(
      flare_shareable_set_metric(content(driver), text_of(request, "name"), double_of(request, "value"), &error),
      &error);
}

static json_t *set_steps(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_shareable_set_steps(content(driver), int_of(request, "value"), &error), &error);
}

static json_t *set_kind(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_shareable_set_kind(content(driver), text_of(request, "value"), &error), &error);
}

static json_t *set_return_code(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_shareable_set_return_code(content(driver), text_of(request, "value"), &error), &error);
}

static json_t *submit(Driver *driver, const json_t *request) {
  (void)request;
  flare_error *error = NULL;
  return outcome(flare_result_submit(driver->result, &error), &error);
}

static json_t *wait_for(Driver *driver, const json_t *request) {
  const flare_level level = strcmp(text_of(request, "level"), "accepted") == 0 ? FLARE_ACCEPTED : FLARE_DELIVERED;
  flare_error *error = NULL;
  return outcome(flare_result_wait(driver->result, level, int_of(request, "timeout_ms"), &error), &error);
}

static json_t *finish(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_result_finish(driver->result, int_of(request, "timeout_ms"), &error), &error);
}

static json_t *progress(Driver *driver, const json_t *request) {
  (void)request;
  static const char *const states[] = {"WAITING", "ACTIVE", "DELIVERED", "FAILED"};
  flare_progress progress = FLARE_PROGRESS_INIT;
  const flare_status status = flare_result_progress(driver->result, &progress);
  if (status != FLARE_OK) return outcome(status, NULL);
  return json_pack("{s:s, s:s, s:I, s:I}", "status", "OK", "state", states[progress.state], "bytes_total",
                   (json_int_t)progress.bytes_total, "bytes_done", (json_int_t)progress.bytes_done);
}

static json_t *cancel(Driver *driver, const json_t *request) {
  (void)request;
  flare_result_cancel(driver->result);
  return ok();
}

static json_t *release_result(Driver *driver, const json_t *request) {
  (void)request;
  drop_result(driver);
  return ok();
}

const Operation result_operations[] = {
    {"put", A_RESULT, put},
    {"echo", A_RESULT, echo},
    {"put_bytes", A_RESULT, put_bytes},
    {"set", A_RESULT, set},
    {"set_metric", A_RESULT, set_metric},
    {"set_steps", A_RESULT, set_steps},
    {"set_kind", A_RESULT, set_kind},
    {"set_return_code", A_RESULT, set_return_code},
    {"submit", A_RESULT, submit},
    {"wait", A_RESULT, wait_for},
    {"finish", A_RESULT, finish},
    {"progress", A_RESULT, progress},
    {"cancel", A_RESULT, cancel},
    {"drop_result", A_RESULT, release_result},
    {0},
};
