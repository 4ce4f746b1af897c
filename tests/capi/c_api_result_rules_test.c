/* What the agent does to the result of a training task before it is sent: headers, checks and differences. */
#include <math.h>

#include "ends.h"

/* Opens both ends; the agent with one more option. */
static void open_with(struct ends *ends, const char *name, const char *value) {
  flare_options *options = options_for(ends->url);
  set_option(options, name, value);
  ends->exchanger = open_exchanger(ends->url);
  assert_ok(flare_agent_open(options, &ends->agent, ERROR));
  flare_options_free(options);
}

/* The one tensor of a reply, which is the answer. */
static void assert_reply_is(flare_request *request, const char *kind, const float *expected, size_t count) {
  float w[4];
  flare_reply *reply = wait_reply(request);
  const flare_shareable *content = flare_reply_shareable(reply);
  assert_string_equal(flare_shareable_return_code(content), "OK");
  assert_string_equal(flare_shareable_kind(content), kind);
  assert_ok(flare_shareable_read_tensor(content, "w", FLARE_FLOAT32, w, count, ERROR));
  for (size_t i = 0; i < count; ++i) assert_true(w[i] == expected[i]);
  flare_reply_free(reply);
}

static void release(flare_request *request, flare_task *task, flare_result *result) {
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Headers ---- */

static void a_result_carries_the_headers_of_its_task_back(void **state) {
  static const char *const names[] = {"num_rounds", "_validate_type", "_model_owner_"};
  struct ends *ends = *state;
  flare_request *request = new_request(ends, "validate");
  flare_shareable *asked = flare_request_shareable(request);
  assert_ok(flare_request_set_round(request, 2, 5, ERROR));
  assert_ok(flare_shareable_set_text(asked, FLARE_HEADERS, "_validate_type", "model", ERROR));
  assert_ok(flare_shareable_set_text(asked, FLARE_HEADERS, "_model_owner_", "site-9", ERROR));
  assert_ok(flare_shareable_set_text(asked, FLARE_HEADERS, "private", "p", ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_set_metric(flare_result_shareable(result), "accuracy", 0.5, ERROR));
  assert_ok(flare_shareable_set_text(flare_result_shareable(result), FLARE_HEADERS, "_model_owner_", "me", ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));

  flare_reply *reply = wait_reply(request);
  const flare_value *headers = flare_shareable_section(flare_reply_shareable(reply), FLARE_HEADERS), *found = NULL;
  const char *text = NULL;
  int64_t rounds = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    assert_int_equal(flare_value_find(headers, names[i], &found), FLARE_OK);
    if (i == 0) assert_int_equal(flare_value_get_int(found, &rounds), FLARE_OK);
    if (i > 0) assert_int_equal(flare_value_get_text(found, &text), FLARE_OK);
    if (i == 1) assert_string_equal(text, "model");
  }
  assert_int_equal(rounds, 5);
  assert_string_equal(text, "me");
  assert_int_equal(flare_value_find(headers, "private", &found), FLARE_NOT_FOUND);
  flare_reply_free(reply);
  release(request, task, result);
}

/* ---- Checks ---- */

static void a_model_that_does_not_fit_is_refused_and_can_be_corrected(void **state) {
  static const float bad[] = {1, NAN, 3}, good[] = {4, 5, 6};
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  flare_shareable *content = flare_result_shareable(result);
  copy_floats(content, "v", good, 3);
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_submit(result, ERROR));
  assert_message_has("tensor 'w' is missing");
  copy_floats(content, "w", good, 2);
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_finish(result, SOON, ERROR));
  assert_message_has("tensor 'w' has the shape [2], not [3]");
  copy_floats(content, "w", bad, 3);
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_submit(result, ERROR));
  assert_message_has("tensor 'w' has 1 of 3 elements that are NaN or infinite");
  assert_int_equal(flare_result_poll_fd(result, FLARE_DELIVERED), -1);
  copy_floats(content, "w", good, 3);
  assert_ok(flare_result_finish(result, SOON, ERROR));
  assert_reply_is(request, "WEIGHTS", good, 3);
  release(request, task, result);
}

static void after_a_refusal_the_task_can_be_failed(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_set_kind(flare_result_shareable(result), "WEIGHT_DIFF", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_finish(result, SOON, ERROR));
  assert_ok(flare_task_fail(task, "EXECUTION_RESULT_ERROR", flare_error_message(last_error), NULL));
  assert_reply_failed(request, "EXECUTION_RESULT_ERROR", "tensor 'w' is missing");
  release(request, task, result);
}

static void a_task_released_after_a_refusal_says_why(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_set_kind(flare_result_shareable(result), "WEIGHT_DIFF", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_finish(result, SOON, ERROR));
  flare_result_free(result);
  flare_task_free(task);
  assert_reply_failed(request, "EXECUTION_RESULT_ERROR", "tensor 'w' is missing");
  flare_request_free(request);
}

