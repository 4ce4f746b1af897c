/* Both ends of a pipe in one process, for the tests of the C API. Each test runs over every transport it names. */
#ifndef FLARE_TESTS_CAPI_ENDS_H
#define FLARE_TESTS_CAPI_ENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "flare_agent.h"
#include "flare_exchanger.h"

/* No test waits forever: what should come comes within this time, in milliseconds, also on a loaded machine. */
enum { SOON = 20000, SECONDS_PER_PROGRAM = 300 };

/* ---- Calls with an error: assert_status(FLARE_OK, flare_agent_open(options, &agent, ERROR)) ---- */

static flare_error *last_error;

static inline flare_error **fresh_error(void) {
  flare_error_free(last_error);
  last_error = NULL;
  return &last_error;
}

#define ERROR fresh_error()

static inline void check_status(flare_status expected, flare_status status, const char *call, const char *file,
                                int line) {
  if (status != expected) {
    print_error("%s\n  gave %d (%s), not %d (%s): %s\n", call, (int)status, flare_status_text(status), (int)expected,
                flare_status_text(expected), flare_error_message(last_error));
    _fail(file, line);
  }
}

#define assert_status(expected, call) check_status((expected), (call), #call, __FILE__, __LINE__)
#define assert_ok(call) assert_status(FLARE_OK, call)

/* What the last call with ERROR said. */
#define assert_message_has(part)                                                              \
  do {                                                                                        \
    if (strstr(flare_error_message(last_error), (part)) == NULL) {                            \
      print_error("no \"%s\" in the message: %s\n", (part), flare_error_message(last_error)); \
      fail();                                                                                 \
    }                                                                                         \
  } while (0)

/* ---- The two ends ---- */

struct ends {
  flare_exchanger *exchanger;
  flare_agent *agent;
  char url[128];
  char folder[64]; /* of the socket; empty when there is none */
};

static inline void set_option(flare_options *options, const char *name, const char *value) {
  assert_ok(flare_options_set(options, name, value, ERROR));
}

static inline flare_options *options_for(const char *url) {
  flare_options *options = flare_options_new();
  assert_non_null(options);
  set_option(options, "url", url);
  set_option(options, "close_timeout", "5");
  set_option(options, "log_level", "off");
  return options;
}

static inline flare_exchanger *open_exchanger(const char *url) {
  flare_exchanger *exchanger = NULL;
  flare_options *options = options_for(url);
  set_option(options, "site", "site-1");
  set_option(options, "job_id", "job-7");
  assert_ok(flare_exchanger_open(options, &exchanger, ERROR));
  flare_options_free(options);
  return exchanger;
}

static inline flare_agent *open_agent(const char *url) {
  flare_agent *agent = NULL;
  flare_options *options = options_for(url);
  assert_ok(flare_agent_open(options, &agent, ERROR));
  flare_options_free(options);
  return agent;
}

static inline void new_memory_url(struct ends *ends) {
  static int count = 0;
  ends->folder[0] = '\0';
  snprintf(ends->url, sizeof ends->url, "memory://capi-%d", ++count);
}

static inline void new_ipc_url(struct ends *ends) {
  strcpy(ends->folder, "/tmp/flare-capi-XXXXXX");
  assert_non_null(mkdtemp(ends->folder));
  snprintf(ends->url, sizeof ends->url, "zmq+ipc://%s/socket", ends->folder);
}

static inline void open_ends(struct ends *ends) {
  ends->exchanger = open_exchanger(ends->url);
  ends->agent = open_agent(ends->url);
  assert_ok(flare_agent_wait_connected(ends->agent, SOON, ERROR));
  assert_ok(flare_exchanger_wait_connected(ends->exchanger, SOON, ERROR));
}

static inline void remove_folder(struct ends *ends) {
  char path[96];
  if (ends->folder[0] == '\0') return;
  snprintf(path, sizeof path, "%s/socket", ends->folder);
  unlink(path);
  rmdir(ends->folder);
}

static inline int url_over_memory(void **state) {
  *state = calloc(1, sizeof(struct ends));
  new_memory_url(*state);
  return 0;
}

static inline int url_over_ipc(void **state) {
  *state = calloc(1, sizeof(struct ends));
  new_ipc_url(*state);
  return 0;
}

static inline int open_over_memory(void **state) {
  url_over_memory(state);
  open_ends(*state);
  return 0;
}

static inline int open_over_ipc(void **state) {
  url_over_ipc(state);
  open_ends(*state);
  return 0;
}

static inline int close_ends(void **state) {
  struct ends *ends = *state;
  flare_agent_close(ends->agent);
  flare_exchanger_close(ends->exchanger);
  remove_folder(ends);
  free(ends);
  fresh_error();
  return 0;
}

