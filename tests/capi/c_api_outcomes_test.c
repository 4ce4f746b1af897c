/* How a session, an upload or a copy can go wrong, and what an agent is for. The other statuses are where they belong:
 * FLARE_PROTOCOL needs a peer that breaks the wire (tests/process), FLARE_INTERNAL a defect of ours. */
#include "ends.h"

static flare_agent *open_with(const char *url, const char *name, const char *value) {
  flare_agent *agent = NULL;
  flare_options *options = options_for(url);
  set_option(options, name, value);
  assert_ok(flare_agent_open(options, &agent, ERROR));
  flare_options_free(options);
  return agent;
}

/* Waiting for the session and for a task say the same, and so does the state. */
static void assert_over(flare_agent *agent, flare_status status, flare_state state, const char *words) {
  flare_task *task = NULL;
  const char *reason = "";
  assert_status(status, flare_agent_wait_connected(agent, SOON, ERROR));
  assert_message_has(words);
  assert_status(status, flare_agent_next_task(agent, SOON, &task, ERROR));
  assert_message_has(words);
  assert_null(task);
  assert_int_equal(flare_agent_state(agent), state);
  assert_ok(flare_agent_info(agent, "close_reason", &reason));
  assert_non_null(strstr(reason, words));
  assert_status(status, flare_agent_log_scalar(agent, "loss", 1, 0, ERROR)); /* AG-16 */
}

static void nobody_there_is_unreachable(void **state) {
  struct ends *ends = *state;
  ends->agent = open_with(ends->url, "connect_timeout", "0.2");
  assert_over(ends->agent, FLARE_UNREACHABLE, FLARE_STATE_UNREACHABLE, ends->url);
  assert_over(ends->agent, FLARE_UNREACHABLE, FLARE_STATE_UNREACHABLE, "flare_options_set");
}

static void another_token_is_refused(void **state) {
  struct ends *ends = *state;
  flare_options *options = options_for(ends->url);
  set_option(options, "token", "the right one");
  assert_ok(flare_exchanger_open(options, &ends->exchanger, ERROR));
  flare_options_free(options);
  ends->agent = open_with(ends->url, "token", "another one");
  assert_over(ends->agent, FLARE_REFUSED, FLARE_STATE_REFUSED, "token");
  assert_null(strstr(flare_error_message(last_error), "another one"));
}

static void a_receiver_that_never_starts_is_a_stall(void **state) {
  struct ends *ends = *state;
  ends->exchanger = open_exchanger(ends->url);
  ends->agent = open_with(ends->url, "streaming_idle_timeout", "0.3");
  flare_request *request = new_request(ends, "other");
  const int64_t count = 100000;
  float *w = calloc((size_t)count, sizeof *w);
  assert_ok(flare_request_add_receiver(request, "site-1", ERROR));
  assert_ok(flare_request_add_receiver(request, "server", ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  copy_floats(flare_result_shareable(result), "w", w, count);
  assert_status(FLARE_STALLED, flare_result_finish(result, SOON, ERROR));
  assert_message_has("server");
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_CONNECTED);
  free(w);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

#ifndef FLARE_SANITIZED /* a sanitizer ends the process when so much is asked for */
static void more_than_there_is_memory_is_said(void **state) {
  struct ends *ends = *state;
  ends->exchanger = open_exchanger(ends->url);
  ends->agent = open_with(ends->url, "max_tensor_bytes", "8388607TiB");
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  static const unsigned char byte = 1;
  const int64_t shape = INT64_C(1) << 60, stride = 0;
  flare_tensor tensor = tensor_of(FLARE_UINT8, &byte, 1, &shape);
  tensor.strides = &stride;
  assert_status(FLARE_OUT_OF_MEMORY, flare_shareable_copy_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  flare_result_free(result);
  answer(task); /* nothing else is harmed */
  flare_request_free(request);
}
#endif

static void a_kind_goes_by_the_configured_names(void **state) {
  struct ends *ends = *state;
  const struct {
    const char *name;
    flare_task_kind kind;
  } tasks[] = {{"fit", FLARE_TASK_TRAIN},
               {"judge", FLARE_TASK_VALIDATE},
               {"hand over", FLARE_TASK_SUBMIT_MODEL},
               {"train", FLARE_TASK_OTHER}};
  flare_options *options = options_for(ends->url);
  set_option(options, "train_task_name", "fit");
  set_option(options, "evaluate_task_name", "judge");
  set_option(options, "submit_model_task_name", "hand over");
  ends->exchanger = open_exchanger(ends->url);
  assert_ok(flare_agent_open(options, &ends->agent, ERROR));
  flare_options_free(options);
  for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; ++i) {
    flare_request *request = send_task(ends, tasks[i].name);
    flare_task *task = next_task(ends);
    assert_string_equal(flare_task_name(task), tasks[i].name);
    assert_int_equal(flare_task_get_kind(task), tasks[i].kind);
    answer(task);
    flare_request_free(request);
  }
}

static void an_agent_may_only_log_metrics(void **state) {
  struct ends *ends = *state;
  flare_metric *metric = NULL;
  ends->exchanger = open_exchanger(ends->url);
  ends->agent = open_agent(ends->url);
  for (int64_t i = 0; i < 3; ++i) assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, i, ERROR));
  assert_ok(flare_agent_wait_connected(ends->agent, SOON, ERROR));
  flare_agent_close(ends->agent);
  ends->agent = NULL;
  for (int64_t i = 0; i < 3; ++i) {
    assert_ok(flare_exchanger_next_metric(ends->exchanger, SOON, &metric, ERROR));
    assert_int_equal(flare_metric_step(metric), i);
    flare_metric_free(metric);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      URL_OVER_BOTH(nobody_there_is_unreachable),
      URL_OVER_BOTH(another_token_is_refused),
      URL_OVER_BOTH(a_receiver_that_never_starts_is_a_stall),
#ifndef FLARE_SANITIZED
      URL_OVER_MEMORY(more_than_there_is_memory_is_said),
#endif
      URL_OVER_MEMORY(a_kind_goes_by_the_configured_names),
      URL_OVER_BOTH(an_agent_may_only_log_metrics),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
