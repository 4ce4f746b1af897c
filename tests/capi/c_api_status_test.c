/* Statuses, errors, options, and what every function says to NULL. */
#include "ends.h"

static void every_status_has_its_own_text(void **state) {
  (void)state;
  for (flare_status a = FLARE_TOO_LARGE; a <= FLARE_NOT_FOUND; ++a) {
    assert_true(strlen(flare_status_text(a)) > 0);
    for (flare_status b = FLARE_TOO_LARGE; b < a; ++b) {
      assert_string_not_equal(flare_status_text(a), flare_status_text(b));
    }
  }
}

static void a_status_of_a_later_version_has_a_text(void **state) {
  const flare_status unknown[] = {FLARE_TOO_LARGE - 1, FLARE_NOT_FOUND + 1, INT32_MIN, INT32_MAX};
  (void)state;
  for (size_t i = 0; i < 4; ++i) assert_string_equal(flare_status_text(unknown[i]), "unknown status");
}

static void the_library_is_of_the_version_of_its_header(void **state) {
  (void)state;
  assert_int_equal(flare_version(), FLARE_VERSION);
}

static void a_failure_has_a_status_and_a_message(void **state) {
  flare_error *error = NULL;
  (void)state;
  assert_int_equal(flare_options_set(NULL, "url", "memory://x", &error), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_error_status(error), FLARE_INVALID_ARGUMENT);
  assert_string_equal(flare_error_message(error), "options is NULL");
  flare_error_free(error);
}

static void no_error_is_an_error_of_its_own(void **state) {
  (void)state;
  assert_int_equal(flare_error_status(NULL), FLARE_OK);
  assert_string_equal(flare_error_message(NULL), "");
  flare_error_free(NULL);
}

static void nobody_has_to_ask_for_the_error(void **state) {
  (void)state;
  assert_int_equal(flare_options_set(NULL, NULL, NULL, NULL), FLARE_INVALID_ARGUMENT);
}

static void expected_outcomes_create_no_error(void **state) {
  struct ends *ends = *state;
  flare_error *error = NULL;
  flare_task *task = NULL;
  flare_metric *metric = NULL;
  assert_int_equal(flare_agent_next_task(ends->agent, 0, &task, &error), FLARE_TIMEOUT);
  assert_int_equal(flare_exchanger_next_metric(ends->exchanger, 0, &metric, &error), FLARE_TIMEOUT);
  assert_ok(flare_exchanger_end(ends->exchanger, "enough", ERROR));
  assert_int_equal(flare_agent_next_task(ends->agent, SOON, &task, &error), FLARE_ENDED);
  flare_agent_stop(ends->agent);
  assert_null(error);
  assert_null(task);
  assert_null(metric);
}

/* ---- Options ---- */

static void the_table_of_options_describes_each(void **state) {
  const char *name = NULL, *value = NULL, *help = NULL;
  size_t count = 0;
  flare_options *options = flare_options_new();
  (void)state;
  while (flare_option_describe(count, &name, &value, &help) == FLARE_OK) {
    assert_true(strlen(name) > 0);
    assert_non_null(value);
    assert_true(strlen(help) > 0);
    for (size_t i = 0; i < count; ++i) {
      const char *other = NULL;
      assert_int_equal(flare_option_describe(i, &other, NULL, NULL), FLARE_OK);
      assert_string_not_equal(name, other);
    }
    /* A default can be set like any value. */
    if (strlen(value) > 0) assert_ok(flare_options_set(options, name, value, ERROR));
    ++count;
  }
  assert_true(count > 20);
  flare_options_free(options);
}

static void the_table_of_options_ends(void **state) {
  const char *name = "untouched";
  (void)state;
  assert_int_equal(flare_option_describe(SIZE_MAX, &name, NULL, NULL), FLARE_NOT_FOUND);
  assert_string_equal(name, "untouched");
  assert_int_equal(flare_option_describe(0, NULL, NULL, NULL), FLARE_OK);
}

