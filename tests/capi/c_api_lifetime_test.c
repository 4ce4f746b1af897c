/* Ends that come too early: stops in the middle of waits, peers that die, forks, and many lives in one process. */
#include "ends.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- Stop in the middle of a wait ---- */

struct waiter {
  pthread_t thread;
  flare_agent *agent;
  flare_exchanger *exchanger;
  flare_request *request;
  flare_status (*wait)(struct waiter *waiter);
  flare_task *task;
  flare_status status;
  int64_t ended_at;
};

static flare_status wait_for_task(struct waiter *waiter) {
  return flare_agent_next_task(waiter->agent, FLARE_WAIT_FOREVER, &waiter->task, NULL);
}

static flare_status wait_for_peer(struct waiter *waiter) {
  return flare_agent_wait_connected(waiter->agent, FLARE_WAIT_FOREVER, NULL);
}

static flare_status wait_for_reply(struct waiter *waiter) {
  flare_reply *reply = NULL;
  return flare_request_wait(waiter->request, FLARE_WAIT_FOREVER, &reply, NULL);
}

static flare_status wait_for_metric(struct waiter *waiter) {
  flare_metric *metric = NULL;
  return flare_exchanger_next_metric(waiter->exchanger, FLARE_WAIT_FOREVER, &metric, NULL);
}

static flare_status wait_for_agent(struct waiter *waiter) {
  return flare_exchanger_wait_connected(waiter->exchanger, FLARE_WAIT_FOREVER, NULL);
}

static void *run_waiter(void *argument) {
  struct waiter *waiter = argument;
  waiter->status = waiter->wait(waiter);
  waiter->ended_at = now_ms();
  return NULL;
}

static void start_waiter(struct waiter *waiter) {
  assert_int_equal(pthread_create(&waiter->thread, NULL, run_waiter, waiter), 0);
}

/* At once: far below every time-out of the library. */
static void assert_ended_at_once(struct waiter *waiter, int64_t stopped_at, flare_status status) {
  assert_int_equal(pthread_join(waiter->thread, NULL), 0);
  assert_int_equal(waiter->status, status);
  assert_true(waiter->ended_at - stopped_at < 2000);
}

static void a_stop_ends_the_waits_of_an_agent_at_once(void **state) {
  struct ends *ends = *state;
  struct waiter waiters[3];
  for (int i = 0; i < 3; ++i) {
    waiters[i] = (struct waiter){.agent = ends->agent, .wait = wait_for_task};
    start_waiter(&waiters[i]);
  }
  sleep_ms(50);
  const int64_t stopped_at = now_ms();
  flare_agent_stop(ends->agent);
  for (int i = 0; i < 3; ++i) assert_ended_at_once(&waiters[i], stopped_at, FLARE_STOPPED);
}

static void a_stop_ends_the_wait_for_a_peer_at_once(void **state) {
  struct ends *ends = *state;
  ends->agent = open_agent(ends->url);
  struct waiter waiter = {.agent = ends->agent, .wait = wait_for_peer};
  start_waiter(&waiter);
  sleep_ms(50);
  const int64_t stopped_at = now_ms();
  flare_agent_stop(ends->agent);
  assert_ended_at_once(&waiter, stopped_at, FLARE_STOPPED);
}

static void a_close_ends_a_wait_in_another_thread(void **state) {
  struct ends *ends = *state;
  struct waiter waiter = {.agent = ends->agent, .wait = wait_for_task};
  start_waiter(&waiter);
  sleep_ms(50);
  const int64_t stopped_at = now_ms();
  flare_agent_close(ends->agent);
  ends->agent = NULL;
  assert_ended_at_once(&waiter, stopped_at, FLARE_STOPPED);
}

