/*
 * trainer.c - one site of the job big, in C: adds its number to every element of a large model, so that the result
 * is known exactly. site-1 adds 1, site-2 adds 2. The result is lent to the library, not copied.
 */
#include <flare_agent.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kModel = "numpy_key";

/* The model with `number` added; NULL when memory is exhausted. The caller frees it. */
static float *add(const flare_tensor *model, float number, size_t *count) {
  const float *const from = model->data;
  *count = 1;
  for (int32_t i = 0; i < model->ndim; i++) *count *= (size_t)model->shape[i];
  float *const sum = malloc(*count * sizeof *sum);
  for (size_t i = 0; sum != NULL && i < *count; i++) sum[i] = from[i] + number;
  return sum;
}

/* ==== federation: from here ==================================================================================== */

static flare_status answer(flare_task *task, flare_result *result, float number, float **sum, flare_error **error) {
  flare_tensor model = FLARE_TENSOR_INIT;
  size_t count = 0;
  flare_status status = flare_shareable_find_tensor(flare_task_shareable(task), kModel, &model);
  if (status != FLARE_OK || model.dtype != FLARE_FLOAT32)
    return flare_task_fail(task, "BAD_TASK_DATA", "no float32 tensor numpy_key", error);
  if ((*sum = add(&model, number, &count)) == NULL) return FLARE_OUT_OF_MEMORY;
  const flare_tensor mine = {sizeof mine, FLARE_FLOAT32, model.ndim, 0, *sum, model.shape, NULL};
  status = flare_shareable_borrow_tensor(flare_result_shareable(result), kModel, &mine, error);
  if (status == FLARE_OK) status = flare_shareable_set_steps(flare_result_shareable(result), 1, error);
  return status == FLARE_OK ? flare_result_finish(result, FLARE_WAIT_FOREVER, error) : status;
}

static flare_status serve(flare_agent *agent, float number, flare_error **error) {
  for (;;) {
    flare_task *task = NULL;
    flare_result *result = NULL;
    float *sum = NULL;
    flare_status status = flare_agent_next_task(agent, FLARE_WAIT_FOREVER, &task, error);
    if (status == FLARE_OK) status = flare_result_new(task, &result, error);
    if (status == FLARE_OK) status = answer(task, result, number, &sum, error);
    if (status < 0 && flare_task_fail(task, "EXECUTION_EXCEPTION", flare_error_message(*error), NULL) != FLARE_OK)
      (void)fprintf(stderr, "the peer was not told: ");
    flare_result_free(result); /* nothing reads the lent elements after this */
    flare_task_free(task);
    free(sum);
    if (status != FLARE_OK) return status;
  }
}

/* ==== federation: to here ====================================================================================== */

int main(void) {
  flare_agent *agent = NULL;
  flare_error *error = NULL;
  const char *site = "";
  int number = 0;
  flare_status status = flare_agent_open(NULL, &agent, &error);
  if (status == FLARE_OK) status = flare_agent_wait_connected(agent, FLARE_WAIT_FOREVER, &error);
  (void)flare_agent_info(agent, "site", &site);
  if (status == FLARE_OK && sscanf(site, "site-%d", &number) == 1) status = serve(agent, (float)number, &error);
  if (status == FLARE_OK) (void)fprintf(stderr, "the site must be site-1, site-2 or the like, not \"%s\"\n", site);
  if (status < 0) (void)fprintf(stderr, "%s\n", error != NULL ? flare_error_message(error) : flare_status_text(status));
  flare_error_free(error);
  flare_agent_close(agent);
  return status == FLARE_ENDED ? 0 : 1;
}