static void expect_setting(const flare_settings *settings, const char *option, const char *value, const char *source) {
  const char *name = NULL, *found_value = NULL, *found_source = NULL;
  for (size_t i = 0; flare_option_describe(i, &name, NULL, NULL) == FLARE_OK; ++i) {
    if (strcmp(name, option) != 0) continue;
    assert_int_equal(flare_settings_at(settings, i, &found_value, &found_source), FLARE_OK);
    assert_string_equal(found_value, value);
    assert_string_equal(found_source, source);
    return;
  }
  fail();
}

static void settings_say_what_an_agent_would_go_by(void **state) {
  flare_options *options = flare_options_new();
  flare_settings *settings = NULL;
  (void)state;
  assert_ok(flare_options_set(options, "url", "memory://x", ERROR));
  setenv("FLARE_AGENT_SITE", "site-1", 1);
  setenv("FLARE_AGENT_TOKEN", "secret", 1);
  assert_ok(flare_options_resolve(options, &settings, ERROR));
  unsetenv("FLARE_AGENT_SITE");
  unsetenv("FLARE_AGENT_TOKEN");
  flare_options_free(options);
  expect_setting(settings, "url", "memory://x", "set by flare_options_set");
  expect_setting(settings, "site", "site-1", "environment variable FLARE_AGENT_SITE");
  expect_setting(settings, "token", "***", "environment variable FLARE_AGENT_TOKEN");
  expect_setting(settings, "job_id", "", "default");
  expect_setting(settings, "connect_timeout", "60", "default");
  assert_int_equal(flare_settings_at(settings, SIZE_MAX, NULL, NULL), FLARE_NOT_FOUND);
  assert_int_equal(flare_settings_at(settings, 0, NULL, NULL), FLARE_OK);
  assert_int_equal(flare_settings_at(NULL, 0, NULL, NULL), FLARE_NOT_FOUND);
  flare_settings_free(settings);
  flare_settings_free(NULL);
}

static void settings_that_are_wrong_are_refused_as_by_open(void **state) {
  flare_settings *settings = NULL;
  (void)state;
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_resolve(NULL, NULL, ERROR));
  assert_ok(flare_options_resolve(NULL, &settings, ERROR)); /* no URL: that is for open to say */
  expect_setting(settings, "token", "", "default");
  flare_settings_free(settings);
  setenv("FLARE_AGENT_PROFILE", "/nowhere/profile.json", 1);
  assert_status(FLARE_IO, flare_options_resolve(NULL, &settings, ERROR));
  unsetenv("FLARE_AGENT_PROFILE");
  assert_message_has("/nowhere/profile.json");
}

static void a_misspelt_option_is_told_the_right_name(void **state) {
  flare_options *options = flare_options_new();
  (void)state;
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "conect_timeout", "1", ERROR));
  assert_message_has("conect_timeout");
  assert_message_has("connect_timeout");
  flare_options_free(options);
}

static void an_option_that_does_not_parse_is_refused(void **state) {
  flare_options *options = flare_options_new();
  (void)state;
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "connect_timeout", "soon", ERROR));
  assert_message_has("connect_timeout");
  assert_message_has("soon");
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "close_timeout", "-1", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "metric_queue", "many", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "allow_insecure", "perhaps", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "site", "caf\xe9", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_options_set(options, "s\xff", "x", ERROR));
  flare_options_free(options);
}

static void without_a_url_nothing_opens(void **state) {
  flare_agent *agent = NULL;
  flare_exchanger *exchanger = NULL;
  (void)state;
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_open(NULL, &agent, ERROR));
  assert_message_has("FLARE_AGENT_URL");
  assert_status(FLARE_INVALID_ARGUMENT, flare_exchanger_open(NULL, &exchanger, ERROR));
  assert_message_has("url");
  assert_null(agent);
  assert_null(exchanger);
}

static void a_url_of_an_unknown_scheme_is_refused(void **state) {
  flare_agent *agent = NULL;
  flare_exchanger *exchanger = NULL;
  flare_options *options = options_for("carrier-pigeon://roof");
  (void)state;
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_open(options, &agent, ERROR));
  assert_message_has("carrier-pigeon");
  assert_status(FLARE_INVALID_ARGUMENT, flare_exchanger_open(options, &exchanger, ERROR));
  flare_options_free(options);
}

