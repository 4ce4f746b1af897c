/*
 * trainer.c - one site of an NVFlare job, in C: of hello, diff and crosseval.
 *
 *   hello_trainer_c [--resident] DATA.csv
 *
 * A resident takes part in job after job (docs/residents.md). Which job this is and where its peer waits, the library
 * finds in the environment (FLARE_AGENT_*), which the executor sets. Taking part in the job is what stands between the
 * two marked lines; the learning is in logreg.c.
 */
#include <flare_agent.h>
#include <stdio.h>
#include <string.h>

#include "logreg.h"

/* Leaves the function with the status of a call that was not successful. */
#define TRY(call)                            \
  do {                                       \
    const flare_status status_ = (call);     \
    if (status_ != FLARE_OK) return status_; \
  } while (0)

static const char *const kModel = "numpy_key"; /* what NVFlare's NPModelPersistor calls its one array */

typedef struct trainer {
  logreg_data data;
  float received[LOGREG_WEIGHTS]; /* the shared model, as the last task brought it */
  float local[LOGREG_WEIGHTS];    /* what training made of it here */
} trainer;

static double train(trainer *me) {
  memcpy(me->local, me->received, sizeof me->local);
  return logreg_train(me->local, &me->data.train);
}

/* Answers the task with the reason why it has no result, when that is not too late. */
static void tell(flare_task *task, const flare_error *error) {
  if (flare_task_fail(task, "EXECUTION_EXCEPTION", flare_error_message(error), NULL) != FLARE_OK)
    (void)fprintf(stderr, "the peer was not told: ");
}

/* ==== federation: from here ==================================================================================== */

static flare_status answer(trainer *me, flare_agent *agent, flare_task *task, flare_result *result,
                           flare_error **error) {
  static const int64_t shape[] = {LOGREG_WEIGHTS};
  const flare_tensor local = {sizeof local, FLARE_FLOAT32, 1, 0, me->local, shape, NULL};
  const flare_task_kind kind = flare_task_get_kind(task);
  const flare_shareable *model = flare_task_shareable(task);
  flare_shareable *reply = flare_result_shareable(result);
  if (kind == FLARE_TASK_TRAIN || kind == FLARE_TASK_VALIDATE) {
    TRY(flare_shareable_read_tensor(model, kModel, FLARE_FLOAT32, me->received, LOGREG_WEIGHTS, error));
    const double accuracy = logreg_accuracy(me->received, &me->data.test);
    TRY(flare_shareable_set_metric(reply, "accuracy", accuracy, error));
    TRY(flare_agent_log_scalar(agent, "accuracy", accuracy, flare_task_round(task), error));
  }
  if (kind == FLARE_TASK_TRAIN) {
    TRY(flare_agent_log_scalar(agent, "loss", train(me), flare_task_round(task), error));
    TRY(flare_shareable_set_steps(reply, (int64_t)me->data.train.count, error));
  }
  if (kind != FLARE_TASK_VALIDATE) TRY(flare_shareable_copy_tensor(reply, kModel, &local, error));
  return flare_result_finish(result, FLARE_WAIT_FOREVER, error);
}

static flare_status serve(trainer *me, flare_agent *agent, flare_error **error) {
  for (;;) {
    flare_task *task = NULL;
    flare_result *result = NULL;
    flare_status status = flare_agent_next_task(agent, FLARE_WAIT_FOREVER, &task, error);
    if (status == FLARE_OK) status = flare_result_new(task, &result, error);
    if (status == FLARE_OK) status = answer(me, agent, task, result, error);
    if (status < 0) tell(task, *error);
    flare_result_free(result);
    flare_task_free(task);
    if (status != FLARE_OK) return status;
  }
}

/* One job, to its end. */
static flare_status take_part(trainer *me, const char *path, flare_error **error) {
  flare_agent *agent = NULL;
  const char *site = "", *reason = NULL;
  flare_status status = flare_agent_open(NULL, &agent, error);
  if (status == FLARE_OK) status = flare_agent_wait_connected(agent, FLARE_WAIT_FOREVER, error);
  (void)flare_agent_info(agent, "site", &site);
  if (status == FLARE_OK && logreg_load(&me->data, path, site, &reason) == 0) status = serve(me, agent, error);
  if (reason != NULL) (void)fprintf(stderr, "%s, site \"%s\": %s\n", path, site, reason);
  flare_agent_close(agent);
  return status;
}

/* Whether this job is over, and another may come. */
static int is_over(flare_status status) {
  return status == FLARE_ENDED || status == FLARE_ABORTED || status == FLARE_PEER_GONE;
}

/* ==== federation: to here ====================================================================================== */

int main(int argc, char **argv) {
  static trainer me;
  flare_status status;
  const int resident = argc == 3 && strcmp(argv[1], "--resident") == 0;
  if (argc != 2 && !resident) {
    (void)fprintf(stderr, "usage: %s [--resident] DATA.csv\n", argv[0]);
    return 1;
  }
  do {
    flare_error *error = NULL;
    status = take_part(&me, argv[argc - 1], &error);
    if (status < 0) (void)fprintf(stderr, "%s\n", flare_error_message(error));
    flare_error_free(error);
  } while (resident && is_over(status));
  return status == FLARE_ENDED ? 0 : 1;
}