static void only_models_of_training_tasks_are_checked(void **state) {
  static const float odd[] = {INFINITY};
  static const char *const names[] = {"validate", "submit_model", "other"};
  struct ends *ends = *state;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    flare_request *request = send_task(ends, names[i]);
    flare_task *task = next_task(ends);
    flare_result *result = new_result(task);
    copy_floats(flare_result_shareable(result), "w", odd, 1);
    assert_ok(flare_result_finish(result, SOON, ERROR));
    assert_reply_is(request, "WEIGHTS", odd, 1);
    release(request, task, result);
  }
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_set_metric(flare_result_shareable(result), "accuracy", 0.5, ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  release(request, task, result);
}

static void checks_can_be_left_out(void **state) {
  static const float odd[] = {INFINITY};
  struct ends *ends = *state;
  open_with(ends, "check_results", "false");
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  copy_floats(flare_result_shareable(result), "w", odd, 1);
  assert_ok(flare_result_finish(result, SOON, ERROR));
  assert_reply_is(request, "WEIGHTS", odd, 1);
  release(request, task, result);
}

/* ---- Differences ---- */

static void a_difference_is_sent_where_it_is_asked_for(void **state) {
  static const float trained[] = {2, 4, 8}, difference[] = {1, 2, 5};
  struct ends *ends = *state;
  open_with(ends, "params_transfer_type", "DIFF");
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  copy_floats(flare_result_shareable(result), "w", trained, 3);
  assert_ok(flare_result_finish(result, SOON, ERROR));
  assert_reply_is(request, "WEIGHT_DIFF", difference, 3);
  release(request, task, result);

  /* What the trainer made a difference of itself, and what is no training, stay what they are. */
  for (int i = 0; i < 2; ++i) {
    request = send_task(ends, i == 0 ? "train" : "submit_model");
    task = next_task(ends);
    result = new_result(task);
    copy_floats(flare_result_shareable(result), "w", trained, 3);
    if (i == 0) assert_ok(flare_shareable_set_kind(flare_result_shareable(result), "WEIGHT_DIFF", ERROR));
    assert_ok(flare_result_finish(result, SOON, ERROR));
    assert_reply_is(request, i == 0 ? "WEIGHT_DIFF" : "WEIGHTS", trained, 3);
    release(request, task, result);
  }
}

static void what_has_no_difference_is_refused(void **state) {
  static const float w[] = {1, 2, 3};
  struct ends *ends = *state;
  open_with(ends, "params_transfer_type", "DIFF");
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  copy_floats(flare_result_shareable(result), "w", w, 3);
  copy_floats(flare_result_shareable(result), "more", w, 3);
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_finish(result, SOON, ERROR));
  assert_message_has("tensor 'more' is not in the task's model");
  assert_message_has("use params_transfer_type FULL");
  release(request, task, result);
}

/* The difference lies in memory of the library: what was borrowed is free again after the submit. */
static void a_difference_borrows_nothing(void **state) {
  enum { ELEMENTS = 1 << 18 };
  struct ends *ends = *state;
  const int64_t count = ELEMENTS;
  float *model = calloc(ELEMENTS, sizeof *model);
  float *trained = calloc(ELEMENTS, sizeof *trained);
  assert_non_null(model);
  assert_non_null(trained);
  for (int i = 0; i < ELEMENTS; ++i) {
    model[i] = 1;
    trained[i] = (float)i;
  }
  open_with(ends, "params_transfer_type", "DIFF");
  flare_request *request = new_request(ends, "train");
  copy_floats(flare_request_shareable(request), "w", model, count);
  assert_ok(flare_request_send(request, ERROR));
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  const flare_tensor tensor = tensor_of(FLARE_FLOAT32, trained, 1, &count);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  assert_ok(flare_result_submit(result, ERROR));
  for (int i = 0; i < ELEMENTS; ++i) {
    if (trained[i] != (float)i) fail();
    trained[i] = 0;
  }
  free(trained);
  flare_result_free(result);
  flare_reply *reply = wait_reply(request);
  float *received = model;
  assert_ok(flare_shareable_read_tensor(flare_reply_shareable(reply), "w", FLARE_FLOAT32, received, ELEMENTS, ERROR));
  for (int i = 0; i < ELEMENTS; ++i) {
    if (received[i] != (float)i - 1) fail();
  }
  flare_reply_free(reply);
  flare_task_free(task);
  flare_request_free(request);
  free(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      OVER_BOTH(a_result_carries_the_headers_of_its_task_back),
      OVER_BOTH(a_model_that_does_not_fit_is_refused_and_can_be_corrected),
      OVER_MEMORY(after_a_refusal_the_task_can_be_failed),
      OVER_MEMORY(a_task_released_after_a_refusal_says_why),
      OVER_MEMORY(only_models_of_training_tasks_are_checked),
      URL_OVER_MEMORY(checks_can_be_left_out),
      URL_OVER_BOTH(a_difference_is_sent_where_it_is_asked_for),
      URL_OVER_MEMORY(what_has_no_difference_is_refused),
      URL_OVER_BOTH(a_difference_borrows_nothing),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