static void a_socket_that_cannot_be_bound_is_an_io_error(void **state) {
  flare_exchanger *exchanger = NULL;
  flare_options *options = options_for("zmq+ipc:///dev/null/socket");
  (void)state;
  assert_status(FLARE_IO, flare_exchanger_open(options, &exchanger, ERROR));
  assert_message_has("/dev/null");
  assert_null(exchanger);
  flare_options_free(options);
}

static void options_are_copied_and_win_over_the_environment(void **state) {
  struct ends *ends = *state;
  const char *value = NULL;
  flare_options *options = options_for(ends->url);
  flare_agent *agent = NULL;
  setenv("FLARE_AGENT_URL", "memory://of-the-environment", 1);
  setenv("FLARE_AGENT_SITE", "site-of-the-environment", 1);
  assert_ok(flare_agent_open(options, &agent, ERROR));
  flare_options_free(options);
  unsetenv("FLARE_AGENT_URL");
  unsetenv("FLARE_AGENT_SITE");
  assert_ok(flare_agent_info(agent, "url", &value));
  assert_string_equal(value, ends->url);
  assert_ok(flare_agent_info(agent, "site", &value));
  assert_string_equal(value, "site-of-the-environment");
  assert_ok(flare_agent_info(agent, "url_source", &value));
  assert_non_null(strstr(value, "flare_options_set"));
  flare_agent_close(agent);
}

static void the_environment_alone_is_enough(void **state) {
  struct ends *ends = *state;
  const char *value = NULL;
  flare_agent *agent = NULL;
  setenv("FLARE_AGENT_URL", ends->url, 1);
  assert_ok(flare_agent_open(NULL, &agent, ERROR));
  unsetenv("FLARE_AGENT_URL");
  assert_ok(flare_agent_info(agent, "url_source", &value));
  assert_non_null(strstr(value, "FLARE_AGENT_URL"));
  flare_agent_close(agent);
}

static void info_tells_what_is_known(void **state) {
  struct ends *ends = *state;
  const char *value = "untouched";
  assert_ok(flare_agent_info(ends->agent, "agent_id", &value));
  assert_string_equal(value, "agent");
  assert_ok(flare_agent_info(ends->agent, "site", &value));
  assert_string_equal(value, "site-1");
  assert_ok(flare_agent_info(ends->agent, "job_id", &value));
  assert_string_equal(value, "job-7");
  assert_ok(flare_agent_info(ends->agent, "wire_version", &value));
  assert_string_equal(value, "1");
  assert_ok(flare_agent_info(ends->agent, "peer_version", &value));
  assert_true(strlen(value) > 0);
  value = "untouched";
  assert_int_equal(flare_agent_info(ends->agent, "close_reason", &value), FLARE_NOT_FOUND);
  assert_int_equal(flare_agent_info(ends->agent, "no such thing", &value), FLARE_NOT_FOUND);
  assert_string_equal(value, "untouched");
  assert_ok(flare_exchanger_end(ends->exchanger, "all rounds done", ERROR));
  assert_true(becomes_readable(flare_agent_poll_fd(ends->agent)));
  assert_ok(flare_agent_info(ends->agent, "close_reason", &value));
  assert_non_null(strstr(value, "all rounds done"));
}

static void dtypes_have_a_size(void **state) {
  (void)state;
  assert_int_equal(flare_dtype_size(FLARE_FLOAT32), 4);
  assert_int_equal(flare_dtype_size(FLARE_COMPLEX128), 16);
  assert_int_equal(flare_dtype_size(FLARE_BOOL), 1);
  assert_int_equal(flare_dtype_size(FLARE_FLOAT8_E5M2), 1);
  assert_int_equal(flare_dtype_size(FLARE_OPAQUE), 1);
  assert_int_equal(flare_dtype_size(0), 0);
  assert_int_equal(flare_dtype_size(0x7f02), 0);
}

/* ---- NULL ---- */