#define OVER_MEMORY(test) \
  { #test " (memory)", test, open_over_memory, close_ends, NULL }
#define OVER_IPC(test) \
  { #test " (zmq+ipc)", test, open_over_ipc, close_ends, NULL }
#define OVER_BOTH(test) OVER_MEMORY(test), OVER_IPC(test)
/* The test opens the ends itself. */
#define URL_OVER_MEMORY(test) \
  { #test " (memory)", test, url_over_memory, close_ends, NULL }
#define URL_OVER_IPC(test) \
  { #test " (zmq+ipc)", test, url_over_ipc, close_ends, NULL }
#define URL_OVER_BOTH(test) URL_OVER_MEMORY(test), URL_OVER_IPC(test)

/* What every program does first. */
static inline void begin_program(void) {
  alarm(SECONDS_PER_PROGRAM);
  unsetenv("FLARE_AGENT_URL");
  unsetenv("FLARE_AGENT_PROFILE");
}

/* ---- Steps of a job ---- */

static inline flare_tensor tensor_of(flare_dtype dtype, const void *data, int32_t ndim, const int64_t *shape) {
  flare_tensor tensor = FLARE_TENSOR_INIT;
  tensor.dtype = dtype;
  tensor.data = data;
  tensor.ndim = ndim;
  tensor.shape = shape;
  return tensor;
}

static inline void copy_floats(flare_shareable *shareable, const char *name, const float *data, int64_t count) {
  const flare_tensor tensor = tensor_of(FLARE_FLOAT32, data, 1, &count);
  assert_ok(flare_shareable_copy_tensor(shareable, name, &tensor, ERROR));
}

static inline flare_request *new_request(struct ends *ends, const char *task_name) {
  flare_request *request = NULL;
  assert_ok(flare_request_new(ends->exchanger, task_name, &request, ERROR));
  return request;
}

/* A task with the tensor w = {1, 2, 3}. */
static inline flare_request *send_task(struct ends *ends, const char *task_name) {
  static const float w[] = {1, 2, 3};
  flare_request *request = new_request(ends, task_name);
  copy_floats(flare_request_shareable(request), "w", w, 3);
  assert_ok(flare_request_send(request, ERROR));
  return request;
}

static inline flare_task *next_task(struct ends *ends) {
  flare_task *task = NULL;
  assert_ok(flare_agent_next_task(ends->agent, SOON, &task, ERROR));
  return task;
}

static inline flare_result *new_result(flare_task *task) {
  flare_result *result = NULL;
  assert_ok(flare_result_new(task, &result, ERROR));
  return result;
}

/* Answers with w + 1. */
static inline flare_result *submit_result(flare_task *task) {
  float w[3];
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_read_tensor(flare_task_shareable(task), "w", FLARE_FLOAT32, w, 3, ERROR));
  for (int i = 0; i < 3; ++i) w[i] += 1;
  copy_floats(flare_result_shareable(result), "w", w, 3);
  assert_ok(flare_result_submit(result, ERROR));
  return result;
}

static inline void answer(flare_task *task) {
  flare_result *result = submit_result(task);
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  flare_result_free(result);
  flare_task_free(task);
}

static inline flare_reply *wait_reply(flare_request *request) {
  flare_reply *reply = NULL;
  assert_ok(flare_request_wait(request, SOON, &reply, ERROR));
  return reply;
}

/* Waits for the reply of a request that failed, which says why. */
static inline void assert_reply_failed(flare_request *request, const char *code, const char *reason_part) {
  flare_reply *reply = wait_reply(request);
  assert_string_equal(flare_shareable_return_code(flare_reply_shareable(reply)), code);
  assert_non_null(strstr(flare_shareable_reason(flare_reply_shareable(reply)), reason_part));
  flare_reply_free(reply);
}

static inline int is_readable(int fd) {
  struct pollfd entry = {fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

static inline int becomes_readable(int fd) {
  struct pollfd entry = {fd, POLLIN, 0};
  return poll(&entry, 1, SOON) == 1 && (entry.revents & POLLIN) != 0;
}

static inline int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void sleep_ms(long milliseconds) {
  const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* Bytes that tell when they lie at the wrong place. */
static inline unsigned char *new_pattern(size_t size, unsigned seed) {
  unsigned char *bytes = malloc(size);
  uint32_t word = seed * 2654435761u + 1;
  assert_non_null(bytes);
  for (size_t i = 0; i < size; ++i) {
    word = word * 1664525u + 1013904223u;
    bytes[i] = (unsigned char)(word >> 24);
  }
  return bytes;
}

#endif
