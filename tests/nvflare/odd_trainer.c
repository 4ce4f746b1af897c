/*
 * odd_trainer.c - a trainer that does what a test asks for:
 *
 *   echo     answers every task with the tensors it brought, and logs a metric of each type in use
 *   add      the same with 1 added to every float32 element
 *   nan, short, less    echo, but the first tensor has a NaN, one element less, or is not there
 *   more     echo with one tensor more
 *   metrics  echo without the tensors
 *   fail     answers every task with a failure
 *   quit     says why and exits with 3 before it opens an agent
 *   crash    writes a line and aborts in the middle of the first task; with a child that would go on
 *   killed   is killed in the middle of the first task
 *   upload   add, but it is killed in the middle of the upload of its first result; not again when it was started
 *            anew, which it knows by a file in its working directory
 *   fragile  is killed in the middle of each task that comes for the first time
 *   leave    answers one task and exits with 0
 *   hang     never answers, and ignores SIGTERM; with a child that does so too
 *   stay     echo, but after the end of the job it goes on until SIGTERM, and exits with 5
 *   stranger never opens an agent, and ignores SIGTERM
 *   detach   echo; with a child in a session of its own that goes on
 */
#define _POSIX_C_SOURCE 200809L
#include <flare_agent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ELEMENTS = 1 << 24 };

static const char *mode;
static int is(const char *name) { return strcmp(mode, name) == 0; }

static void sleep_for_ever(void) {
  (void)signal(SIGTERM, SIG_IGN);
  for (;;) (void)pause();
}

/* To be called before there are threads, which inherit it. */
static void hold_back_sigterm(sigset_t *held) {
  (void)sigemptyset(held);
  (void)sigaddset(held, SIGTERM);
  (void)sigprocmask(SIG_BLOCK, held, NULL);
}

static int stay(const sigset_t *held) {
  int number = 0;
  (void)fprintf(stderr, "the job is over\n");
  (void)sigwait(held, &number);
  (void)fprintf(stderr, "asked to end\n");
  return 5;
}

static void start_child(void) {
  if (fork() != 0) return;
  if (is("detach")) (void)setsid();
  sleep_for_ever();
}

static int changes(void) { return is("add") || is("upload"); }

/* Copies a tensor into the result, changed as the mode says. */
static flare_status put(flare_shareable *reply, size_t index, const char *name, flare_tensor tensor,
                        flare_error **error) {
  static float elements[MAX_ELEMENTS];
  size_t count = 1;
  int64_t shorter = 0;
  for (int32_t i = 0; i < tensor.ndim; i++) count *= (size_t)tensor.shape[i];
  if ((index == 0 && is("less")) || is("metrics")) return FLARE_OK;
  if (tensor.dtype == FLARE_FLOAT32 && count > 0 && count <= MAX_ELEMENTS) {
    memcpy(elements, tensor.data, count * sizeof *elements);
    for (size_t i = 0; i < count && changes(); i++) elements[i] += 1;
    if (index == 0 && is("nan")) elements[count - 1] = NAN;
    tensor.data = elements;
  }
  if (index == 0 && is("short")) {
    shorter = (int64_t)count - 1;
    tensor.ndim = 1;
    tensor.shape = &shorter;
  }
  return flare_shareable_copy_tensor(reply, name, &tensor, error);
}

/* Submits, and is killed once a part of the result has gone. */
static flare_status die_in_upload(flare_result *result, flare_error **error) {
  flare_progress progress = FLARE_PROGRESS_INIT;
  flare_status status = flare_result_submit(result, error);
  while (status == FLARE_OK && progress.bytes_done == 0)
    status = flare_result_wait_progress(result, FLARE_WAIT_FOREVER, &progress, error);
  if (status == FLARE_OK && progress.bytes_done < progress.bytes_total) {
    (void)fprintf(stderr, "killed with %d MiB sent\n", (int)(progress.bytes_done >> 20));
    (void)raise(SIGKILL);
  }
  return status;
}

