/* Whole jobs: tasks, results and metrics between a real exchanger and a real agent. */
#include "ends.h"

static const flare_value *child_of(const flare_value *value, const char *key) {
  const flare_value *child = NULL;
  assert_int_equal(flare_value_find(value, key, &child), FLARE_OK);
  return child;
}

static int64_t entry_int(const flare_shareable *shareable, flare_section section, const char *name) {
  int64_t integer = 0;
  assert_int_equal(flare_value_get_int(child_of(flare_shareable_section(shareable, section), name), &integer),
                   FLARE_OK);
  return integer;
}

static int becomes_aborted(const flare_task *task) {
  const int64_t deadline = now_ms() + SOON;
  while (!flare_task_is_aborted(task) && now_ms() < deadline) sleep_ms(5);
  return flare_task_is_aborted(task);
}

/* ---- Jobs ---- */

static void train_one_round(struct ends *ends, int64_t round, float *w) {
  flare_request *request = new_request(ends, "train");
  copy_floats(flare_request_shareable(request), "w", w, 3);
  assert_ok(flare_request_set_round(request, round, 3, ERROR));
  assert_ok(flare_request_send(request, ERROR));

  flare_task *task = next_task(ends);
  assert_int_equal(flare_task_get_kind(task), FLARE_TASK_TRAIN);
  assert_string_equal(flare_task_name(task), "train");
  assert_int_equal(flare_task_round(task), round);
  assert_int_equal(flare_task_total_rounds(task), 3);
  assert_int_equal(flare_task_attempt(task), 1);
  assert_string_equal(flare_task_job_id(task), "job-7");
  assert_string_equal(flare_task_site(task), "site-1");
  assert_true(strlen(flare_task_id(task)) > 0);
  assert_int_equal(flare_task_is_aborted(task), 0);
  /* AG-11: the rounds of the headers are in the meta as well. */
  assert_int_equal(entry_int(flare_task_shareable(task), FLARE_META, "current_round"), round);
  assert_int_equal(entry_int(flare_task_shareable(task), FLARE_META, "total_rounds"), 3);

  float trained[3];
  assert_ok(flare_shareable_read_tensor(flare_task_shareable(task), "w", FLARE_FLOAT32, trained, 3, ERROR));
  for (int i = 0; i < 3; ++i) trained[i] += 0.5f;
  flare_result *result = new_result(task);
  flare_shareable *content = flare_result_shareable(result);
  copy_floats(content, "w", trained, 3);
  assert_ok(flare_shareable_set_metric(content, "loss", 0.125, ERROR));
  assert_ok(flare_shareable_set_steps(content, 40, ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  flare_result_free(result);
  flare_task_free(task);

  flare_reply *reply = wait_reply(request);
  const flare_shareable *received = flare_reply_shareable(reply);
  double loss = 0;
  int64_t steps = 0;
  assert_string_equal(flare_shareable_return_code(received), "OK");
  assert_string_equal(flare_shareable_kind(received), "WEIGHTS");
  assert_int_equal(entry_int(received, FLARE_HEADERS, "current_round"), round);
  assert_ok(flare_shareable_metric(received, "loss", &loss));
  assert_true(loss == 0.125);
  assert_ok(flare_shareable_steps(received, &steps));
  assert_int_equal(steps, 40);
  assert_ok(flare_shareable_read_tensor(received, "w", FLARE_FLOAT32, w, 3, ERROR));
  flare_reply_free(reply);
  flare_request_free(request);
}

static void validate(struct ends *ends) {
  flare_request *request = send_task(ends, "validate");
  flare_task *task = next_task(ends);
  assert_int_equal(flare_task_get_kind(task), FLARE_TASK_VALIDATE);
  assert_int_equal(flare_task_round(task), -1);
  assert_int_equal(flare_task_total_rounds(task), -1);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_set_metric(flare_result_shareable(result), "accuracy", 0.75, ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  flare_reply *reply = wait_reply(request);
  double accuracy = 0;
  assert_string_equal(flare_shareable_kind(flare_reply_shareable(reply)), "METRICS");
  assert_ok(flare_shareable_metric(flare_reply_shareable(reply), "accuracy", &accuracy));
  assert_true(accuracy == 0.75);
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void submit_model(struct ends *ends) {
  flare_request *request = new_request(ends, "submit_model");
  assert_ok(flare_request_send(request, ERROR)); /* it carries nothing */
  flare_task *task = next_task(ends);
  assert_int_equal(flare_task_get_kind(task), FLARE_TASK_SUBMIT_MODEL);
  assert_int_equal(flare_shareable_tensor_count(flare_task_shareable(task)), 0);
  assert_string_equal(flare_shareable_kind(flare_task_shareable(task)), "");
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_copy_bytes(flare_result_shareable(result), "model", "trees", 5, ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  flare_reply *reply = wait_reply(request);
  const void *data = NULL;
  size_t size = 0;
  assert_ok(flare_shareable_find_bytes(flare_reply_shareable(reply), "model", &data, &size));
  assert_int_equal(size, 5);
  assert_memory_equal(data, "trees", 5);
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void a_whole_job_runs(void **state) {
  struct ends *ends = *state;
  float w[] = {1, 2, 3};
  flare_task *task = NULL;
  flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
  for (int64_t round = 0; round < 3; ++round) train_one_round(ends, round, w);
  assert_true(w[0] == 2.5f && w[1] == 3.5f && w[2] == 4.5f);
  validate(ends);
  submit_model(ends);
  assert_ok(flare_exchanger_end(ends->exchanger, "done", ERROR));
  assert_status(FLARE_ENDED, flare_agent_next_task(ends->agent, SOON, &task, ERROR));
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_ENDED);
  assert_ok(flare_agent_get_stats(ends->agent, &stats));
  assert_int_equal(stats.tasks_received, 5);
  assert_int_equal(stats.results_accepted, 5);
  assert_int_equal(stats.results_delivered, 5);
  assert_int_equal(stats.results_failed, 0);
  assert_int_equal(stats.frames_rejected, 0);
  assert_true(stats.bytes_received >= 4 * 12);
  assert_true(stats.bytes_sent >= 3 * 12 + 5);
}

static void a_result_is_of_the_kind_of_its_task(void **state) {
  struct ends *ends = *state;
  const struct {
    const char *task, *result;
  } kinds[] = {{"WEIGHT_DIFF", "WEIGHT_DIFF"}, {"WEIGHTS", "WEIGHTS"}, {"COLLECTION", "WEIGHTS"}};
  const float w[] = {1, 2, 3};
  for (size_t i = 0; i < 3; ++i) {
    flare_request *request = new_request(ends, "train");
    copy_floats(flare_request_shareable(request), "w", w, 3);
    assert_ok(flare_shareable_set_kind(flare_request_shareable(request), kinds[i].task, ERROR));
    assert_ok(flare_request_send(request, ERROR));
    flare_task *task = next_task(ends);
    assert_string_equal(flare_shareable_kind(flare_task_shareable(task)), kinds[i].task);
    answer(task);
    flare_reply *reply = wait_reply(request);
    assert_string_equal(flare_shareable_kind(flare_reply_shareable(reply)), kinds[i].result);
    flare_reply_free(reply);
    flare_request_free(request);
  }
}

static void a_request_has_the_id_and_attempt_it_was_given(void **state) {
  struct ends *ends = *state;
  flare_request *request = new_request(ends, "train");
  assert_ok(flare_request_set_id(request, "round-3-of-7", ERROR));
  assert_ok(flare_request_set_attempt(request, 4, ERROR));
  assert_ok(flare_request_set_round(request, 3, 7, ERROR));
  assert_ok(flare_request_set_round(request, 3, -1, ERROR)); /* left out again */
  assert_ok(flare_request_send(request, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_send(request, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_set_id(request, "another", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_set_attempt(request, 5, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_set_round(request, 4, 7, ERROR));
  flare_task *task = next_task(ends);
  assert_string_equal(flare_task_id(task), "round-3-of-7");
  assert_int_equal(flare_task_attempt(task), 4);
  assert_int_equal(flare_task_round(task), 3);
  assert_int_equal(flare_task_total_rounds(task), -1);
  flare_task_free(task);
  flare_request_free(request);
}

static void two_requests_of_one_id_are_not_under_way_at_once(void **state) {
  struct ends *ends = *state;
  flare_request *first = new_request(ends, "train"), *second = new_request(ends, "train");
  assert_ok(flare_request_set_id(first, "same", ERROR));
  assert_ok(flare_request_set_id(second, "same", ERROR));
  assert_ok(flare_request_send(first, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_send(second, ERROR));
  assert_message_has("same");
  flare_request_free(first);
  flare_request_free(second);
}

static void a_reply_can_be_had_more_than_once(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  answer(next_task(ends));
  flare_reply *first = wait_reply(request), *second = wait_reply(request);
  float w[3];
  flare_request_free(request);
  flare_reply_free(first);
  assert_ok(flare_shareable_read_tensor(flare_reply_shareable(second), "w", FLARE_FLOAT32, w, 3, ERROR));
  assert_true(w[0] == 2 && w[1] == 3 && w[2] == 4);
  flare_reply_free(second);
}

static void waiting_for_what_was_not_sent_is_refused(void **state) {
  struct ends *ends = *state;
  flare_reply *reply = NULL;
  flare_request *request = new_request(ends, "train");
  assert_status(FLARE_INVALID_STATE, flare_request_wait(request, SOON, &reply, ERROR));
  flare_request_free(request);
  request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  assert_status(FLARE_INVALID_STATE, flare_result_wait(result, FLARE_ACCEPTED, SOON, ERROR));
  assert_int_equal(flare_result_poll_fd(result, FLARE_ACCEPTED), -1);
  flare_result_cancel(result); /* nothing to cancel */
  assert_ok(flare_result_submit(result, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_wait(result, 3, SOON, ERROR));
  assert_int_equal(flare_result_poll_fd(result, 3), -1);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- One task, one result ---- */

static void one_task_is_in_hand_at_a_time(void **state) {
  struct ends *ends = *state;
  flare_task *second = NULL;
  flare_request *request = send_task(ends, "train"), *other = send_task(ends, "train");
  flare_task *task = next_task(ends);
  assert_status(FLARE_INVALID_STATE, flare_agent_next_task(ends->agent, SOON, &second, ERROR));
  assert_message_has(flare_task_id(task));
  assert_null(second);
  answer(task);
  answer(next_task(ends));
  flare_request_free(request);
  flare_request_free(other);
}

static void the_next_task_may_be_taken_while_a_result_is_on_its_way(void **state) {
  struct ends *ends = *state;
  flare_request *requests[2] = {send_task(ends, "train"), send_task(ends, "train")};
  flare_task *tasks[2];
  flare_result *results[2];
  for (int i = 0; i < 2; ++i) {
    tasks[i] = next_task(ends);
    results[i] = submit_result(tasks[i]);
  }
  for (int i = 0; i < 2; ++i) {
    assert_ok(flare_result_wait(results[i], FLARE_DELIVERED, SOON, ERROR));
    flare_reply_free(wait_reply(requests[i]));
    flare_result_free(results[i]);
    flare_task_free(tasks[i]);
    flare_request_free(requests[i]);
  }
}

static void a_task_has_one_result(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task), *second = NULL;
  assert_status(FLARE_INVALID_STATE, flare_result_new(task, &second, ERROR));
  assert_message_has(flare_task_id(task));
  flare_result_free(result); /* dropped: the task may make another */
  result = submit_result(task);
  assert_status(FLARE_INVALID_STATE, flare_result_submit(result, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_result_finish(result, SOON, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_result_new(task, &second, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_task_fail(task, "EXECUTION_EXCEPTION", "too late", ERROR));
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  flare_result_free(result);
  assert_status(FLARE_INVALID_STATE, flare_result_new(task, &second, ERROR));
  flare_task_free(task);
  flare_reply_free(wait_reply(request));
  flare_request_free(request);
}

static void a_failed_task_says_why(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = NULL;
  assert_status(FLARE_INVALID_ARGUMENT, flare_task_fail(task, "", "x", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_task_fail(task, "bad data", "x", ERROR));
  assert_ok(flare_task_fail(task, "BAD_TASK_DATA", "no tensor named v", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_task_fail(task, "BAD_TASK_DATA", "again", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_result_new(task, &result, ERROR));
  assert_reply_failed(request, "BAD_TASK_DATA", "no tensor named v");
  flare_task_free(task);
  flare_request_free(request);
}

static void failing_a_task_takes_its_unsubmitted_result_out_of_play(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task), *another = NULL;
  assert_ok(flare_task_fail(task, "EXECUTION_EXCEPTION", "out of cookies", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_result_submit(result, ERROR));
  flare_result_free(result);
  assert_status(FLARE_INVALID_STATE, flare_result_new(task, &another, ERROR));
  assert_reply_failed(request, "EXECUTION_EXCEPTION", "out of cookies");
  flare_task_free(task);
  flare_request_free(request);
}

static void a_task_released_without_a_result_is_answered(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task_free(next_task(ends));
  assert_reply_failed(request, "EXECUTION_EXCEPTION", "without a result");
  flare_request_free(request);
}

static void a_task_released_with_its_result_unsubmitted_is_answered(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  flare_task_free(task); /* the result keeps the task */
  flare_result_free(result);
  assert_reply_failed(request, "EXECUTION_EXCEPTION", "without a result");
  flare_request_free(request);
}

static void a_task_left_in_hand_is_answered_by_the_close(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_agent_close(ends->agent);
  ends->agent = NULL;
  assert_reply_failed(request, "EXECUTION_EXCEPTION", "closed");
  flare_task_free(task);
  flare_request_free(request);
}

static void a_stale_handle_does_not_answer_for_the_next_attempt(void **state) {
  struct ends *ends = *state;
  flare_request *request = new_request(ends, "train");
  assert_ok(flare_request_set_id(request, "again", ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_task *first = next_task(ends);
  assert_ok(flare_task_fail(first, "EXECUTION_EXCEPTION", "try again", ERROR));
  assert_reply_failed(request, "EXECUTION_EXCEPTION", "try again");
  flare_request_free(request);

  request = new_request(ends, "train");
  assert_ok(flare_request_set_id(request, "again", ERROR));
  assert_ok(flare_request_set_attempt(request, 2, ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_task *second = next_task(ends);
  flare_task_free(first); /* late, as a garbage collector would */
  flare_result *result = new_result(second);
  assert_ok(flare_shareable_set_metric(flare_result_shareable(result), "loss", 1, ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  flare_reply *reply = wait_reply(request);
  assert_string_equal(flare_shareable_return_code(flare_reply_shareable(reply)), "OK");
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(second);
  flare_request_free(request);
}

/* ---- Aborts and ends ---- */

static void an_aborted_task_is_seen_and_the_session_goes_on(void **state) {
  struct ends *ends = *state;
  flare_reply *reply = NULL;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  flare_request_abort(request);
  assert_status(FLARE_ABORTED, flare_request_wait(request, SOON, &reply, ERROR));
  assert_true(becomes_aborted(task));
  assert_status(FLARE_ABORTED, flare_result_submit(result, ERROR));
  assert_message_has(flare_task_id(task));
  assert_status(FLARE_INVALID_STATE, flare_result_wait(result, FLARE_DELIVERED, 0, ERROR));
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
  request = send_task(ends, "train");
  answer(next_task(ends));
  flare_reply_free(wait_reply(request));
  flare_request_free(request);
}

static void releasing_a_request_aborts_its_task(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_request_free(request);
  assert_true(becomes_aborted(task));
  flare_task_free(task);
  request = send_task(ends, "train");
  answer(next_task(ends));
  flare_request_free(request);
}

static void a_task_aborted_before_it_is_taken_is_never_seen(void **state) {
  struct ends *ends = *state;
  flare_request *first = send_task(ends, "train");
  assert_true(becomes_readable(flare_agent_poll_fd(ends->agent)));
  flare_request_abort(first);
  flare_request *second = send_task(ends, "validate");
  flare_task *task = NULL;
  const int64_t deadline = now_ms() + SOON;
  /* The abort may be behind the first task, but not behind the second. */
  while (is_readable(flare_agent_poll_fd(ends->agent)) && now_ms() < deadline) {
    assert_ok(flare_agent_next_task(ends->agent, SOON, &task, ERROR));
    if (strcmp(flare_task_name(task), "validate") == 0) break;
    flare_task_free(task);
    task = NULL;
  }
  if (task == NULL) task = next_task(ends);
  assert_string_equal(flare_task_name(task), "validate");
  answer(task);
  flare_request_free(first);
  flare_request_free(second);
}

static void the_end_of_the_job_is_ended(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL;
  flare_request *request = new_request(ends, "train");
  assert_ok(flare_exchanger_end(ends->exchanger, "all done", ERROR));
  assert_status(FLARE_ENDED, flare_agent_next_task(ends->agent, SOON, &task, ERROR));
  assert_status(FLARE_ENDED, flare_agent_wait_connected(ends->agent, SOON, ERROR));
  assert_status(FLARE_ENDED, flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_ENDED);
  assert_status(FLARE_ENDED, flare_request_send(request, ERROR));
  assert_status(FLARE_ENDED, flare_exchanger_end(ends->exchanger, "again", ERROR));
  assert_status(FLARE_ENDED, flare_exchanger_abort(ends->exchanger, "too late", ERROR));
  flare_request_free(request);
}

static void an_aborted_job_is_aborted_with_its_reason(void **state) {
  struct ends *ends = *state;
  flare_task *none = NULL;
  flare_reply *reply = NULL;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  assert_ok(flare_exchanger_abort(ends->exchanger, "the disk is full", ERROR));
  assert_true(becomes_aborted(task));
  assert_status(FLARE_ABORTED, flare_request_wait(request, SOON, &reply, ERROR));
  assert_status(FLARE_ABORTED, flare_result_submit(result, ERROR));
  assert_message_has("the disk is full");
  flare_result_free(result);
  flare_task_free(task);
  assert_status(FLARE_ABORTED, flare_agent_next_task(ends->agent, SOON, &none, ERROR));
  assert_message_has("the disk is full");
  assert_status(FLARE_ABORTED, flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_ABORTED);
  flare_request_free(request);
}

static void a_stop_is_stopped(void **state) {
  struct ends *ends = *state;
  flare_task *none = NULL;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  flare_agent_stop(ends->agent);
  flare_agent_stop(ends->agent);
  assert_int_equal(flare_task_is_aborted(task), 1);
  assert_status(FLARE_STOPPED, flare_result_submit(result, ERROR));
  assert_status(FLARE_STOPPED, flare_agent_next_task(ends->agent, FLARE_WAIT_FOREVER, &none, ERROR));
  assert_status(FLARE_STOPPED, flare_agent_wait_connected(ends->agent, FLARE_WAIT_FOREVER, ERROR));
  assert_status(FLARE_STOPPED, flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_STOPPED);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void a_stopped_exchanger_says_so(void **state) {
  struct ends *ends = *state;
  flare_reply *reply = NULL;
  flare_metric *metric = NULL;
  flare_request *request = send_task(ends, "train"), *late = new_request(ends, "train");
  flare_exchanger_stop(ends->exchanger);
  assert_status(FLARE_STOPPED, flare_request_wait(request, FLARE_WAIT_FOREVER, &reply, ERROR));
  assert_status(FLARE_STOPPED, flare_exchanger_next_metric(ends->exchanger, FLARE_WAIT_FOREVER, &metric, ERROR));
  assert_status(FLARE_STOPPED, flare_exchanger_wait_connected(ends->exchanger, FLARE_WAIT_FOREVER, ERROR));
  assert_status(FLARE_STOPPED, flare_request_send(late, ERROR));
  assert_int_equal(flare_exchanger_state(ends->exchanger), FLARE_STATE_STOPPED);
  flare_request_free(request);
  flare_request_free(late);
}

static void a_closed_exchanger_ends_the_job(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL;
  flare_exchanger_close(ends->exchanger);
  ends->exchanger = NULL;
  assert_status(FLARE_ENDED, flare_agent_next_task(ends->agent, SOON, &task, ERROR));
}

static void a_result_on_its_way_arrives_after_the_end(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  assert_ok(flare_result_wait(result, FLARE_ACCEPTED, SOON, ERROR));
  assert_ok(flare_exchanger_end(ends->exchanger, "enough", ERROR));
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  flare_reply_free(wait_reply(request));
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Waiting ---- */

static void a_timeout_is_kept(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL;
  flare_metric *metric = NULL;
  flare_reply *reply = NULL;
  flare_request *request = send_task(ends, "train");
  task = next_task(ends);
  int64_t start = now_ms();
  for (int i = 0; i < 100; ++i) {
    assert_int_equal(flare_exchanger_next_metric(ends->exchanger, 0, &metric, NULL), FLARE_TIMEOUT);
    assert_int_equal(flare_request_wait(request, 0, &reply, NULL), FLARE_TIMEOUT);
  }
  assert_true(now_ms() - start < 1000);
  start = now_ms();
  assert_int_equal(flare_request_wait(request, 50, &reply, NULL), FLARE_TIMEOUT);
  assert_true(now_ms() - start >= 50);
  answer(task);
  start = now_ms();
  task = NULL;
  assert_int_equal(flare_agent_next_task(ends->agent, 50, &task, NULL), FLARE_TIMEOUT);
  assert_true(now_ms() - start >= 50);
  assert_null(task);
  flare_reply_free(wait_reply(request)); /* the time-out has cancelled nothing */
  flare_request_free(request);
}

static void nobody_connected_is_a_timeout(void **state) {
  struct ends *ends = *state;
  ends->exchanger = open_exchanger(ends->url);
  assert_int_equal(flare_exchanger_wait_connected(ends->exchanger, 0, NULL), FLARE_TIMEOUT);
  assert_int_equal(flare_exchanger_wait_connected(ends->exchanger, 20, NULL), FLARE_TIMEOUT);
  assert_false(is_readable(flare_exchanger_connected_poll_fd(ends->exchanger)));
  assert_int_equal(flare_exchanger_state(ends->exchanger), FLARE_STATE_CONNECTING);
  ends->agent = open_agent(ends->url);
  assert_true(becomes_readable(flare_exchanger_connected_poll_fd(ends->exchanger)));
  assert_true(becomes_readable(flare_agent_connected_poll_fd(ends->agent)));
  assert_ok(flare_exchanger_wait_connected(ends->exchanger, 0, ERROR));
  assert_ok(flare_agent_wait_connected(ends->agent, 0, ERROR));
  assert_int_equal(flare_exchanger_state(ends->exchanger), FLARE_STATE_CONNECTED);
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_CONNECTED);
}

static void an_agent_may_be_first(void **state) {
  struct ends *ends = *state;
  ends->agent = open_agent(ends->url);
  assert_int_equal(flare_agent_wait_connected(ends->agent, 20, NULL), FLARE_TIMEOUT);
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_CONNECTING);
  ends->exchanger = open_exchanger(ends->url);
  assert_ok(flare_agent_wait_connected(ends->agent, SOON, ERROR));
}

static void poll_agrees_with_the_calls(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL, *none = NULL;
  flare_metric *metric = NULL;
  flare_reply *reply = NULL;
  const int task_fd = flare_agent_poll_fd(ends->agent);
  const int metric_fd = flare_exchanger_metric_poll_fd(ends->exchanger);

  assert_false(is_readable(task_fd));
  assert_false(is_readable(metric_fd));
  assert_int_equal(flare_agent_next_task(ends->agent, 0, &task, NULL), FLARE_TIMEOUT);
  assert_int_equal(flare_exchanger_next_metric(ends->exchanger, 0, &metric, NULL), FLARE_TIMEOUT);

  flare_request *request = send_task(ends, "train");
  const int reply_fd = flare_request_poll_fd(request);
  assert_true(becomes_readable(task_fd));
  assert_true(is_readable(task_fd)); /* level-triggered */
  assert_false(is_readable(reply_fd));
  assert_int_equal(flare_request_wait(request, 0, &reply, NULL), FLARE_TIMEOUT);
  assert_ok(flare_agent_next_task(ends->agent, 0, &task, ERROR));
  assert_true(is_readable(task_fd)); /* as the next call says INVALID_STATE */
  assert_status(FLARE_INVALID_STATE, flare_agent_next_task(ends->agent, 0, &none, ERROR));

  flare_result *result = submit_result(task);
  assert_false(is_readable(task_fd));
  assert_int_equal(flare_agent_next_task(ends->agent, 0, &none, NULL), FLARE_TIMEOUT);
  assert_true(becomes_readable(flare_result_poll_fd(result, FLARE_ACCEPTED)));
  assert_ok(flare_result_wait(result, FLARE_ACCEPTED, 0, ERROR));
  assert_true(becomes_readable(flare_result_poll_fd(result, FLARE_DELIVERED)));
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, 0, ERROR));
  assert_true(becomes_readable(reply_fd));
  assert_ok(flare_request_wait(request, 0, &reply, ERROR));
  assert_true(is_readable(reply_fd)); /* the reply can be had again */
  flare_reply_free(reply);

  assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  assert_true(becomes_readable(metric_fd));
  assert_ok(flare_exchanger_next_metric(ends->exchanger, 0, &metric, ERROR));
  flare_metric_free(metric);
  assert_false(is_readable(metric_fd));
  assert_int_equal(flare_exchanger_next_metric(ends->exchanger, 0, &metric, NULL), FLARE_TIMEOUT);

  assert_ok(flare_exchanger_end(ends->exchanger, "done", ERROR));
  assert_true(is_readable(metric_fd));
  assert_status(FLARE_ENDED, flare_exchanger_next_metric(ends->exchanger, 0, &metric, ERROR));
  assert_true(becomes_readable(task_fd));
  assert_status(FLARE_ENDED, flare_agent_next_task(ends->agent, 0, &none, ERROR));
  assert_true(is_readable(task_fd));
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Release ---- */

static void handles_may_be_released_in_any_order(void **state) {
  struct ends *ends = *state;
  float w[3];
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  flare_reply *reply = wait_reply(request);
  assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  flare_metric *metric = NULL;
  assert_ok(flare_exchanger_next_metric(ends->exchanger, SOON, &metric, ERROR));

  flare_exchanger_close(ends->exchanger);
  flare_agent_close(ends->agent);
  ends->exchanger = NULL;
  ends->agent = NULL;
  flare_request_free(request);
  assert_string_equal(flare_task_name(task), "train");
  assert_ok(flare_shareable_read_tensor(flare_task_shareable(task), "w", FLARE_FLOAT32, w, 3, ERROR));
  flare_task_free(task);
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  assert_ok(flare_shareable_read_tensor(flare_result_shareable(result), "w", FLARE_FLOAT32, w, 3, ERROR));
  flare_progress progress = FLARE_PROGRESS_INIT;
  assert_ok(flare_result_progress(result, &progress));
  flare_result_cancel(result);
  flare_result_free(result);
  assert_string_equal(flare_metric_name(metric), "loss");
  flare_metric_free(metric);
  assert_ok(flare_shareable_read_tensor(flare_reply_shareable(reply), "w", FLARE_FLOAT32, w, 3, ERROR));
  flare_reply_free(reply);
}

static void what_belongs_to_a_closed_end_answers_stopped(void **state) {
  struct ends *ends = *state;
  flare_reply *reply = NULL;
  flare_request *request = send_task(ends, "train"), *unsent = new_request(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  flare_agent_close(ends->agent);
  ends->agent = NULL;
  assert_status(FLARE_STOPPED, flare_result_submit(result, ERROR));
  assert_status(FLARE_STOPPED, flare_task_fail(task, "ERROR", "x", ERROR));
  flare_exchanger_close(ends->exchanger);
  ends->exchanger = NULL;
  assert_true(flare_request_send(unsent, ERROR) != FLARE_OK);
  const flare_status status = flare_request_wait(request, SOON, &reply, ERROR);
  if (status == FLARE_OK) flare_reply_free(reply); /* the answer of the agent's close was faster */
  flare_request_abort(request);
  flare_request_free(request);
  flare_request_free(unsent);
  flare_result_free(result);
  flare_task_free(task);
}

static void a_request_that_was_not_sent_leaves_no_trace(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL;
  flare_request_free(new_request(ends, "train"));
  assert_int_equal(flare_agent_next_task(ends->agent, 50, &task, NULL), FLARE_TIMEOUT);
}

/* ---- Memory of the result ---- */

enum { BIG = 8 << 20 };

static flare_request *send_empty_task(struct ends *ends) {
  flare_request *request = new_request(ends, "train");
  assert_ok(flare_request_send(request, ERROR));
  return request;
}

static flare_tensor bytes_tensor(const unsigned char *bytes, const int64_t *size) {
  return tensor_of(FLARE_UINT8, bytes, 1, size);
}

static void assert_reply_has(flare_request *request, const unsigned char *bytes, int64_t size) {
  flare_tensor tensor = FLARE_TENSOR_INIT;
  flare_reply *reply = wait_reply(request);
  assert_ok(flare_shareable_find_tensor(flare_reply_shareable(reply), "w", &tensor));
  assert_int_equal(tensor.shape[0], size);
  assert_int_equal((uintptr_t)tensor.data % 64, 0);
  assert_true(memcmp(tensor.data, bytes, (size_t)size) == 0);
  flare_reply_free(reply);
}

static void copied_tensors_survive_the_release_and_the_close_drains(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  unsigned char *bytes = new_pattern(BIG, 3), *expected = new_pattern(BIG, 3);
  flare_request *request = send_empty_task(ends);
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  const flare_tensor tensor = bytes_tensor(bytes, &size);
  assert_ok(flare_shareable_copy_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  memset(bytes, 0, BIG);
  assert_ok(flare_result_submit(result, ERROR));
  flare_result_free(result);
  flare_task_free(task);
  flare_agent_close(ends->agent);
  ends->agent = NULL;
  assert_reply_has(request, expected, BIG);
  flare_request_free(request);
  free(bytes);
  free(expected);
}

static void borrowed_tensors_are_free_again_once_delivered(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  unsigned char *bytes = new_pattern(BIG, 4), *expected = new_pattern(BIG, 4);
  flare_request *request = send_empty_task(ends);
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  const flare_tensor tensor = bytes_tensor(bytes, &size);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  memset(bytes, 0, BIG);
  free(bytes);
  assert_reply_has(request, expected, BIG);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
  free(expected);
}

static void releasing_a_result_waits_for_borrowed_tensors(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  unsigned char *bytes = new_pattern(BIG, 5), *expected = new_pattern(BIG, 5);
  flare_request *request = send_empty_task(ends);
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  const flare_tensor tensor = bytes_tensor(bytes, &size);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  assert_ok(flare_result_submit(result, ERROR));
  flare_task_free(task);
  flare_result_free(result);
  memset(bytes, 0, BIG);
  free(bytes);
  assert_reply_has(request, expected, BIG);
  flare_request_free(request);
  free(expected);
}

static void borrowed_tensors_are_free_again_soon_after_a_stop(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  unsigned char *bytes = new_pattern(BIG, 6);
  flare_request *request = send_empty_task(ends);
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  const flare_tensor tensor = bytes_tensor(bytes, &size);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  assert_ok(flare_result_submit(result, ERROR));
  flare_agent_stop(ends->agent);
  const int64_t start = now_ms();
  flare_result_free(result);
  assert_true(now_ms() - start < 5000);
  free(bytes);
  flare_task_free(task);
  flare_request_free(request);
}

static void a_request_may_borrow_as_well(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  unsigned char *bytes = new_pattern(BIG, 7), *expected = new_pattern(BIG, 7);
  flare_tensor tensor = bytes_tensor(bytes, &size), found = FLARE_TENSOR_INIT;
  flare_request *request = new_request(ends, "train");
  assert_ok(flare_shareable_borrow_tensor(flare_request_shareable(request), "w", &tensor, ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_task *task = next_task(ends);
  assert_ok(flare_shareable_find_tensor(flare_task_shareable(task), "w", &found));
  assert_true(memcmp(found.data, expected, BIG) == 0);
  flare_request_free(request); /* without a reply */
  memset(bytes, 0, BIG);
  free(bytes);
  assert_true(becomes_aborted(task));
  flare_task_free(task);
  free(expected);
}

static void a_request_that_is_fetched_gives_its_memory_back_at_once(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  for (int i = 0; i < 5; ++i) { /* at different moments of the transfer */
    unsigned char *bytes = new_pattern(BIG, 8);
    flare_tensor tensor = bytes_tensor(bytes, &size);
    flare_request *request = new_request(ends, "train");
    assert_ok(flare_shareable_borrow_tensor(flare_request_shareable(request), "w", &tensor, ERROR));
    assert_ok(flare_request_send(request, ERROR));
    sleep_ms(i);
    flare_request_free(request);
    memset(bytes, 0, BIG);
    free(bytes);
  }
  flare_request *request = send_task(ends, "validate");
  flare_task *task = next_task(ends);
  while (strcmp(flare_task_name(task), "validate") != 0) { /* those that came whole before their abort */
    flare_task_free(task);
    task = next_task(ends);
  }
  answer(task);
  flare_request_free(request);
}

static void a_stopped_exchanger_gives_borrowed_memory_back(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG;
  unsigned char *bytes = new_pattern(BIG, 9);
  flare_tensor tensor = bytes_tensor(bytes, &size);
  flare_request *request = new_request(ends, "train");
  assert_ok(flare_shareable_borrow_tensor(flare_request_shareable(request), "w", &tensor, ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_exchanger_stop(ends->exchanger);
  flare_request_free(request);
  memset(bytes, 0, BIG);
  free(bytes);
}

static void a_cancelled_result_is_aborted(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  flare_result_cancel(result);
  const flare_status status = flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR);
  assert_true(status == FLARE_ABORTED || status == FLARE_OK); /* it may have been faster */
  flare_result_cancel(result);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Much ---- */

static void big_tensors_go_both_ways(void **state) {
  struct ends *ends = *state;
  const int64_t size = BIG, odd = (1 << 20) + 7;
  unsigned char *there = new_pattern(BIG, 10), *back = new_pattern(BIG, 11), *rest = new_pattern(BIG, 12);
  flare_tensor tensor = bytes_tensor(there, &size), odd_tensor = bytes_tensor(rest, &odd), found = FLARE_TENSOR_INIT;
  flare_progress progress = FLARE_PROGRESS_INIT;
  flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
  for (int round = 0; round < 2; ++round) {
    flare_request *request = new_request(ends, "other"); /* a trained model would need both tensors */
    assert_ok(flare_shareable_copy_tensor(flare_request_shareable(request), "w", &tensor, ERROR));
    assert_ok(flare_shareable_copy_tensor(flare_request_shareable(request), "odd", &odd_tensor, ERROR));
    assert_ok(flare_request_send(request, ERROR));
    flare_task *task = next_task(ends);
    assert_ok(flare_shareable_find_tensor(flare_task_shareable(task), "w", &found));
    assert_int_equal((uintptr_t)found.data % 64, 0);
    assert_true(memcmp(found.data, there, BIG) == 0);
    assert_ok(flare_shareable_find_tensor(flare_task_shareable(task), "odd", &found));
    assert_int_equal(found.shape[0], odd);
    assert_true(memcmp(found.data, rest, (size_t)odd) == 0);

    flare_result *result = new_result(task);
    flare_tensor answer_tensor = bytes_tensor(back, &size);
    assert_ok(flare_shareable_copy_tensor(flare_result_shareable(result), "w", &answer_tensor, ERROR));
    assert_ok(flare_result_submit(result, ERROR));
    assert_ok(flare_result_progress(result, &progress));
    assert_int_equal(progress.bytes_total, BIG);
    assert_true(progress.bytes_done >= 0 && progress.bytes_done <= BIG);
    assert_ok(flare_result_wait(result, FLARE_ACCEPTED, SOON, ERROR));
    assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
    assert_ok(flare_result_progress(result, &progress));
    assert_int_equal(progress.bytes_done, BIG);
    assert_int_equal(progress.items_total, 1);
    assert_int_equal(progress.items_done, 1);
    assert_reply_has(request, back, BIG);
    flare_result_free(result);
    flare_task_free(task);
    flare_request_free(request);
  }
  assert_ok(flare_agent_get_stats(ends->agent, &stats));
  assert_int_equal(stats.bytes_received, 2 * (BIG + odd));
  assert_int_equal(stats.bytes_sent, 2 * (int64_t)BIG);
  free(there);
  free(back);
  free(rest);
}

static void many_small_tensors_go_both_ways(void **state) {
  struct ends *ends = *state;
  enum { MANY = 5000 };
  char name[32];
  float values[16], out[16];
  flare_request *request = new_request(ends, "train");
  for (int i = 0; i < MANY; ++i) {
    for (int k = 0; k < 16; ++k) values[k] = (float)(i + k);
    snprintf(name, sizeof name, "layer%d", i);
    copy_floats(flare_request_shareable(request), name, values, 16 - i % 3);
  }
  assert_ok(flare_request_send(request, ERROR));
  flare_task *task = next_task(ends);
  flare_result *result = new_result(task);
  for (int i = 0; i < MANY; ++i) {
    const char *found = NULL;
    flare_tensor tensor = FLARE_TENSOR_INIT;
    assert_ok(flare_shareable_tensor_at(flare_task_shareable(task), (size_t)i, &found, &tensor));
    assert_ok(flare_shareable_copy_tensor(flare_result_shareable(result), found, &tensor, ERROR));
  }
  assert_ok(flare_result_finish(result, SOON, ERROR));
  flare_reply *reply = wait_reply(request);
  assert_int_equal(flare_shareable_tensor_count(flare_reply_shareable(reply)), MANY);
  for (int i = MANY - 1; i >= 0; --i) {
    snprintf(name, sizeof name, "layer%d", i);
    assert_ok(flare_shareable_read_tensor(flare_reply_shareable(reply), name, FLARE_FLOAT32, out, (size_t)(16 - i % 3),
                                          ERROR));
    assert_true(out[0] == (float)i && out[13] == (float)(i + 13));
  }
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Metrics ---- */

static flare_metric *next_metric(struct ends *ends) {
  flare_metric *metric = NULL;
  assert_ok(flare_exchanger_next_metric(ends->exchanger, SOON, &metric, ERROR));
  return metric;
}

static void a_burst_of_metrics_arrives_in_order(void **state) {
  struct ends *ends = *state;
  enum { BURST = 3000 };
  double value = 0;
  flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
  for (int64_t i = 0; i < BURST; ++i) {
    assert_ok(flare_agent_log_scalar(ends->agent, i % 2 ? "loss" : "accuracy", (double)i / 4, i, ERROR));
  }
  for (int64_t i = 0; i < BURST; ++i) {
    flare_metric *metric = next_metric(ends);
    assert_string_equal(flare_metric_type(metric), "SCALAR");
    assert_string_equal(flare_metric_name(metric), i % 2 ? "loss" : "accuracy");
    assert_int_equal(flare_metric_step(metric), i);
    assert_string_equal(flare_metric_path(metric), "");
    assert_int_equal(flare_value_get_double(flare_metric_value(metric), &value), FLARE_OK);
    assert_true(value == (double)i / 4);
    flare_metric_free(metric);
  }
  const int64_t deadline = now_ms() + SOON;
  do { /* the acknowledgement of the last batch may still be under way */
    assert_ok(flare_agent_get_stats(ends->agent, &stats));
  } while (stats.metrics_sent < BURST && now_ms() < deadline);
  assert_int_equal(stats.metrics_sent, BURST);
  assert_int_equal(stats.metrics_dropped, 0);
}

static void metrics_of_every_type_arrive(void **state) {
  struct ends *ends = *state;
  const char *types[] = {"SCALAR",  "SCALARS", "IMAGE",    "TEXT", "LOG_RECORD", "PARAMETER", "PARAMETERS", "METRIC",
                         "METRICS", "MODEL",   "ARTIFACT", "TAG",  "TAGS",       "FIGURE",    "INIT_DATA"};
  const size_t count = sizeof types / sizeof types[0];
  int64_t rate = 0;
  for (size_t i = 0; i < count; ++i) {
    assert_ok(flare_agent_log_json(ends->agent, types[i], "n\xc3\xa4me", "{\"rate\": [1, 2]}", FLARE_NO_STEP,
                                   i % 2 ? "/tmp/a file" : NULL, ERROR));
  }
  for (size_t i = 0; i < count; ++i) {
    const flare_value *item = NULL;
    flare_metric *metric = next_metric(ends);
    assert_string_equal(flare_metric_type(metric), types[i]);
    assert_string_equal(flare_metric_name(metric), "n\xc3\xa4me");
    assert_int_equal(flare_metric_step(metric), FLARE_NO_STEP);
    assert_string_equal(flare_metric_path(metric), i % 2 ? "/tmp/a file" : "");
    assert_int_equal(flare_value_at(child_of(flare_metric_value(metric), "rate"), 1, NULL, &item), FLARE_OK);
    assert_int_equal(flare_value_get_int(item, &rate), FLARE_OK);
    assert_int_equal(rate, 2);
    flare_metric_free(metric);
  }
}

static void metrics_logged_before_a_result_arrive_before_it(void **state) {
  struct ends *ends = *state;
  flare_metric *metric = NULL;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  for (int64_t i = 0; i < 500; ++i) assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, i, ERROR));
  answer(task);
  flare_reply_free(wait_reply(request));
  for (int64_t i = 0; i < 500; ++i) {
    assert_ok(flare_exchanger_next_metric(ends->exchanger, 0, &metric, ERROR));
    assert_int_equal(flare_metric_step(metric), i);
    flare_metric_free(metric);
  }
  flare_request_free(request);
}

static void metrics_that_have_arrived_are_given_out_before_the_end(void **state) {
  struct ends *ends = *state;
  flare_metric *metric = NULL;
  assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  assert_true(becomes_readable(flare_exchanger_metric_poll_fd(ends->exchanger)));
  assert_ok(flare_exchanger_end(ends->exchanger, "done", ERROR));
  assert_ok(flare_exchanger_next_metric(ends->exchanger, 0, &metric, ERROR));
  flare_metric_free(metric);
  assert_status(FLARE_ENDED, flare_exchanger_next_metric(ends->exchanger, SOON, &metric, ERROR));
}

static void closing_the_agent_sends_its_metrics(void **state) {
  struct ends *ends = *state;
  for (int64_t i = 0; i < 100; ++i) assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, i, ERROR));
  flare_agent_close(ends->agent);
  ends->agent = NULL;
  for (int64_t i = 0; i < 100; ++i) {
    flare_metric *metric = next_metric(ends);
    assert_int_equal(flare_metric_step(metric), i);
    flare_metric_free(metric);
  }
}

static void a_metric_may_be_as_deep_as_the_wire_carries(void **state) {
  struct ends *ends = *state;
  char json[100] = "";
  for (int i = 0; i < 30; ++i) strcat(json, "[");
  for (int i = 0; i < 30; ++i) strcat(json, "]");
  assert_ok(flare_agent_log_json(ends->agent, "TEXT", "deep", json, 0, NULL, ERROR));
  flare_metric_free(next_metric(ends));
  memset(json, 0, sizeof json);
  for (int i = 0; i < 31; ++i) strcat(json, "[");
  for (int i = 0; i < 31; ++i) strcat(json, "]");
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_json(ends->agent, "TEXT", "deep", json, 0, NULL, ERROR));
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_CONNECTED);
}

/* ---- Structs of other versions ---- */

#define assert_untouched_from(object, size)                           \
  do {                                                                \
    for (size_t at = (size); at < sizeof(object); ++at) {             \
      assert_int_equal(((const unsigned char *)&(object))[at], 0x5a); \
    }                                                                 \
  } while (0)

static void nothing_is_written_beyond_the_structs(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  for (size_t size = 8; size <= sizeof(flare_agent_stats); size += 4) {
    flare_agent_stats stats;
    memset(&stats, 0x5a, sizeof stats);
    stats.struct_size = (uint32_t)size;
    assert_ok(flare_agent_get_stats(ends->agent, &stats));
    assert_untouched_from(stats, size);
    assert_int_equal(stats.struct_size, size);
    if (size >= 16) assert_int_equal(stats.tasks_received, 1);
  }
  for (size_t size = 8; size <= sizeof(flare_progress); size += 4) {
    flare_progress progress;
    memset(&progress, 0x5a, sizeof progress);
    progress.struct_size = (uint32_t)size;
    assert_ok(flare_result_progress(result, &progress));
    assert_untouched_from(progress, size);
    if (size >= 16) assert_int_equal(progress.bytes_total, 12);
  }
  flare_agent_stats no_size = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  assert_int_equal(flare_agent_get_stats(ends->agent, &no_size), FLARE_INVALID_ARGUMENT);
  flare_progress no_size_either = {0, 0, 0, 0, 0, 0, 0, 0};
  assert_int_equal(flare_result_progress(result, &no_size_either), FLARE_INVALID_ARGUMENT);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Receivers and progress ---- */

static void progress_can_be_waited_for_and_read_for_each_receiver(void **state) {
  struct ends *ends = *state;
  flare_request *request = NULL;
  flare_reply *reply = NULL;
  flare_progress progress = FLARE_PROGRESS_INIT, part = FLARE_PROGRESS_INIT;
  const char *name = NULL;
  float *w = calloc(BIG / sizeof(float), sizeof(float));
  assert_ok(flare_request_new(ends->exchanger, "train", &request, ERROR));
  assert_ok(flare_request_add_receiver(request, "site-1", ERROR));
  assert_ok(flare_request_add_receiver(request, "server", ERROR));
  assert_ok(flare_request_add_receiver(request, "server", ERROR));
  assert_ok(flare_request_send(request, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_add_receiver(request, "late", ERROR));
  flare_task *task = next_task(ends);
  flare_result *result = NULL;
  assert_ok(flare_result_new(task, &result, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_result_wait_progress(result, 0, &progress, ERROR));
  assert_int_equal(flare_result_progress_poll_fd(result), -1);
  assert_int_equal(flare_result_receiver_at(result, 0, &name, &part), FLARE_NOT_FOUND);
  copy_floats(flare_result_shareable(result), "w", w, BIG / sizeof(float));
  assert_ok(flare_result_submit(result, ERROR));

  while (progress.bytes_done < BIG) {
    const int64_t before = progress.changes;
    assert_ok(flare_result_wait_progress(result, SOON, &progress, ERROR));
    assert_true(progress.changes > before);
    assert_int_equal(progress.bytes_total, 2 * BIG);
  }
  assert_int_equal(progress.state, FLARE_UPLOAD_ACTIVE);
  assert_true(progress.bytes_per_second > 0);
  assert_ok(flare_request_wait(request, SOON, &reply, ERROR));
  assert_ok(flare_reply_report(reply, "server", 1000, ERROR));
  while (flare_result_receiver_at(result, 1, &name, &part) == FLARE_OK && part.bytes_done < 1000) {
    assert_ok(flare_result_wait_progress(result, SOON, &progress, ERROR));
  }
  assert_string_equal(name, "server");
  assert_int_equal(part.bytes_total, BIG);
  assert_int_equal(part.state, FLARE_UPLOAD_ACTIVE);
  assert_ok(flare_result_receiver_at(result, 0, &name, &part));
  assert_string_equal(name, "site-1");
  assert_int_equal(part.bytes_done, BIG);
  assert_int_equal(flare_result_receiver_at(result, 2, &name, NULL), FLARE_NOT_FOUND);

  while (flare_result_wait_progress(result, 50, &progress, ERROR) == FLARE_OK) continue;
  assert_false(is_readable(flare_result_progress_poll_fd(result)));
  assert_status(FLARE_NOT_FOUND, flare_reply_confirm(reply, "site-1", 1, NULL, ERROR));
  assert_status(FLARE_NOT_FOUND, flare_reply_report(reply, "stranger", 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_reply_report(reply, "server", -1, ERROR));
  assert_status(FLARE_TIMEOUT, flare_result_wait(result, FLARE_DELIVERED, 0, ERROR));
  assert_ok(flare_reply_confirm(reply, "server", 1, NULL, ERROR));
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  assert_true(becomes_readable(flare_result_progress_poll_fd(result)));
  assert_ok(flare_result_wait_progress(result, SOON, &progress, ERROR));
  assert_int_equal(progress.state, FLARE_UPLOAD_DELIVERED);
  assert_int_equal(progress.bytes_done, 2 * BIG);
  assert_int_equal(flare_agent_should_exit(ends->agent), 0);
  free(w);
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void a_failed_receiver_is_told_to_the_trainer(void **state) {
  struct ends *ends = *state;
  flare_request *request = NULL;
  flare_reply *reply = NULL;
  const float w[3] = {1, 2, 3}; /* that small a result is no exception */
  assert_ok(flare_request_new(ends->exchanger, "train", &request, ERROR));
  assert_ok(flare_request_add_receiver(request, "site-1", ERROR));
  assert_ok(flare_request_add_receiver(request, "server", ERROR));
  assert_ok(flare_request_send(request, ERROR));
  flare_task *task = next_task(ends);
  flare_result *result = NULL;
  assert_ok(flare_result_new(task, &result, ERROR));
  copy_floats(flare_result_shareable(result), "w", w, 3);
  assert_ok(flare_result_submit(result, ERROR));
  assert_ok(flare_request_wait(request, SOON, &reply, ERROR));
  assert_status(FLARE_TIMEOUT, flare_result_wait(result, FLARE_DELIVERED, 50, ERROR));
  assert_ok(flare_reply_confirm(reply, "server", 0, "its disk is full", ERROR));
  assert_status(FLARE_ABORTED, flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  assert_message_has("its disk is full");
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void a_shutdown_closes_what_is_open_and_lets_results_arrive(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  flare_shutdown();
  flare_shutdown();
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_STOPPED);
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, 0, ERROR));
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- The library's own log ---- */

/* Reads until a record has this text. */
static flare_log_level level_of_record(flare_agent *agent, const char *part) {
  for (;;) {
    flare_log_record *record = NULL;
    assert_ok(flare_agent_next_log_record(agent, SOON, &record, ERROR));
    const int found = strstr(flare_log_record_text(record), part) != NULL;
    const flare_log_level level = flare_log_record_level(record);
    flare_log_record_free(record);
    if (found) return level;
  }
}

static void log_records_can_be_read(void **state) {
  struct ends *ends = *state;
  flare_log_record *record = NULL;
  flare_agent *agent = NULL;
  flare_options *options = options_for(ends->url);
  set_option(options, "log_level", "info");
  set_option(options, "log_file", "none");
  assert_ok(flare_agent_open(options, &agent, ERROR));
  flare_options_free(options);
  const int fd = flare_agent_log_poll_fd(agent);
  assert_status(FLARE_TIMEOUT, flare_agent_next_log_record(agent, 0, &record, ERROR));
  assert_false(is_readable(fd));

  flare_exchanger *exchanger = open_exchanger(ends->url);
  assert_int_equal(level_of_record(agent, "connected"), FLARE_LOG_INFO);
  while (flare_agent_next_log_record(agent, 0, &record, ERROR) == FLARE_OK) flare_log_record_free(record);
  assert_false(is_readable(fd));

  flare_exchanger_close(exchanger);
  assert_true(becomes_readable(fd));
  flare_agent_stop(agent);
  flare_status status = FLARE_OK;
  while ((status = flare_agent_next_log_record(agent, SOON, &record, ERROR)) == FLARE_OK) flare_log_record_free(record);
  assert_int_equal(status, FLARE_STOPPED);
  assert_true(is_readable(fd));
  flare_agent_close(agent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      OVER_BOTH(a_whole_job_runs),
      OVER_MEMORY(a_result_is_of_the_kind_of_its_task),
      OVER_MEMORY(a_request_has_the_id_and_attempt_it_was_given),
      OVER_MEMORY(two_requests_of_one_id_are_not_under_way_at_once),
      OVER_MEMORY(a_reply_can_be_had_more_than_once),
      OVER_MEMORY(waiting_for_what_was_not_sent_is_refused),
      OVER_MEMORY(one_task_is_in_hand_at_a_time),
      OVER_BOTH(the_next_task_may_be_taken_while_a_result_is_on_its_way),
      OVER_BOTH(a_task_has_one_result),
      OVER_BOTH(a_failed_task_says_why),
      OVER_MEMORY(failing_a_task_takes_its_unsubmitted_result_out_of_play),
      OVER_BOTH(a_task_released_without_a_result_is_answered),
      OVER_MEMORY(a_task_released_with_its_result_unsubmitted_is_answered),
      OVER_BOTH(a_task_left_in_hand_is_answered_by_the_close),
      OVER_BOTH(a_stale_handle_does_not_answer_for_the_next_attempt),
      OVER_BOTH(an_aborted_task_is_seen_and_the_session_goes_on),
      OVER_BOTH(releasing_a_request_aborts_its_task),
      OVER_BOTH(a_task_aborted_before_it_is_taken_is_never_seen),
      OVER_BOTH(the_end_of_the_job_is_ended),
      OVER_BOTH(an_aborted_job_is_aborted_with_its_reason),
      OVER_BOTH(a_stop_is_stopped),
      OVER_BOTH(a_stopped_exchanger_says_so),
      OVER_BOTH(a_closed_exchanger_ends_the_job),
      OVER_BOTH(a_result_on_its_way_arrives_after_the_end),
      OVER_BOTH(a_timeout_is_kept),
      URL_OVER_BOTH(nobody_connected_is_a_timeout),
      URL_OVER_BOTH(an_agent_may_be_first),
      OVER_BOTH(poll_agrees_with_the_calls),
      OVER_BOTH(handles_may_be_released_in_any_order),
      OVER_BOTH(what_belongs_to_a_closed_end_answers_stopped),
      OVER_MEMORY(a_request_that_was_not_sent_leaves_no_trace),
      OVER_BOTH(copied_tensors_survive_the_release_and_the_close_drains),
      OVER_BOTH(borrowed_tensors_are_free_again_once_delivered),
      OVER_BOTH(releasing_a_result_waits_for_borrowed_tensors),
      OVER_BOTH(borrowed_tensors_are_free_again_soon_after_a_stop),
      OVER_BOTH(a_request_may_borrow_as_well),
      OVER_BOTH(a_request_that_is_fetched_gives_its_memory_back_at_once),
      OVER_BOTH(a_stopped_exchanger_gives_borrowed_memory_back),
      OVER_BOTH(a_cancelled_result_is_aborted),
      OVER_BOTH(big_tensors_go_both_ways),
      OVER_BOTH(many_small_tensors_go_both_ways),
      OVER_BOTH(a_burst_of_metrics_arrives_in_order),
      OVER_BOTH(metrics_of_every_type_arrive),
      OVER_BOTH(metrics_logged_before_a_result_arrive_before_it),
      OVER_BOTH(metrics_that_have_arrived_are_given_out_before_the_end),
      OVER_BOTH(closing_the_agent_sends_its_metrics),
      OVER_MEMORY(a_metric_may_be_as_deep_as_the_wire_carries),
      OVER_MEMORY(nothing_is_written_beyond_the_structs),
      OVER_BOTH(progress_can_be_waited_for_and_read_for_each_receiver),
      OVER_BOTH(a_failed_receiver_is_told_to_the_trainer),
      OVER_BOTH(a_shutdown_closes_what_is_open_and_lets_results_arrive),
      URL_OVER_BOTH(log_records_can_be_read),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
