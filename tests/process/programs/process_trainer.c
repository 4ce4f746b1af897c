/*
 * A scripted trainer for the process tests: adds 1 to every element of "w". It says on stdout, line by line, what
 * it sees. Usage: trainer [--hold MS] [--wait-line] ; the rest comes from FLARE_AGENT_*.
 *   --hold MS     how long a task is "computed"; ends early when it is aborted
 *   --wait-line   waits for a line on stdin before it submits
 *   --stop-line   a thread stops the agent when a line comes on stdin
 *   --resident    takes part in job after job, until none comes within connect_timeout
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flare_agent.h"

static int hold_ms = 0;
static int wait_line = 0;
static int stop_line = 0;
static int resident = 0;

static int fail(const char *what, flare_status status, flare_error *error) {
  printf("error %s %d %s: %s\n", what, (int)status, flare_status_text(status), flare_error_message(error));
  flare_error_free(error);
  return 1;
}

static void compute(const flare_task *task) {
  const struct timespec pause = {0, 10 * 1000 * 1000};
  char line[64];
  for (int waited = 0; waited < hold_ms && !flare_task_is_aborted(task); waited += 10) nanosleep(&pause, NULL);
  if (wait_line && fgets(line, sizeof line, stdin) == NULL) printf("stdin closed\n");
}

static int serve(flare_task *task) {
  flare_error *error = NULL;
  flare_tensor w = FLARE_TENSOR_INIT;
  flare_result *result = NULL;
  flare_status status;
  size_t count;
  float *values;

  printf("task %s attempt %d\n", flare_task_id(task), (int)flare_task_attempt(task));
  if (flare_shareable_find_tensor(flare_task_shareable(task), "w", &w) != FLARE_OK) return 1;
  count = (size_t)w.shape[0];
  values = malloc(count * sizeof *values);
  memcpy(values, w.data, count * sizeof *values);
  compute(task);
  for (size_t i = 0; i < count; ++i) values[i] += 1;

  status = flare_result_new(task, &result, &error);
  w.data = values;
  if (status == FLARE_OK) status = flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &w, &error);
  if (status == FLARE_OK) status = flare_result_finish(result, 60000, &error);
  if (status == FLARE_OK) {
    printf("delivered %s\n", flare_task_id(task));
  } else {
    fail("submit", status, error);
  }
  flare_result_free(result);
  free(values);
  return 0;
}

static void *stop_by_line(void *agent) {
  char line[64];
  if (fgets(line, sizeof line, stdin) != NULL) flare_agent_stop(agent);
  return NULL;
}

/* One job, to its end. */
static int take_part(flare_status *over) {
  flare_error *error = NULL;
  flare_agent *agent = NULL;
  flare_task *task = NULL;
  const char *job = "";
  flare_status status = flare_agent_open(NULL, &agent, &error);
  if (status != FLARE_OK) return fail("open", status, error);
  status = flare_agent_wait_connected(agent, 60000, &error);
  if (status != FLARE_OK) {
    flare_agent_close(agent);
    return fail("connect", status, error);
  }
  (void)flare_agent_info(agent, "job_id", &job);
  printf("connected %s\n", job);
  pthread_t stopper;
  if (stop_line && pthread_create(&stopper, NULL, stop_by_line, agent) == 0) pthread_detach(stopper);
  while ((status = flare_agent_next_task(agent, 60000, &task, &error)) == FLARE_OK) {
    const int failed = serve(task);
    flare_task_free(task);
    if (failed) break;
  }
  flare_agent_close(agent);
  *over = status;
  if (status < 0) return fail("next_task", status, error);
  printf("over %s\n", flare_status_text(status));
  return 0;
}

int main(int argc, char **argv) {
  flare_status over = FLARE_OK;
  int failed;

  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--hold") == 0 && i + 1 < argc) hold_ms = atoi(argv[++i]);
    if (strcmp(argv[i], "--wait-line") == 0) wait_line = 1;
    if (strcmp(argv[i], "--stop-line") == 0) stop_line = 1;
    if (strcmp(argv[i], "--resident") == 0) resident = 1;
  }
  do {
    failed = take_part(&over);
  } while (resident && !failed && over == FLARE_ENDED);
  return failed;
}
