/*
 * trainer.c - one site of the digits_by_label job, in C.
 *
 *   digits_trainer_c DATA.csv SITES
 *
 * Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*). Taking part in
 * the job is what stands between the two marked lines, 19 lines of code; the network is in mlp.c.
 */
#include <flare_agent.h>
#include <stdio.h>
#include <stdlib.h>

#include "mlp.h"

/* Leaves the function with the status of a call that was not successful. */
#define TRY(call)                            \
  do {                                       \
    const flare_status status_ = (call);     \
    if (status_ != FLARE_OK) return status_; \
  } while (0)

typedef struct trainer {
  flare_agent *agent;
  digits data;
  mlp received; /* the shared model, as the last task brought it */
  mlp local;    /* what training made of it here; at first the start values */
} trainer;

static double accuracy(const trainer *me) { return mlp_accuracy(&me->received, &me->data.test); }

/* Returns the rows it learned from: the weight of this site in the average. */
static int64_t train(trainer *me) {
  me->local = me->received;
  (void)mlp_train(&me->local, &me->data.train, me->data.epochs);
  return (int64_t)me->data.train.count;
}

static flare_status read_model(const flare_shareable *from, mlp *model, flare_error **error) {
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor to = mlp_tensor_at(model, t);
    TRY(flare_shareable_read_tensor(from, to.name, FLARE_FLOAT32, to.values, to.count, error));
  }
  return FLARE_OK;
}

static flare_status write_model(flare_shareable *to, mlp *model, flare_error **error) {
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor from = mlp_tensor_at(model, t);
    const flare_tensor tensor = {sizeof tensor, FLARE_FLOAT32, from.ndim, 0, from.values, from.shape, NULL};
    TRY(flare_shareable_copy_tensor(to, from.name, &tensor, error));
  }
  return FLARE_OK;
}

/* Prints why a call was not successful, and releases the error. */
static void complain(flare_status status, flare_error **error) {
  (void)fprintf(stderr, "%s\n", *error != NULL ? flare_error_message(*error) : flare_status_text(status));
  flare_error_free(*error);
  *error = NULL;
}

/* Tells the peer why its task has no result. Too late for that once the result was submitted or the job is over. */
static void give_up(flare_task *task, flare_status status, flare_error **error) {
  const flare_status told = flare_task_fail(task, "EXECUTION_EXCEPTION", flare_error_message(*error), NULL);
  (void)fprintf(stderr, "task %s%s: ", flare_task_id(task), told == FLARE_OK ? "" : " (the peer was not told)");
  complain(status, error);
}

/* ==== federation: from here ==================================================================================== */

static flare_status answer(trainer *me, flare_task *task, flare_result *result, flare_error **error) {
  const flare_task_kind kind = flare_task_get_kind(task);
  flare_shareable *reply = flare_result_shareable(result);
  if (kind == FLARE_TASK_OTHER) return flare_task_fail(task, "TASK_UNSUPPORTED", "not a task of this trainer", error);
  if (kind != FLARE_TASK_SUBMIT_MODEL) {
    TRY(read_model(flare_task_shareable(task), &me->received, error));
    TRY(flare_shareable_set_metric(reply, "accuracy", accuracy(me), error));
    TRY(flare_agent_log_scalar(me->agent, "accuracy", accuracy(me), flare_task_round(task), error));
  }
  if (kind == FLARE_TASK_TRAIN) TRY(flare_shareable_set_steps(reply, train(me), error));
  if (kind != FLARE_TASK_VALIDATE) TRY(write_model(reply, &me->local, error));
  return flare_result_finish(result, FLARE_WAIT_FOREVER, error);
}

/* Answers tasks until no more will come, and returns why. What goes wrong with a task ends that task only. */
static flare_status serve(trainer *me, flare_error **error) {
  for (flare_task *task = NULL;; flare_task_free(task)) {
    flare_result *result = NULL;
    TRY(flare_agent_next_task(me->agent, FLARE_WAIT_FOREVER, &task, error));
    flare_status status = flare_result_new(task, &result, error);
    if (status == FLARE_OK) status = answer(me, task, result, error);
    if (status != FLARE_OK) give_up(task, status, error);
    flare_result_free(result);
  }
}

/* ==== federation: to here ====================================================================================== */

/* The session knows which site this is, and that decides about the data. */
static int load_data(trainer *me, const char *path, const char *sites) {
  char reason[256] = "its name must be site-1, site-2 or the like";
  const char *site = "";
  (void)flare_agent_info(me->agent, "site", &site);
  const int index = digits_site_index(site);
  if (index >= 0 && digits_load(&me->data, path, index, atoi(sites), reason, sizeof reason) == 0) return 1;
  (void)fprintf(stderr, "site \"%s\": %s\n", site, reason);
  return 0;
}

int main(int argc, char **argv) {
  static trainer me;
  flare_error *error = NULL;
  if (argc != 3) {
    (void)fprintf(stderr, "usage: %s DATA.csv SITES\n", argv[0]);
    return 1;
  }
  mlp_init(&me.local);
  flare_status status = flare_agent_open(NULL, &me.agent, &error);
  if (status == FLARE_OK) status = flare_agent_wait_connected(me.agent, FLARE_WAIT_FOREVER, &error);
  if (status == FLARE_OK && load_data(&me, argv[1], argv[2])) status = serve(&me, &error);
  if (status != FLARE_OK && status != FLARE_ENDED) complain(status, &error);
  flare_agent_close(me.agent);
  digits_free(&me.data);
  return status == FLARE_ENDED ? 0 : 1;
}
