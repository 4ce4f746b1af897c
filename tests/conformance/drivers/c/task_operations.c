#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <time.h>

#include "driver.h"
#include "elements.h"

static json_t *is_aborted(Driver *driver, const json_t *request) {
  const struct timespec pause = {0, 5000000};
  for (int64_t left = int_of(request, "timeout_ms"); left > 0 && !flare_task_is_aborted(driver->task); left -= 5)
    (void)nanosleep(&pause, NULL);
  return json_pack("{s:s, s:b}", "status", "OK", "aborted", flare_task_is_aborted(driver->task));
}

static json_t *data(Driver *driver, const json_t *request) {
  (void)request;
  static const char *const params_types[] = {"NONE", "FULL", "DIFF"};
  const flare_shareable *data = flare_task_shareable(driver->task);
  int64_t steps = 0;
  const bool has_steps = flare_shareable_steps(data, &steps) == FLARE_OK;
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "status", "OK", "kind", flare_shareable_kind(data), "params_type",
                   params_types[flare_shareable_params_type(data)], "return_code", flare_shareable_return_code(data),
                   "reason", flare_shareable_reason(data), "steps", has_steps ? json_integer(steps) : json_null());
}

static json_t *metric(Driver *driver, const json_t *request) {
  double value = 0;
  const flare_status status =
      flare_shareable_metric(flare_task_shareable(driver->task), text_of(request, "name"), &value);
  if (status != FLARE_OK) return outcome(status, NULL);
  return json_pack("{s:s, s:f}", "status", "OK", "value", value);
}

static json_t *section(Driver *driver, const json_t *request) {
  const flare_value *section = flare_shareable_section(flare_task_shareable(driver->task), section_of(request));
  return json_pack("{s:s, s:o}", "status", "OK", "value", value_to_json(section));
}

static json_t *shape_of(const flare_tensor *tensor) {
  json_t *shape = json_array();
  for (int32_t i = 0; i < tensor->ndim; ++i) (void)json_array_append_new(shape, json_integer(tensor->shape[i]));
  return shape;
}

static json_t *tensors(Driver *driver, const json_t *request) {
  (void)request;
  const flare_shareable *data = flare_task_shareable(driver->task);
  json_t *list = json_array();
  const char *name = NULL;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  for (size_t i = 0; flare_shareable_tensor_at(data, i, &name, &tensor) == FLARE_OK; ++i) {
    const HashText hash = hash_of(tensor.data, element_count(&tensor) * flare_dtype_size(tensor.dtype));
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "name", name, "dtype", dtype_name(tensor.dtype),
                                                "shape", shape_of(&tensor), "hash", hash.digits));
  }
  return json_pack("{s:s, s:o}", "status", "OK", "tensors", list);
}

static json_t *read_tensor(Driver *driver, const json_t *request) {
  const flare_shareable *data = flare_task_shareable(driver->task);
  const char *name = text_of(request, "name");
  const flare_dtype dtype = dtype_named(text_of(request, "dtype"));
  flare_tensor tensor = FLARE_TENSOR_INIT;
  const bool found = flare_shareable_find_tensor(data, name, &tensor) == FLARE_OK;
  const size_t count = found ? element_count(&tensor) : 0;
  const size_t size = count * flare_dtype_size(dtype);
  void *elements = malloc(size + 1);
  if (elements == NULL) abort();
  flare_error *error = NULL;
  const flare_status status = flare_shareable_read_tensor(data, name, dtype, elements, count, &error);
  json_t *answer = outcome(status, &error);
  if (status == FLARE_OK) {
    (void)json_object_set_new(answer, "shape", shape_of(&tensor));
    (void)json_object_set_new(answer, "hash", json_string(hash_of(elements, size).digits));
  }
  free(elements);
  return answer;
}

flare_status make_result(Driver *driver, flare_error **error) {
  flare_result *result = NULL;
  const flare_status status = flare_result_new(driver->task, &result, error);
  if (status == FLARE_OK) {
    drop_result(driver);
    driver->result = result;
  }
  return status;
}

static json_t *new_result(Driver *driver, const json_t *request) {
  (void)request;
  flare_error *error = NULL;
  return outcome(make_result(driver, &error), &error);
}

static json_t *fail(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_task_fail(driver->task, text_of(request, "return_code"), text_of(request, "reason"), &error),
                 &error);
}

/* A user's error is, in C, a way out of the loop that releases what was taken. */
static json_t *release_task(Driver *driver, const json_t *request) {
  (void)request;
  drop_task(driver);
  return ok();
}

const Operation task_operations[] = {
    {"is_aborted", A_TASK, is_aborted},
    {"data", A_TASK, data},
    {"metric", A_TASK, metric},
    {"section", A_TASK, section},
    {"tensors", A_TASK, tensors},
    {"read", A_TASK, read_tensor},
    {"result", A_TASK, new_result},
    {"fail", A_TASK, fail},
    {"drop_task", A_TASK, release_task},
    {"panic", A_TASK, release_task},
    {0},
};