static void functions_without_a_status_take_null(void **state) {
  (void)state;
  flare_options_free(NULL);
  flare_agent_stop(NULL);
  flare_agent_close(NULL);
  flare_task_free(NULL);
  flare_result_free(NULL);
  flare_result_cancel(NULL);
  flare_exchanger_stop(NULL);
  flare_exchanger_close(NULL);
  flare_request_free(NULL);
  flare_request_abort(NULL);
  flare_reply_free(NULL);
  flare_metric_free(NULL);
  flare_log_record_free(NULL);

  assert_int_equal(flare_value_get_type(NULL), FLARE_VALUE_NONE);
  assert_int_equal(flare_value_count(NULL), 0);
  assert_int_equal(flare_shareable_tensor_count(NULL), 0);
  assert_string_equal(flare_shareable_kind(NULL), "");
  assert_int_equal(flare_shareable_params_type(NULL), FLARE_PARAMS_NONE);
  assert_string_equal(flare_shareable_return_code(NULL), "");
  assert_null(flare_shareable_section(NULL, FLARE_BODY));
  assert_string_equal(flare_shareable_reason(NULL), "");
  assert_int_equal(flare_agent_poll_fd(NULL), -1);
  assert_int_equal(flare_agent_connected_poll_fd(NULL), -1);
  assert_int_equal(flare_agent_log_poll_fd(NULL), -1);
  assert_int_equal(flare_agent_should_exit(NULL), 0);
  assert_int_equal(flare_result_progress_poll_fd(NULL), -1);
  assert_int_equal(flare_log_record_level(NULL), FLARE_LOG_DEBUG);
  assert_string_equal(flare_log_record_text(NULL), "");
  assert_int_equal(flare_exchanger_connected_poll_fd(NULL), -1);
  assert_int_equal(flare_agent_state(NULL), FLARE_STATE_STOPPED);
  assert_int_equal(flare_task_get_kind(NULL), FLARE_TASK_OTHER);
  assert_string_equal(flare_task_id(NULL), "");
  assert_string_equal(flare_task_name(NULL), "");
  assert_int_equal(flare_task_attempt(NULL), 0);
  assert_int_equal(flare_task_round(NULL), -1);
  assert_int_equal(flare_task_total_rounds(NULL), -1);
  assert_string_equal(flare_task_job_id(NULL), "");
  assert_string_equal(flare_task_site(NULL), "");
  assert_int_equal(flare_task_is_aborted(NULL), 1);
  assert_null(flare_task_shareable(NULL));
  assert_null(flare_result_shareable(NULL));
  assert_int_equal(flare_result_poll_fd(NULL, FLARE_DELIVERED), -1);
  assert_string_equal(flare_exchanger_url(NULL), "");
  assert_int_equal(flare_exchanger_state(NULL), FLARE_STATE_STOPPED);
  assert_null(flare_request_shareable(NULL));
  assert_int_equal(flare_request_poll_fd(NULL), -1);
  assert_null(flare_reply_shareable(NULL));
  assert_int_equal(flare_exchanger_metric_poll_fd(NULL), -1);
  assert_string_equal(flare_metric_type(NULL), "");
  assert_string_equal(flare_metric_name(NULL), "");
  assert_null(flare_metric_value(NULL));
  assert_int_equal(flare_metric_step(NULL), FLARE_NO_STEP);
  assert_string_equal(flare_metric_path(NULL), "");
}

#define assert_refused(call, name)                                         \
  do {                                                                     \
    assert_status(FLARE_INVALID_ARGUMENT, (call));                         \
    assert_string_equal(flare_error_message(last_error), name " is NULL"); \
  } while (0)