static void a_stop_ends_the_waits_of_an_exchanger_at_once(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  struct waiter waiters[] = {
      {.request = request, .wait = wait_for_reply},
      {.exchanger = ends->exchanger, .wait = wait_for_metric},
  };
  for (int i = 0; i < 2; ++i) start_waiter(&waiters[i]);
  sleep_ms(50);
  const int64_t stopped_at = now_ms();
  flare_exchanger_stop(ends->exchanger);
  for (int i = 0; i < 2; ++i) assert_ended_at_once(&waiters[i], stopped_at, FLARE_STOPPED);
  flare_task_free(task);
  flare_request_free(request);
}

static void a_stop_ends_the_wait_for_an_agent_at_once(void **state) {
  struct ends *ends = *state;
  ends->exchanger = open_exchanger(ends->url);
  struct waiter waiter = {.exchanger = ends->exchanger, .wait = wait_for_agent};
  start_waiter(&waiter);
  sleep_ms(50);
  const int64_t stopped_at = now_ms();
  flare_exchanger_stop(ends->exchanger);
  assert_ended_at_once(&waiter, stopped_at, FLARE_STOPPED);
}

/* NULL when all went well. */
static void *run_short_life(void *options) {
  flare_agent *agent = NULL;
  flare_task *task = NULL;
  flare_result *result = NULL;
  const char *wrong = NULL;
  if (flare_agent_open(options, &agent, NULL) != FLARE_OK) wrong = "open";
  if (!wrong && flare_agent_next_task(agent, SOON, &task, NULL) != FLARE_OK) wrong = "task";
  if (!wrong && flare_result_new(task, &result, NULL) != FLARE_OK) wrong = "result";
  if (!wrong && flare_result_finish(result, SOON, NULL) != FLARE_OK) wrong = "finish";
  flare_result_free(result);
  flare_task_free(task);
  if (!wrong && flare_agent_next_task(agent, SOON, &task, NULL) != FLARE_ENDED) wrong = "end";
  flare_agent_close(agent);
  return (void *)wrong;
}

/* libzmq has waited for ever here, in one of some hundred closes. */
static void both_ends_may_close_at_once(void **state) {
  struct ends *ends = *state;
  for (int life = 0; life < 200; ++life) {
    pthread_t trainer;
    void *wrong;
    flare_options *options = options_for(ends->url);
    ends->exchanger = open_exchanger(ends->url);
    assert_int_equal(pthread_create(&trainer, NULL, run_short_life, options), 0);
    flare_request *request = send_task(ends, "train");
    flare_reply_free(wait_reply(request));
    flare_request_free(request);
    const int64_t begun = now_ms();
    flare_exchanger_close(ends->exchanger);
    ends->exchanger = NULL;
    assert_true(now_ms() - begun < 1900);
    assert_int_equal(pthread_join(trainer, &wrong), 0);
    flare_options_free(options);
    if (wrong) fail_msg("the trainer's life went wrong: %s", (char *)wrong);
    remove_folder(ends);
    if (ends->folder[0] != '\0') new_ipc_url(ends);
  }
}

static void two_threads_do_not_get_one_task(void **state) {
  struct ends *ends = *state;
  struct waiter waiters[2];
  for (int i = 0; i < 2; ++i) {
    waiters[i] = (struct waiter){.agent = ends->agent, .wait = wait_for_task};
    start_waiter(&waiters[i]);
  }
  sleep_ms(20);
  flare_request *request = send_task(ends, "train");
  for (int i = 0; i < 2; ++i) assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
  assert_int_equal(waiters[0].status + waiters[1].status, FLARE_OK + FLARE_INVALID_STATE); /* one is in hand */
  assert_true((waiters[0].task == NULL) != (waiters[1].task == NULL));
  for (int i = 0; i < 2; ++i) flare_task_free(waiters[i].task);
  flare_request_free(request);
}

/* Of a result that is submitted and a failure that is told at the same time, one answers the task. */
struct answerer {
  pthread_t thread;
  pthread_barrier_t *start;
  flare_task *task;
  flare_result *result; /* NULL: fails the task */
  flare_status status;
};

static void *answer_task(void *argument) {
  struct answerer *me = argument;
  pthread_barrier_wait(me->start);
  me->status = me->result ? flare_result_submit(me->result, NULL)
                          : flare_task_fail(me->task, "EXECUTION_EXCEPTION", "the other thread", NULL);
  return NULL;
}

