#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "driver.h"

static json_t *version(Driver *driver, const json_t *request) {
  (void)driver, (void)request;
  char text[32];
  const uint32_t version = flare_version();
  (void)snprintf(text, sizeof text, "%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
  return json_pack("{s:s, s:s}", "status", "OK", "version", text);
}

static flare_status set_options(flare_options *options, json_t *values, flare_error **error) {
  const char *name;
  json_t *value;
  json_object_foreach(values, name, value) {
    const flare_status status = flare_options_set(options, name, json_string_value(value), error);
    if (status != FLARE_OK) return status;
  }
  return FLARE_OK;
}

static json_t *open_agent(Driver *driver, const json_t *request) {
  flare_options *options = flare_options_new();
  flare_agent *agent = NULL;
  flare_error *error = NULL;
  flare_status status = set_options(options, json_object_get(request, "options"), &error);
  if (status == FLARE_OK) status = flare_agent_open(options, &agent, &error);
  flare_options_free(options);
  if (status == FLARE_OK) {
    close_all(driver);
    driver->agent = agent;
  }
  return outcome(status, &error);
}

static json_t *close_agent(Driver *driver, const json_t *request) {
  (void)request;
  close_all(driver);
  return ok();
}

/* C's rule is that a handle is not used after its release; nothing would notice. */
static json_t *after_close(Driver *driver, const json_t *request) {
  (void)driver, (void)request;
  return only_status("CANNOT");
}

static json_t *wait_connected(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_agent_wait_connected(driver->agent, int_of(request, "timeout_ms"), &error), &error);
}

static json_t *info(Driver *driver, const json_t *request) {
  const char *value = NULL;
  const flare_status status = flare_agent_info(driver->agent, text_of(request, "name"), &value);
  if (status != FLARE_OK) return outcome(status, NULL);
  return json_pack("{s:s, s:s}", "status", "OK", "value", value);
}

static json_t *state(Driver *driver, const json_t *request) {
  (void)request;
  static const char *const names[] = {"CONNECTING", "CONNECTED", "ENDED",   "STOPPED",
                                      "ABORTED",    "PEER_GONE", "REFUSED", "UNREACHABLE"};
  return json_pack("{s:s, s:s}", "status", "OK", "state", names[flare_agent_state(driver->agent)]);
}

flare_status take_task(Driver *driver, int64_t timeout_ms, flare_error **error) {
  flare_task *task = NULL;
  const flare_status status = flare_agent_next_task(driver->agent, timeout_ms, &task, error);
  if (status == FLARE_OK) {
    drop_task(driver);
    driver->task = task;
  }
  return status;
}

static json_t *next_task(Driver *driver, const json_t *request) {
  static const char *const kinds[] = {"other", "train", "validate", "submit_model"};
  flare_error *error = NULL;
  const flare_status status = take_task(driver, int_of(request, "timeout_ms"), &error);
  if (status != FLARE_OK) return outcome(status, &error);
  const flare_task *task = driver->task;
  return json_pack("{s:s, s:{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s}}", "status", "OK", "task", "id",
                   flare_task_id(task), "name", flare_task_name(task), "kind", kinds[flare_task_get_kind(task)],
                   "round", (json_int_t)flare_task_round(task), "total_rounds",
                   (json_int_t)flare_task_total_rounds(task), "attempt", (json_int_t)flare_task_attempt(task), "site",
                   flare_task_site(task), "job_id", flare_task_job_id(task));
}

static json_t *stop(Driver *driver, const json_t *request) {
  (void)request;
  flare_agent_stop(driver->agent);
  return ok();
}

typedef struct Interruption {
  flare_agent *agent;
  int64_t after_ms;
} Interruption;

static void *interrupt(void *argument) {
  const Interruption *interruption = argument;
  const struct timespec pause = {interruption->after_ms / 1000, interruption->after_ms % 1000 * 1000000};
  (void)nanosleep(&pause, NULL);
  flare_agent_stop(interruption->agent);
  return NULL;
}

static json_t *interrupt_next_task(Driver *driver, const json_t *request) {
  Interruption interruption = {driver->agent, int_of(request, "after_ms")};
  pthread_t other;
  if (pthread_create(&other, NULL, interrupt, &interruption) != 0) return failure("INTERNAL", "no thread");
  flare_error *error = NULL;
  const flare_status status = take_task(driver, FLARE_WAIT_FOREVER, &error);
  (void)pthread_join(other, NULL);
  return outcome(status, &error);
}

static int64_t step_of(const json_t *request) {
  const json_t *step = json_object_get(request, "step");
  return json_is_integer(step) ? json_integer_value(step) : FLARE_NO_STEP;
}

static json_t *log_scalar(Driver *driver, const json_t *request) {
  flare_error *error = NULL;
  return outcome(flare_agent_log_scalar(driver->agent, text_of(request, "name"), double_of(request, "value"),
                                        step_of(request), &error),
                 &error);
}

static json_t *log_json(Driver *driver, const json_t *request) {
  char *value = json_dumps(json_object_get(request, "value"), JSON_ENCODE_ANY);
  flare_error *error = NULL;
  const flare_status status = flare_agent_log_json(driver->agent, text_of(request, "type"), text_of(request, "name"),
                                                   value, step_of(request), NULL, &error);
  free(value);
  return outcome(status, &error);
}

static json_t *log_burst(Driver *driver, const json_t *request) {
  const int64_t count = int_of(request, "count");
  flare_status status = FLARE_OK;
  flare_error *error = NULL;
  for (int64_t i = 0; i < count && status == FLARE_OK; ++i)
    status = flare_agent_log_scalar(driver->agent, text_of(request, "name"), (double)i, i, &error);
  return outcome(status, &error);
}

static json_t *cycles(Driver *driver, const json_t *request) {
  const int64_t count = int_of(request, "count");
  int64_t done = 0;
  flare_status status = FLARE_OK;
  flare_error *error = NULL;
  for (; done < count; ++done) {
    if ((status = take_task(driver, FLARE_WAIT_FOREVER, &error)) != FLARE_OK) break;
    if ((status = make_result(driver, &error)) != FLARE_OK) break;
    if ((status = echo_task(driver, &error)) != FLARE_OK) break;
    if ((status = flare_result_submit(driver->result, &error)) != FLARE_OK) break;
    status = flare_result_wait(driver->result, FLARE_DELIVERED, FLARE_WAIT_FOREVER, &error);
    if (status != FLARE_OK) break;
  }
  json_t *answer = outcome(status, &error);
  (void)json_object_set_new(answer, "done", json_integer(done));
  return answer;
}

const Operation agent_operations[] = {
    {"version", NOTHING, version},
    {"open", NOTHING, open_agent},
    {"after_close", NOTHING, after_close},
    {"close", AN_AGENT, close_agent},
    {"wait_connected", AN_AGENT, wait_connected},
    {"info", AN_AGENT, info},
    {"state", AN_AGENT, state},
    {"next_task", AN_AGENT, next_task},
    {"stop", AN_AGENT, stop},
    {"interrupt_next_task", AN_AGENT, interrupt_next_task},
    {"log_scalar", AN_AGENT, log_scalar},
    {"log_json", AN_AGENT, log_json},
    {"log_burst", AN_AGENT, log_burst},
    {"cycles", AN_AGENT, cycles},
    {0},
};