static void agents_refuse_null(void **state) {
  struct ends *ends = *state;
  flare_agent *agent = ends->agent;
  const char *value = NULL;
  flare_options *options = options_for(ends->url);
  assert_refused(flare_agent_open(options, NULL, ERROR), "agent");
  flare_options_free(options);
  assert_refused(flare_agent_wait_connected(NULL, 0, ERROR), "agent");
  flare_task *task = NULL;
  assert_refused(flare_agent_next_task(NULL, 0, &task, ERROR), "agent");
  assert_refused(flare_agent_next_task(agent, 0, NULL, ERROR), "task");
  assert_int_equal(flare_agent_info(NULL, "url", &value), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_agent_info(agent, NULL, &value), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_agent_info(agent, "url", NULL), FLARE_INVALID_ARGUMENT);
  flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
  assert_int_equal(flare_agent_get_stats(NULL, &stats), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_agent_get_stats(agent, NULL), FLARE_INVALID_ARGUMENT);
  flare_log_record *record = NULL;
  assert_refused(flare_agent_next_log_record(NULL, 0, &record, ERROR), "agent");
  assert_refused(flare_agent_next_log_record(agent, 0, NULL, ERROR), "record");
  assert_refused(flare_agent_log_scalar(NULL, "loss", 1, 0, ERROR), "agent");
  assert_refused(flare_agent_log_scalar(agent, NULL, 1, 0, ERROR), "name");
  assert_refused(flare_agent_log_json(NULL, "TEXT", "note", "\"x\"", 0, NULL, ERROR), "agent");
  assert_refused(flare_agent_log_json(agent, NULL, "note", "\"x\"", 0, NULL, ERROR), "type");
  assert_refused(flare_agent_log_json(agent, "TEXT", NULL, "\"x\"", 0, NULL, ERROR), "name");
  assert_refused(flare_agent_log_json(agent, "TEXT", "note", NULL, 0, NULL, ERROR), "json");
}

static void options_refuse_null(void **state) {
  flare_options *options = flare_options_new();
  (void)state;
  assert_refused(flare_options_set(NULL, "url", "x", ERROR), "options");
  assert_refused(flare_options_set(options, NULL, "x", ERROR), "name");
  assert_refused(flare_options_set(options, "url", NULL, ERROR), "value");
  flare_options_free(options);
}