static void two_threads_do_not_answer_one_task(void **state) {
  struct ends *ends = *state;
  pthread_barrier_t start;
  int submitted = 0;
  assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
  for (int i = 0; i < 200; ++i) {
    flare_request *request = new_request(ends, "train");
    assert_ok(flare_request_send(request, ERROR));
    flare_task *task = next_task(ends);
    struct answerer answerers[2] = {{.start = &start, .task = task, .result = new_result(task)},
                                    {.start = &start, .task = task}};
    for (int k = 0; k < 2; ++k) {
      assert_int_equal(pthread_create(&answerers[k].thread, NULL, answer_task, &answerers[k]), 0);
    }
    for (int k = 0; k < 2; ++k) assert_int_equal(pthread_join(answerers[k].thread, NULL), 0);
    assert_int_equal(answerers[0].status + answerers[1].status, FLARE_OK + FLARE_INVALID_STATE);
    assert_true(answerers[0].status != answerers[1].status);
    flare_reply *reply = wait_reply(request);
    const int ok = strcmp(flare_shareable_return_code(flare_reply_shareable(reply)), "OK") == 0;
    assert_int_equal(ok, answerers[0].status == FLARE_OK);
    submitted += ok;
    flare_reply_free(reply);
    flare_result_free(answerers[0].result);
    flare_task_free(task);
    flare_request_free(request);
  }
  print_message("%d of 200 tasks were answered by the submit\n", submitted);
  pthread_barrier_destroy(&start);
}

struct sharer {
  pthread_t thread;
  struct ends *ends;
  const flare_shareable *shareable;
  int failures;
};

static void *share_ends(void *argument) {
  struct sharer *sharer = argument;
  struct ends *ends = sharer->ends;
  for (int i = 0; i < 200; ++i) {
    flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
    const char *url = NULL;
    flare_metric *metric = NULL;
    sharer->failures += flare_agent_log_scalar(ends->agent, "loss", i, i, NULL) != FLARE_OK;
    sharer->failures += flare_agent_state(ends->agent) != FLARE_STATE_CONNECTED;
    sharer->failures += flare_agent_info(ends->agent, "url", &url) != FLARE_OK;
    sharer->failures += flare_exchanger_state(ends->exchanger) != FLARE_STATE_CONNECTED;
    sharer->failures += flare_exchanger_next_metric(ends->exchanger, SOON, &metric, NULL) != FLARE_OK;
    flare_metric_free(metric);
    if (i % 20 == 0) sharer->failures += flare_agent_get_stats(ends->agent, &stats) != FLARE_OK;
  }
  return NULL;
}

static void *read_shareable(void *argument) {
  struct sharer *sharer = argument;
  for (int i = 0; i < 200; ++i) {
    float w[3];
    sharer->failures += flare_value_count(flare_shareable_section(sharer->shareable, FLARE_BODY)) != 1;
    sharer->failures += flare_shareable_read_tensor(sharer->shareable, "w", FLARE_FLOAT32, w, 3, NULL) != FLARE_OK;
    sharer->failures += flare_shareable_tensor_count(sharer->shareable) != 1;
  }
  return NULL;
}

static void start_sharers(struct sharer *sharers, int count, void *(*run)(void *)) {
  for (int i = 0; i < count; ++i) assert_int_equal(pthread_create(&sharers[i].thread, NULL, run, &sharers[i]), 0);
}

static void join_sharers(struct sharer *sharers, int count) {
  for (int i = 0; i < count; ++i) {
    assert_int_equal(pthread_join(sharers[i].thread, NULL), 0);
    assert_int_equal(sharers[i].failures, 0);
  }
}