/* True once, for the first process in this working directory. */
static int is_first_life(void) {
  FILE *const mark = fopen("first_life", "wx");
  if (mark != NULL) (void)fclose(mark);
  return mark != NULL;
}

/* Tells the peer why its task has no result. */
static flare_status give_up(flare_task *task, flare_error **error) {
  const flare_status told = flare_task_fail(task, "EXECUTION_RESULT_ERROR", flare_error_message(*error), NULL);
  flare_error_free(*error);
  *error = NULL;
  return told;
}

static flare_status put_more(flare_shareable *reply, flare_error **error) {
  static const float one = 1;
  flare_tensor scalar = FLARE_TENSOR_INIT;
  scalar.dtype = FLARE_FLOAT32;
  scalar.data = &one;
  return flare_shareable_copy_tensor(reply, "more", &scalar, error);
}

static flare_status answer(flare_agent *agent, flare_task *task, flare_result *result, flare_error **error) {
  const flare_shareable *model = flare_task_shareable(task);
  flare_shareable *reply = flare_result_shareable(result);
  flare_status status = FLARE_OK;
  if (is("crash")) {
    (void)fprintf(stderr, "out of luck in round %d\n", (int)flare_task_round(task));
    abort();
  }
  if (is("killed") || (is("fragile") && flare_task_attempt(task) == 1)) (void)raise(SIGKILL);
  if (is("hang")) sleep_for_ever();
  if (is("fail")) return flare_task_fail(task, "EXECUTION_EXCEPTION", "the data set is empty", error);
  for (size_t i = 0; status == FLARE_OK && i < flare_shareable_tensor_count(model); i++) {
    const char *name = "";
    flare_tensor tensor = FLARE_TENSOR_INIT;
    status = flare_shareable_tensor_at(model, i, &name, &tensor);
    if (status == FLARE_OK) status = put(reply, i, name, tensor, error);
  }
  if (status == FLARE_OK && is("more")) status = put_more(reply, error);
  if (status == FLARE_OK) status = flare_shareable_set_metric(reply, "accuracy", 0.5, error);
  if (status == FLARE_OK) status = flare_shareable_set_steps(reply, 7, error);
  if (status == FLARE_OK) status = flare_agent_log_scalar(agent, "loss", 0.25, flare_task_round(task), error);
  if (status == FLARE_OK)
    status = flare_agent_log_json(agent, "SCALARS", "both", "{\"a\": 1, \"b\": 2.5}", FLARE_NO_STEP, NULL, error);
  if (status == FLARE_OK && is("upload") && is_first_life()) return die_in_upload(result, error);
  return status == FLARE_OK ? flare_result_finish(result, FLARE_WAIT_FOREVER, error) : status;
}

int main(int argc, char **argv) {
  flare_agent *agent = NULL;
  flare_error *error = NULL;
  sigset_t held;
  mode = argc > 1 ? argv[1] : "echo";
  if (is("stay")) hold_back_sigterm(&held);
  if (is("quit")) {
    (void)fprintf(stderr, "no GPU here\n");
    return 3;
  }
  if (is("stranger")) sleep_for_ever();
  if (is("crash") || is("hang") || is("detach")) start_child();
  flare_status status = flare_agent_open(NULL, &agent, &error);
  while (status == FLARE_OK) {
    flare_task *task = NULL;
    flare_result *result = NULL;
    status = flare_agent_next_task(agent, FLARE_WAIT_FOREVER, &task, &error);
    if (status == FLARE_OK) status = flare_result_new(task, &result, &error);
    if (status == FLARE_OK) status = answer(agent, task, result, &error);
    if (status == FLARE_INVALID_ARGUMENT) status = give_up(task, &error); /* the result was refused */
    flare_result_free(result);
    flare_task_free(task);
    if (status == FLARE_OK && is("leave")) break;
  }
  if (status < 0) (void)fprintf(stderr, "%s\n", flare_error_message(error));
  flare_error_free(error);
  flare_agent_close(agent);
  if (is("stay") && status == FLARE_ENDED) return stay(&held);
  return status < 0;
}