static void tasks_and_results_refuse_null(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = NULL;
  assert_refused(flare_task_fail(NULL, "ERROR", "x", ERROR), "task");
  assert_refused(flare_task_fail(task, NULL, "x", ERROR), "return code");
  assert_refused(flare_task_fail(task, "ERROR", NULL, ERROR), "reason");
  assert_refused(flare_result_new(NULL, &result, ERROR), "task");
  assert_refused(flare_result_new(task, NULL, ERROR), "result");
  assert_refused(flare_result_submit(NULL, ERROR), "result");
  assert_refused(flare_result_wait(NULL, FLARE_DELIVERED, 0, ERROR), "result");
  assert_refused(flare_result_finish(NULL, 0, ERROR), "result");
  result = new_result(task); /* the refused calls did not make one */
  flare_progress progress = FLARE_PROGRESS_INIT;
  assert_int_equal(flare_result_progress(NULL, &progress), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_result_progress(result, NULL), FLARE_INVALID_ARGUMENT);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void progress_refuses_null(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  flare_progress progress = FLARE_PROGRESS_INIT;
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  assert_refused(flare_result_wait_progress(NULL, 0, &progress, ERROR), "result");
  assert_refused(flare_result_wait_progress(result, 0, NULL, ERROR), "progress");
  progress.struct_size = 0;
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_wait_progress(result, 0, &progress, ERROR));
  assert_message_has("FLARE_PROGRESS_INIT");
  assert_int_equal(flare_result_receiver_at(NULL, 0, NULL, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_result_receiver_at(result, 0, NULL, NULL), FLARE_OK);
  flare_reply *reply = NULL;
  assert_ok(flare_request_wait(request, SOON, &reply, ERROR));
  assert_refused(flare_reply_report(NULL, "a", 0, ERROR), "reply");
  assert_refused(flare_reply_report(reply, NULL, 0, ERROR), "receiver");
  assert_refused(flare_reply_confirm(NULL, "a", 1, NULL, ERROR), "reply");
  assert_refused(flare_reply_confirm(reply, NULL, 1, NULL, ERROR), "receiver");
  assert_status(FLARE_NOT_FOUND, flare_reply_confirm(reply, "a", 1, NULL, ERROR));
  flare_reply_free(reply);
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void receivers_of_a_request_are_checked(void **state) {
  struct ends *ends = *state;
  flare_request *request = NULL;
  char name[258];
  memset(name, 'r', sizeof name);
  name[257] = '\0';
  assert_ok(flare_request_new(ends->exchanger, "train", &request, ERROR));
  assert_refused(flare_request_add_receiver(NULL, "a", ERROR), "request");
  assert_refused(flare_request_add_receiver(request, NULL, ERROR), "receiver");
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_add_receiver(request, "", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_add_receiver(request, name, ERROR));
  assert_message_has("257 bytes");
  for (int i = 0; i < 1024; ++i) {
    snprintf(name, sizeof name, "receiver-%d", i);
    assert_ok(flare_request_add_receiver(request, name, ERROR));
  }
  assert_status(FLARE_TOO_LARGE, flare_request_add_receiver(request, "one more", ERROR));
  flare_request_free(request);
}

static void exchangers_and_requests_refuse_null(void **state) {
  struct ends *ends = *state;
  flare_exchanger *exchanger = ends->exchanger;
  flare_request *request = NULL;
  flare_reply *reply = NULL;
  flare_metric *metric = NULL;
  flare_options *options = options_for("memory://another");
  assert_refused(flare_exchanger_open(options, NULL, ERROR), "exchanger");
  flare_options_free(options);
  assert_refused(flare_exchanger_wait_connected(NULL, 0, ERROR), "exchanger");
  assert_refused(flare_exchanger_end(NULL, "x", ERROR), "exchanger");
  assert_refused(flare_exchanger_end(exchanger, NULL, ERROR), "reason");
  assert_refused(flare_exchanger_abort(NULL, "x", ERROR), "exchanger");
  assert_refused(flare_exchanger_abort(exchanger, NULL, ERROR), "reason");
  assert_refused(flare_exchanger_next_metric(NULL, 0, &metric, ERROR), "exchanger");
  assert_refused(flare_exchanger_next_metric(exchanger, 0, NULL, ERROR), "metric");
  assert_refused(flare_request_new(NULL, "train", &request, ERROR), "exchanger");
  assert_refused(flare_request_new(exchanger, NULL, &request, ERROR), "task_name");
  assert_refused(flare_request_new(exchanger, "train", NULL, ERROR), "request");
  request = new_request(ends, "train");
  assert_refused(flare_request_set_id(NULL, "1", ERROR), "request");
  assert_refused(flare_request_set_id(request, NULL, ERROR), "task_id");
  assert_refused(flare_request_set_round(NULL, 1, 2, ERROR), "request");
  assert_refused(flare_request_set_attempt(NULL, 1, ERROR), "request");
  assert_refused(flare_request_send(NULL, ERROR), "request");
  assert_refused(flare_request_wait(NULL, 0, &reply, ERROR), "request");
  assert_refused(flare_request_wait(request, 0, NULL, ERROR), "reply");
  flare_request_free(request);
  assert_int_equal(flare_exchanger_state(exchanger), FLARE_STATE_CONNECTED);
}

static void shareables_refuse_null(void **state) {
  struct ends *ends = *state;
  flare_request *request = new_request(ends, "train");
  flare_shareable *shareable = flare_request_shareable(request);
  flare_tensor tensor = FLARE_TENSOR_INIT;
  const float one = 1;
  float out = 0;
  const void *data = NULL;
  size_t size = 0;
  double number = 0;
  int64_t steps = 0;
  copy_floats(shareable, "w", &one, 1);
  tensor = tensor_of(FLARE_FLOAT32, &one, 0, NULL);

  assert_int_equal(flare_shareable_tensor_at(NULL, 0, NULL, &tensor), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_find_tensor(NULL, "w", NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_find_tensor(shareable, NULL, NULL), FLARE_INVALID_ARGUMENT);
  assert_refused(flare_shareable_read_tensor(NULL, "w", FLARE_FLOAT32, &out, 1, ERROR), "shareable");
  assert_refused(flare_shareable_read_tensor(shareable, NULL, FLARE_FLOAT32, &out, 1, ERROR), "name");
  assert_refused(flare_shareable_read_tensor(shareable, "w", FLARE_FLOAT32, NULL, 1, ERROR), "out");
  assert_int_equal(flare_shareable_find_bytes(NULL, "w", &data, &size), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_find_bytes(shareable, NULL, &data, &size), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_find_bytes(shareable, "w", NULL, &size), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_find_bytes(shareable, "w", &data, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_metric(NULL, "loss", &number), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_metric(shareable, NULL, &number), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_metric(shareable, "loss", NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_steps(NULL, &steps), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_steps(shareable, NULL), FLARE_INVALID_ARGUMENT);

  assert_refused(flare_shareable_copy_tensor(NULL, "v", &tensor, ERROR), "shareable");
  assert_refused(flare_shareable_copy_tensor(shareable, NULL, &tensor, ERROR), "name");
  assert_refused(flare_shareable_copy_tensor(shareable, "v", NULL, ERROR), "tensor");
  assert_refused(flare_shareable_borrow_tensor(NULL, "v", &tensor, ERROR), "shareable");
  assert_refused(flare_shareable_borrow_tensor(shareable, NULL, &tensor, ERROR), "name");
  assert_refused(flare_shareable_borrow_tensor(shareable, "v", NULL, ERROR), "tensor");
  assert_refused(flare_shareable_copy_bytes(NULL, "v", "x", 1, ERROR), "shareable");
  assert_refused(flare_shareable_copy_bytes(shareable, NULL, "x", 1, ERROR), "name");
  assert_refused(flare_shareable_copy_bytes(shareable, "v", NULL, 1, ERROR), "data");
  assert_refused(flare_shareable_set_kind(NULL, "WEIGHTS", ERROR), "shareable");
  assert_refused(flare_shareable_set_kind(shareable, NULL, ERROR), "kind");
  assert_refused(flare_shareable_set_return_code(NULL, "OK", ERROR), "shareable");
  assert_refused(flare_shareable_set_return_code(shareable, NULL, ERROR), "return code");
  assert_refused(flare_shareable_set_metric(NULL, "loss", 1, ERROR), "shareable");
  assert_refused(flare_shareable_set_metric(shareable, NULL, 1, ERROR), "name");
  assert_refused(flare_shareable_set_steps(NULL, 1, ERROR), "shareable");
  assert_refused(flare_shareable_set_int(NULL, FLARE_META, "v", 1, ERROR), "shareable");
  assert_refused(flare_shareable_set_int(shareable, FLARE_META, NULL, 1, ERROR), "name");
  assert_refused(flare_shareable_set_double(NULL, FLARE_META, "v", 1, ERROR), "shareable");
  assert_refused(flare_shareable_set_double(shareable, FLARE_META, NULL, 1, ERROR), "name");
  assert_refused(flare_shareable_set_text(NULL, FLARE_META, "v", "x", ERROR), "shareable");
  assert_refused(flare_shareable_set_text(shareable, FLARE_META, NULL, "x", ERROR), "name");
  assert_refused(flare_shareable_set_text(shareable, FLARE_META, "v", NULL, ERROR), "value");
  assert_refused(flare_shareable_set_json(NULL, FLARE_META, "v", "1", ERROR), "shareable");
  assert_refused(flare_shareable_set_json(shareable, FLARE_META, NULL, "1", ERROR), "name");
  assert_refused(flare_shareable_set_json(shareable, FLARE_META, "v", NULL, ERROR), "json");
  assert_int_equal(flare_shareable_find_tensor(shareable, "v", NULL), FLARE_NOT_FOUND);
  flare_request_free(request);
}

static void values_refuse_null(void **state) {
  struct ends *ends = *state;
  flare_request *request = new_request(ends, "train");
  flare_shareable *shareable = flare_request_shareable(request);
  const flare_value *child = NULL;
  assert_ok(flare_shareable_set_int(shareable, FLARE_META, "v", 1, ERROR));
  const flare_value *meta = flare_shareable_section(shareable, FLARE_META);
  int64_t integer = 0;
  double number = 0;
  const char *text = NULL;
  const void *data = NULL;
  size_t size = 0;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  assert_int_equal(flare_value_get_int(NULL, &integer), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_int(meta, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_get_double(NULL, &number), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_double(meta, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_get_text(NULL, &text), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_text(meta, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_get_bytes(NULL, &data, &size), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_bytes(meta, NULL, &size), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_get_bytes(meta, &data, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_get_tensor(NULL, &tensor), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_tensor(meta, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_at(NULL, 0, NULL, &child), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_at(meta, 0, NULL, NULL), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_find(NULL, "v", &child), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_find(meta, NULL, &child), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_value_find(meta, "v", NULL), FLARE_INVALID_ARGUMENT);
  flare_request_free(request);
}

/* ---- Out of range ---- */

static void a_timeout_below_forever_is_refused(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL;
  flare_metric *metric = NULL;
  flare_log_record *record = NULL;
  flare_reply *reply = NULL;
  flare_request *request = send_task(ends, "train");
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_next_log_record(ends->agent, -2, &record, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_next_task(ends->agent, -2, &task, ERROR));
  assert_message_has("-2");
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_wait_connected(ends->agent, INT64_MIN, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_exchanger_wait_connected(ends->exchanger, -2, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_exchanger_next_metric(ends->exchanger, -2, &metric, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_wait(request, -2, &reply, ERROR));
  task = next_task(ends);
  flare_result *result = submit_result(task);
  assert_status(FLARE_INVALID_ARGUMENT, flare_result_wait(result, FLARE_DELIVERED, -2, ERROR));
  assert_ok(flare_result_wait(result, FLARE_DELIVERED, SOON, ERROR));
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

static void requests_refuse_what_cannot_be(void **state) {
  struct ends *ends = *state;
  flare_request *request = NULL;
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_new(ends->exchanger, "", &request, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_new(ends->exchanger, "tr\xffin", &request, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_new(ends->exchanger, "_END_", &request, ERROR));
  assert_message_has("_END_");
  request = new_request(ends, "train");
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_set_id(request, "", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_set_attempt(request, 0, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_set_round(request, -2, 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_request_set_round(request, 1, -2, ERROR));
  flare_request_free(request);
}

static void metrics_refuse_what_cannot_be(void **state) {
  struct ends *ends = *state;
  flare_agent *agent = ends->agent;
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_scalar(agent, "", 1, 0, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_scalar(agent, "loss", 1, -2, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_json(agent, "SCALER", "loss", "1", 0, NULL, ERROR));
  assert_message_has("SCALER");
  assert_message_has("SCALARS");
  assert_message_has("ARTIFACT");
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_json(agent, "TEXT", "note", "{\"a\": ", 0, NULL, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_json(agent, "TEXT", "note", "", 0, NULL, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_agent_log_json(agent, "TEXT", "note", "1", 0, "\xff", ERROR));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_status_has_its_own_text),
      cmocka_unit_test(a_status_of_a_later_version_has_a_text),
      cmocka_unit_test(the_library_is_of_the_version_of_its_header),
      cmocka_unit_test(a_failure_has_a_status_and_a_message),
      cmocka_unit_test(no_error_is_an_error_of_its_own),
      cmocka_unit_test(nobody_has_to_ask_for_the_error),
      OVER_BOTH(expected_outcomes_create_no_error),
      cmocka_unit_test(the_table_of_options_describes_each),
      cmocka_unit_test(the_table_of_options_ends),
      cmocka_unit_test(settings_say_what_an_agent_would_go_by),
      cmocka_unit_test(settings_that_are_wrong_are_refused_as_by_open),
      cmocka_unit_test(a_misspelt_option_is_told_the_right_name),
      cmocka_unit_test(an_option_that_does_not_parse_is_refused),
      cmocka_unit_test(without_a_url_nothing_opens),
      cmocka_unit_test(a_url_of_an_unknown_scheme_is_refused),
      cmocka_unit_test(a_socket_that_cannot_be_bound_is_an_io_error),
      URL_OVER_MEMORY(options_are_copied_and_win_over_the_environment),
      URL_OVER_MEMORY(the_environment_alone_is_enough),
      OVER_BOTH(info_tells_what_is_known),
      cmocka_unit_test(dtypes_have_a_size),
      cmocka_unit_test(functions_without_a_status_take_null),
      OVER_MEMORY(agents_refuse_null),
      cmocka_unit_test(options_refuse_null),
      OVER_MEMORY(tasks_and_results_refuse_null),
      OVER_MEMORY(exchangers_and_requests_refuse_null),
      OVER_MEMORY(progress_refuses_null),
      OVER_MEMORY(receivers_of_a_request_are_checked),
      OVER_MEMORY(shareables_refuse_null),
      OVER_MEMORY(values_refuse_null),
      OVER_MEMORY(a_timeout_below_forever_is_refused),
      OVER_MEMORY(requests_refuse_what_cannot_be),
      OVER_MEMORY(metrics_refuse_what_cannot_be),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
