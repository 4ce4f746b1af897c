/*
 * A scripted exchanger for the process tests: sends tasks with a tensor "w" and checks that the results have every
 * element raised by 1. Usage: exchanger TASKS FLOATS [FIRST [SECOND_RECEIVER]]; the rest comes from FLARE_AGENT_*. It
 * says on stdout, line by line, what it sees; the first line is the URL. With SECOND_RECEIVER a receiver "server" is
 * declared beside itself, which is silent, fails, or is slow: then it fetches a tenth each 300 ms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flare_exchanger.h"

static int fail(const char *what, flare_status status, flare_error *error) {
  printf("error %s %d %s: %s\n", what, (int)status, flare_status_text(status), flare_error_message(error));
  flare_error_free(error);
  return 1;
}

static int check(const flare_shareable *reply, const float *sent, size_t count, int index) {
  flare_tensor w = FLARE_TENSOR_INIT;
  if (flare_shareable_find_tensor(reply, "w", &w) != FLARE_OK) {
    printf("failed task-%d %s\n", index, flare_shareable_return_code(reply));
    return 0;
  }
  for (size_t i = 0; i < count; ++i) {
    if (((const float *)w.data)[i] != sent[i] + 1) {
      printf("wrong task-%d element %zu\n", index, i);
      return 1;
    }
  }
  printf("reply task-%d\n", index);
  return 0;
}

static const char *second = "";

static void be_second_receiver(flare_reply *reply, size_t bytes) {
  const struct timespec pause = {0, 300 * 1000 * 1000};
  if (strcmp(second, "slow") == 0) {
    for (int tenth = 1; tenth <= 10; ++tenth) {
      nanosleep(&pause, NULL);
      if (flare_reply_report(reply, "server", (int64_t)(bytes / 10) * tenth, NULL) != FLARE_OK) printf("no report\n");
    }
    if (flare_reply_confirm(reply, "server", 1, NULL, NULL) == FLARE_OK) printf("confirmed\n");
  } else if (strcmp(second, "fails") == 0) {
    if (flare_reply_confirm(reply, "server", 0, "its disk is full", NULL) == FLARE_OK) printf("confirmed\n");
  }
}

static int ask(flare_exchanger *exchanger, int index, size_t count) {
  flare_error *error = NULL;
  flare_request *request = NULL;
  flare_reply *reply = NULL;
  flare_tensor w = FLARE_TENSOR_INIT;
  const int64_t shape[1] = {(int64_t)count};
  char id[32];
  float *values = malloc(count * sizeof *values);
  flare_status status;
  int failed = 0;

  for (size_t i = 0; i < count; ++i) values[i] = (float)((i + (size_t)index) % 1000);
  w.dtype = FLARE_FLOAT32;
  w.ndim = 1;
  w.data = values;
  w.shape = shape;
  snprintf(id, sizeof id, "task-%d", index);
  status = flare_request_new(exchanger, "train", &request, &error);
  if (status == FLARE_OK) status = flare_request_set_id(request, id, &error);
  if (status == FLARE_OK) status = flare_shareable_borrow_tensor(flare_request_shareable(request), "w", &w, &error);
  if (status == FLARE_OK && *second != '\0') status = flare_request_add_receiver(request, "site-1", &error);
  if (status == FLARE_OK && *second != '\0') status = flare_request_add_receiver(request, "server", &error);
  if (status == FLARE_OK) status = flare_request_send(request, &error);
  if (status == FLARE_OK) status = flare_request_wait(request, 60000, &reply, &error);
  if (status == FLARE_OK) {
    failed = check(flare_reply_shareable(reply), values, count, index);
    be_second_receiver(reply, count * sizeof *values);
  } else {
    failed = fail(id, status, error);
  }
  flare_reply_free(reply);
  flare_request_free(request);
  free(values);
  return failed;
}

int main(int argc, char **argv) {
  flare_error *error = NULL;
  flare_exchanger *exchanger = NULL;
  flare_status status;
  int failed = 0;

  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 3) return 2;
  status = flare_exchanger_open(NULL, &exchanger, &error);
  if (status != FLARE_OK) return fail("open", status, error);
  printf("%s\n", flare_exchanger_url(exchanger));
  const int first = argc > 3 ? atoi(argv[3]) : 0;
  if (argc > 4) second = argv[4];
  for (int i = first; i < first + atoi(argv[1]) && !failed; ++i) failed = ask(exchanger, i, (size_t)atoll(argv[2]));
  if (!failed && flare_exchanger_end(exchanger, "all tasks are done", NULL) == FLARE_OK) printf("ended\n");
  flare_exchanger_close(exchanger);
  return failed;
}