static void threads_may_share_an_agent_and_an_exchanger(void **state) {
  struct ends *ends = *state;
  struct sharer sharers[] = {{.ends = ends}, {.ends = ends}, {.ends = ends}};
  start_sharers(sharers, 3, share_ends);
  for (int i = 0; i < 20; ++i) {
    flare_request *request = send_task(ends, "train");
    answer(next_task(ends));
    flare_reply_free(wait_reply(request));
    flare_request_free(request);
  }
  join_sharers(sharers, 3);
}

static void threads_may_read_one_shareable(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  flare_result *result = submit_result(task);
  const flare_shareable *shareables[] = {flare_task_shareable(task), flare_result_shareable(result)};
  for (int i = 0; i < 2; ++i) {
    struct sharer sharers[] = {
        {.shareable = shareables[i]}, {.shareable = shareables[i]}, {.shareable = shareables[i]}};
    start_sharers(sharers, 3, read_shareable);
    join_sharers(sharers, 3);
  }
  flare_result_free(result);
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Dead peers ---- */

static void closing_without_a_peer_is_quick(void **state) {
  struct ends *ends = *state;
  flare_agent *agent = open_agent(ends->url);
  for (int64_t i = 0; i < 100; ++i) assert_ok(flare_agent_log_scalar(agent, "loss", 1, i, ERROR));
  int64_t start = now_ms();
  flare_agent_close(agent);
  assert_true(now_ms() - start < 3000);
  flare_exchanger *exchanger = open_exchanger(ends->url);
  start = now_ms();
  flare_exchanger_close(exchanger);
  assert_true(now_ms() - start < 3000);
}

/* An exchanger in a process of its own, with one task. Prints nothing, says through the pipe that it is bound. */
static pid_t start_exchanger(struct ends *ends) {
  int ready[2];
  char byte = 0;
  assert_int_equal(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    alarm(SECONDS_PER_PROGRAM);
    flare_exchanger *exchanger = NULL;
    flare_request *request = NULL;
    flare_options *options = flare_options_new();
    if (flare_options_set(options, "url", ends->url, NULL) == FLARE_OK &&
        flare_options_set(options, "heartbeat_interval", "0.2", NULL) == FLARE_OK &&
        flare_exchanger_open(options, &exchanger, NULL) == FLARE_OK &&
        flare_request_new(exchanger, "train", &request, NULL) == FLARE_OK &&
        flare_request_send(request, NULL) == FLARE_OK && write(ready[1], "1", 1) == 1) {
      for (;;) pause();
    }
    _exit(1);
  }
  close(ready[1]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  return child;
}

static void stop_and_reap(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

/* With a task in hand, a result on its way and metrics in the queue. */
static void close_with_frozen_peer(struct ends *ends, int how) {
  const int64_t big = 8 << 20;
  unsigned char *bytes = new_pattern((size_t)big, 1);
  flare_tensor tensor = tensor_of(FLARE_UINT8, bytes, 1, &big);
  flare_options *options = options_for(ends->url);
  set_option(options, "close_timeout", "1");
  const pid_t child = start_exchanger(ends);
  assert_ok(flare_agent_open(options, &ends->agent, ERROR));
  flare_options_free(options);
  flare_task *task = next_task(ends);
  kill(child, how);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  for (int64_t i = 0; i < 1000; ++i) assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, i, ERROR));
  const flare_status submitted = flare_result_submit(result, ERROR);
  assert_true(submitted == FLARE_OK || submitted == FLARE_ENDED || submitted == FLARE_PEER_GONE);
  const int64_t start = now_ms();
  flare_agent_close(ends->agent);
  assert_true(now_ms() - start < 5000); /* close_timeout and some grace */
  ends->agent = NULL;
  flare_result_free(result); /* does not wait for what the close has settled */
  flare_task_free(task);
  assert_true(now_ms() - start < 5000);
  free(bytes);
  stop_and_reap(child);
}

static void closing_with_a_frozen_peer_is_bounded(void **state) { close_with_frozen_peer(*state, SIGSTOP); }
static void closing_with_a_killed_peer_is_bounded(void **state) { close_with_frozen_peer(*state, SIGKILL); }

static void a_peer_that_was_killed_is_gone(void **state) {
  struct ends *ends = *state;
  flare_task *task = NULL;
  flare_options *options = options_for(ends->url);
  set_option(options, "heartbeat_interval", "0.2");
  set_option(options, "heartbeat_timeout", "1");
  const pid_t child = start_exchanger(ends);
  assert_ok(flare_agent_open(options, &ends->agent, ERROR));
  flare_options_free(options);
  flare_task *in_hand = next_task(ends);
  stop_and_reap(child);
  const int64_t deadline = now_ms() + SOON;
  while (!flare_task_is_aborted(in_hand) && now_ms() < deadline) sleep_ms(5);
  flare_result *result = NULL;
  assert_ok(flare_result_new(in_hand, &result, ERROR));
  assert_status(FLARE_PEER_GONE, flare_result_submit(result, ERROR));
  flare_result_free(result);
  flare_task_free(in_hand);
  assert_status(FLARE_PEER_GONE, flare_agent_next_task(ends->agent, SOON, &task, ERROR));
  assert_status(FLARE_PEER_GONE, flare_agent_wait_connected(ends->agent, SOON, ERROR));
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_PEER_GONE);
}

