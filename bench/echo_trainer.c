/* Sends every model back as it is: a trainer that costs nothing, so that what it uses is the agent's. */
#include <flare_agent.h>
#include <stdio.h>

static flare_status lend(const flare_shareable *model, flare_shareable *result, flare_error **error) {
  const char *name = NULL;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  flare_status status = FLARE_OK;
  for (size_t i = 0; status == FLARE_OK && flare_shareable_tensor_at(model, i, &name, &tensor) == FLARE_OK; i++)
    status = flare_shareable_borrow_tensor(result, name, &tensor, error);
  return status;
}

int main(void) {
  flare_agent *agent = NULL;
  flare_error *error = NULL;
  flare_status status = flare_agent_open(NULL, &agent, &error);
  while (status == FLARE_OK) {
    flare_task *task = NULL;
    flare_result *result = NULL;
    status = flare_agent_next_task(agent, FLARE_WAIT_FOREVER, &task, &error);
    if (status == FLARE_OK) status = flare_result_new(task, &result, &error);
    if (status == FLARE_OK) status = lend(flare_task_shareable(task), flare_result_shareable(result), &error);
    if (status == FLARE_OK) status = flare_result_finish(result, FLARE_WAIT_FOREVER, &error);
    flare_result_free(result);
    flare_task_free(task);
  }
  if (status < 0) (void)fprintf(stderr, "%s\n", error != NULL ? flare_error_message(error) : flare_status_text(status));
  flare_error_free(error);
  flare_agent_close(agent);
  return status == FLARE_ENDED ? 0 : 1;
}