static void stopping_with_a_frozen_peer_frees_borrowed_memory(void **state) {
  struct ends *ends = *state;
  const int64_t big = 8 << 20;
  unsigned char *bytes = new_pattern((size_t)big, 1);
  flare_tensor tensor = tensor_of(FLARE_UINT8, bytes, 1, &big);
  flare_options *options = options_for(ends->url);
  set_option(options, "close_timeout", "1");
  const pid_t child = start_exchanger(ends);
  assert_ok(flare_agent_open(options, &ends->agent, ERROR));
  flare_options_free(options);
  flare_task *task = next_task(ends);
  kill(child, SIGSTOP);
  flare_result *result = new_result(task);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  assert_ok(flare_result_submit(result, ERROR));
  assert_int_equal(flare_result_wait(result, FLARE_DELIVERED, 50, NULL), FLARE_TIMEOUT);
  const int64_t start = now_ms();
  flare_agent_stop(ends->agent);
  assert_status(FLARE_STOPPED, flare_result_wait(result, FLARE_DELIVERED, FLARE_WAIT_FOREVER, ERROR));
  flare_result_free(result);
  assert_true(now_ms() - start < 3000);
  free(bytes);
  flare_task_free(task);
  stop_and_reap(child);
}

/* ---- fork ---- */

static void in_child(void (*body)(struct ends *ends, flare_task *task), struct ends *ends, flare_task *task) {
  int status = -1;
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    body(ends, task);
    _exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHILD_CHECK(condition)                                        \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      _exit(1);                                                       \
    }                                                                 \
  } while (0)

static flare_request *forked_request;
static flare_result *forked_result;
static flare_reply *forked_reply;
static flare_metric *forked_metric;

static void use_everything(struct ends *ends, flare_task *task) {
  flare_error *error = NULL;
  flare_task *other_task = NULL;
  flare_result *other_result = NULL;
  flare_request *other_request = NULL;
  flare_reply *other_reply = NULL;
  flare_metric *other_metric = NULL;
  const char *text = NULL;
  flare_agent_stats stats = FLARE_AGENT_STATS_INIT;
  flare_progress progress = FLARE_PROGRESS_INIT;
  flare_shareable *draft = flare_result_shareable(forked_result);

  CHILD_CHECK(flare_agent_next_task(ends->agent, FLARE_WAIT_FOREVER, &other_task, &error) == FLARE_FORKED);
  CHILD_CHECK(flare_error_status(error) == FLARE_FORKED);
  CHILD_CHECK(strstr(flare_error_message(error), "fork") != NULL);
  flare_error_free(error);
  CHILD_CHECK(flare_agent_wait_connected(ends->agent, FLARE_WAIT_FOREVER, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_agent_info(ends->agent, "url", &text) == FLARE_FORKED);
  CHILD_CHECK(flare_agent_get_stats(ends->agent, &stats) == FLARE_FORKED);
  CHILD_CHECK(flare_agent_log_scalar(ends->agent, "loss", 1, 0, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_agent_log_json(ends->agent, "TEXT", "note", "1", 0, NULL, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_agent_poll_fd(ends->agent) == -1);
  CHILD_CHECK(flare_agent_state(ends->agent) == FLARE_STATE_STOPPED);
  flare_agent_stop(ends->agent);

  CHILD_CHECK(flare_task_fail(task, "ERROR", "x", NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_result_new(task, &other_result, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_shareable_find_tensor(flare_task_shareable(task), "w", NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_result_submit(forked_result, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_result_wait(forked_result, FLARE_DELIVERED, FLARE_WAIT_FOREVER, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_result_finish(forked_result, FLARE_WAIT_FOREVER, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_result_progress(forked_result, &progress) == FLARE_FORKED);
  CHILD_CHECK(flare_result_poll_fd(forked_result, FLARE_DELIVERED) == -1);
  flare_result_cancel(forked_result);
  CHILD_CHECK(flare_shareable_set_steps(draft, 1, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_shareable_section(draft, FLARE_META) == NULL);

  CHILD_CHECK(flare_exchanger_wait_connected(ends->exchanger, FLARE_WAIT_FOREVER, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_exchanger_end(ends->exchanger, "x", NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_exchanger_abort(ends->exchanger, "x", NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_exchanger_next_metric(ends->exchanger, FLARE_WAIT_FOREVER, &other_metric, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_exchanger_state(ends->exchanger) == FLARE_STATE_STOPPED);
  CHILD_CHECK(flare_exchanger_metric_poll_fd(ends->exchanger) == -1);
  flare_exchanger_stop(ends->exchanger);
  CHILD_CHECK(flare_request_new(ends->exchanger, "train", &other_request, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_request_set_id(forked_request, "x", NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_request_set_round(forked_request, 1, 1, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_request_set_attempt(forked_request, 1, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_request_send(forked_request, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_request_wait(forked_request, FLARE_WAIT_FOREVER, &other_reply, NULL) == FLARE_FORKED);
  CHILD_CHECK(flare_request_poll_fd(forked_request) == -1);
  flare_request_abort(forked_request);
}

static void release_everything(struct ends *ends, flare_task *task) {
  flare_result_free(forked_result);
  flare_task_free(task);
  flare_reply_free(forked_reply);
  flare_metric_free(forked_metric);
  flare_request_free(forked_request);
  flare_agent_close(ends->agent);
  flare_exchanger_close(ends->exchanger);
}

static void a_forked_child_may_only_release(void **state) {
  struct ends *ends = *state;
  flare_request *first = send_task(ends, "train");
  answer(next_task(ends));
  forked_reply = wait_reply(first);
  assert_ok(flare_agent_log_scalar(ends->agent, "loss", 1, 0, ERROR));
  assert_ok(flare_exchanger_next_metric(ends->exchanger, SOON, &forked_metric, ERROR));
  forked_request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  forked_result = new_result(task);
  in_child(use_everything, ends, task);
  in_child(release_everything, ends, task);

  /* The parent has noticed nothing. */
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_CONNECTED);
  assert_int_equal(flare_task_is_aborted(task), 0);
  assert_ok(flare_result_finish(forked_result, SOON, ERROR));
  flare_reply *reply = wait_reply(forked_request);
  assert_string_equal(flare_shareable_return_code(flare_reply_shareable(reply)), "OK");
  flare_reply_free(reply);
  flare_result_free(forked_result);
  flare_task_free(task);
  flare_reply_free(forked_reply);
  flare_metric_free(forked_metric);
  flare_request_free(forked_request);
  flare_request_free(first);
}

static void open_own_ends(struct ends *ends, flare_task *task) {
  struct ends own;
  flare_request *request = NULL;
  flare_task *own_task = NULL;
  flare_result *result = NULL;
  flare_options *options = flare_options_new();
  (void)ends, (void)task;
  CHILD_CHECK(flare_options_set(options, "url", "memory://of-the-child", NULL) == FLARE_OK);
  CHILD_CHECK(flare_exchanger_open(options, &own.exchanger, NULL) == FLARE_OK);
  CHILD_CHECK(flare_agent_open(options, &own.agent, NULL) == FLARE_OK);
  flare_options_free(options);
  CHILD_CHECK(flare_request_new(own.exchanger, "train", &request, NULL) == FLARE_OK);
  CHILD_CHECK(flare_request_send(request, NULL) == FLARE_OK);
  CHILD_CHECK(flare_agent_next_task(own.agent, SOON, &own_task, NULL) == FLARE_OK);
  CHILD_CHECK(flare_result_new(own_task, &result, NULL) == FLARE_OK);
  CHILD_CHECK(flare_result_finish(result, SOON, NULL) == FLARE_OK);
  flare_result_free(result);
  flare_task_free(own_task);
  flare_request_free(request);
  flare_agent_close(own.agent);
  flare_exchanger_close(own.exchanger);
}

static void a_forked_child_may_open_its_own(void **state) {
#if defined(__SANITIZE_THREAD__)
  (void)state, (void)open_own_ends;
  skip(); /* the sanitizer allows no threads in a child of a process with threads */
#else
  in_child(open_own_ends, *state, NULL);
#endif
}

static void release_what_is_waited_for(struct ends *ends, flare_task *task) {
  flare_task *none = NULL;
  (void)task;
  CHILD_CHECK(flare_agent_next_task(ends->agent, FLARE_WAIT_FOREVER, &none, NULL) == FLARE_FORKED);
  flare_shutdown();
  flare_agent_close(ends->agent);
  flare_exchanger_close(ends->exchanger);
}

/* Whatever lock another thread holds at that moment. */
static void a_fork_during_waits_and_calls_hurts_nobody(void **state) {
  struct ends *ends = *state;
  struct waiter waiter = {.agent = ends->agent, .wait = wait_for_task};
  struct sharer sharers[] = {{.ends = ends}, {.ends = ends}};
  start_waiter(&waiter);
  start_sharers(sharers, 2, share_ends);
  for (int i = 0; i < 10; ++i) in_child(release_what_is_waited_for, ends, NULL);
  join_sharers(sharers, 2);
  flare_request *request = send_task(ends, "train");
  assert_int_equal(pthread_join(waiter.thread, NULL), 0);
  assert_int_equal(waiter.status, FLARE_OK);
  answer(waiter.task);
  flare_reply_free(wait_reply(request));
  flare_request_free(request);
}

/* ---- Many lives ---- */

static int entries_of(const char *folder) {
  int count = 0;
  DIR *directory = opendir(folder);
  assert_non_null(directory);
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}

/* A joined thread may take a moment to leave the list of the system. */
static int settles_at(const char *folder, int count) {
  const int64_t deadline = now_ms() + 5000;
  while (entries_of(folder) > count && now_ms() < deadline) sleep_ms(10);
  return entries_of(folder) <= count;
}

static void live_once(struct ends *ends) {
  open_ends(ends);
  flare_request *request = send_task(ends, "train");
  answer(next_task(ends));
  flare_reply_free(wait_reply(request));
  flare_request_free(request);
  flare_agent_close(ends->agent);
  flare_exchanger_close(ends->exchanger);
  ends->agent = NULL;
  ends->exchanger = NULL;
}

static void many_lives_leave_threads_and_descriptors_as_they_were(void **state) {
  struct ends *ends = *state;
  live_once(ends); /* what is made once and kept */
  const int threads = entries_of("/proc/self/task");
  const int descriptors = entries_of("/proc/self/fd");
  for (int i = 0; i < 20; ++i) live_once(ends);
  assert_true(settles_at("/proc/self/task", threads));
  assert_true(settles_at("/proc/self/fd", descriptors));
}

static void a_failed_open_leaves_nothing(void **state) {
  struct ends *ends = *state;
  flare_options *options = options_for(ends->url);
  flare_exchanger *second = NULL;
  const int threads = entries_of("/proc/self/task");
  const int descriptors = entries_of("/proc/self/fd");
  for (int i = 0; i < 20; ++i) {
    assert_status(FLARE_IO, flare_exchanger_open(options, &second, ERROR));
    assert_null(second);
  }
  assert_true(settles_at("/proc/self/task", threads));
  assert_true(settles_at("/proc/self/fd", descriptors));
  flare_options_free(options);
}

static void note_descriptors(char *open_ones, int count) {
  for (int fd = 0; fd < count; ++fd) open_ones[fd] = fcntl(fd, F_GETFD) != -1;
}

/* All that the library opened, libzmq's included: exec() closes it. */
static void descriptors_are_not_inherited(void **state) {
  enum { MOST = 1024 };
  struct ends *ends = *state;
  char before[MOST], after[MOST];
  int ours = 0;
  note_descriptors(before, MOST);
  open_ends(ends);
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  note_descriptors(after, MOST);
  for (int fd = 0; fd < MOST; ++fd) {
    if (!after[fd] || before[fd]) continue;
    ++ours;
    if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) fail_msg("descriptor %d would be inherited", fd);
  }
  assert_true(ours > 6);
  flare_task_free(task);
  flare_request_free(request);
}

static void our_threads_block_all_signals(void **state) {
  (void)state;
  char path[300], line[200];
  int ours = 0;
  DIR *directory = opendir("/proc/self/task");
  assert_non_null(directory);
  for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == (int)getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
    FILE *status = fopen(path, "r");
    if (status == NULL) continue;
    char name[64] = "";
    unsigned long long blocked = 0;
    while (fgets(line, sizeof line, status)) {
      sscanf(line, "Name: %63[^\n]", name);
      sscanf(line, "SigBlk: %llx", &blocked);
    }
    fclose(status);
    if (strncmp(name, "flare", 5) != 0 && strncmp(name, "ZMQbg", 5) != 0) continue;
    ++ours;
    for (int number = 1; number < 32; ++number) {
      if (number == SIGKILL || number == SIGSTOP) continue;
      if ((blocked >> (number - 1) & 1) == 0) fail_msg("thread %s does not block signal %d", name, number);
    }
  }
  closedir(directory);
  assert_true(ours >= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      OVER_BOTH(a_stop_ends_the_waits_of_an_agent_at_once),
      URL_OVER_BOTH(a_stop_ends_the_wait_for_a_peer_at_once),
      OVER_BOTH(a_close_ends_a_wait_in_another_thread),
      OVER_BOTH(a_stop_ends_the_waits_of_an_exchanger_at_once),
      URL_OVER_BOTH(a_stop_ends_the_wait_for_an_agent_at_once),
      OVER_BOTH(two_threads_do_not_get_one_task),
      OVER_BOTH(two_threads_do_not_answer_one_task),
      OVER_BOTH(threads_may_share_an_agent_and_an_exchanger),
      OVER_MEMORY(threads_may_read_one_shareable),
      URL_OVER_IPC(both_ends_may_close_at_once),
      URL_OVER_BOTH(closing_without_a_peer_is_quick),
      URL_OVER_IPC(closing_with_a_frozen_peer_is_bounded),
      URL_OVER_IPC(closing_with_a_killed_peer_is_bounded),
      URL_OVER_IPC(a_peer_that_was_killed_is_gone),
      URL_OVER_IPC(stopping_with_a_frozen_peer_frees_borrowed_memory),
      OVER_BOTH(a_forked_child_may_only_release),
      OVER_BOTH(a_forked_child_may_open_its_own),
      OVER_BOTH(a_fork_during_waits_and_calls_hurts_nobody),
      URL_OVER_BOTH(many_lives_leave_threads_and_descriptors_as_they_were),
      OVER_BOTH(a_failed_open_leaves_nothing),
      URL_OVER_BOTH(descriptors_are_not_inherited),
      OVER_BOTH(our_threads_block_all_signals),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
