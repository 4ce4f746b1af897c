/* Signals: in the middle of waits, in the middle of calls, and a handler that stops the agent. */
#include "ends.h"

#include <pthread.h>
#include <signal.h>

enum { TASK, CONNECTED, LOG_RECORD, REPLY, METRIC, AGENT, WAITS };

static int handled; /* in handlers of other threads: by atomic operations only */
static flare_agent *agent_of_handler;

static int count_handled(void) { return __atomic_load_n(&handled, __ATOMIC_SEQ_CST); }

static void count_signal(int number) {
  (void)number;
  __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void stop_agent(int number) {
  (void)number;
  flare_agent_stop(agent_of_handler);
  __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

/* Without SA_RESTART: every system call that waits is interrupted. */
static void handle(int number, void (*handler)(int)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  __atomic_store_n(&handled, 0, __ATOMIC_SEQ_CST);
  assert_int_equal(sigaction(number, &action, NULL), 0);
}

struct waiter {
  pthread_t thread;
  struct ends *ends;
  flare_request *request;
  int wait;
  int64_t timeout;
  flare_status status;
  flare_task *task;
  int64_t took;
};

static flare_status wait_once(struct waiter *waiter, flare_error **error) {
  flare_metric *metric = NULL;
  flare_reply *reply = NULL;
  flare_log_record *record = NULL;
  switch (waiter->wait) {
    case TASK: return flare_agent_next_task(waiter->ends->agent, waiter->timeout, &waiter->task, error);
    case CONNECTED: return flare_agent_wait_connected(waiter->ends->agent, waiter->timeout, error);
    case LOG_RECORD: return flare_agent_next_log_record(waiter->ends->agent, waiter->timeout, &record, error);
    case REPLY: return flare_request_wait(waiter->request, waiter->timeout, &reply, error);
    case METRIC: return flare_exchanger_next_metric(waiter->ends->exchanger, waiter->timeout, &metric, error);
    default: return flare_exchanger_wait_connected(waiter->ends->exchanger, waiter->timeout, error);
  }
}

static void *run_waiter(void *argument) {
  struct waiter *waiter = argument;
  const int64_t start = now_ms();
  waiter->status = wait_once(waiter, NULL);
  waiter->took = now_ms() - start;
  return NULL;
}

static void start_waiter(struct waiter *waiter) {
  assert_int_equal(pthread_create(&waiter->thread, NULL, run_waiter, waiter), 0);
}

static void interrupt(struct waiter *waiter, int number, int times) {
  for (int i = 0; i < times; ++i) {
    const int before = count_handled();
    sleep_ms(10);
    assert_int_equal(pthread_kill(waiter->thread, number), 0);
    for (int waited = 0; count_handled() == before && waited < SOON; ++waited) sleep_ms(1);
    assert_int_not_equal(count_handled(), before);
  }
}

/* The wait for a connection needs an end without a peer. */
static void open_lonely_end(struct ends *ends, int wait) {
  if (wait == CONNECTED) {
    ends->agent = open_agent(ends->url);
  } else if (wait == AGENT) {
    ends->exchanger = open_exchanger(ends->url);
  } else {
    open_ends(ends);
  }
}

static void a_signal_ends_no_wait(void **state) {
  struct ends *ends = *state;
  handle(SIGUSR1, count_signal);
  for (int wait = 0; wait < WAITS; ++wait) {
    struct waiter waiter = {.ends = ends, .wait = wait, .timeout = 400};
    open_lonely_end(ends, wait);
    if (wait == REPLY) waiter.request = send_task(ends, "train");
    start_waiter(&waiter);
    interrupt(&waiter, SIGUSR1, 5);
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_int_equal(waiter.status, FLARE_TIMEOUT);
    assert_true(waiter.took >= 400);
    flare_request_free(waiter.request);
    flare_agent_close(ends->agent);
    flare_exchanger_close(ends->exchanger);
    ends->agent = NULL;
    ends->exchanger = NULL;
  }
}

/* The deadly ones, handled: the handler runs, and the wait ends with what it waits for. */
static void a_wait_goes_on_after_a_signal(void **state) {
  struct ends *ends = *state;
  const int numbers[] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; ++i) {
    struct waiter waiter = {.ends = ends, .wait = TASK, .timeout = FLARE_WAIT_FOREVER};
    handle(numbers[i], count_signal);
    start_waiter(&waiter);
    interrupt(&waiter, numbers[i], 3);
    flare_request *request = send_task(ends, "train");
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_int_equal(waiter.status, FLARE_OK);
    answer(waiter.task);
    flare_reply_free(wait_reply(request));
    flare_request_free(request);
    signal(numbers[i], SIG_DFL);
  }
}

static void a_handler_may_stop_the_agent(void **state) {
  struct ends *ends = *state;
  struct waiter waiter = {.ends = ends, .wait = TASK, .timeout = FLARE_WAIT_FOREVER};
  agent_of_handler = ends->agent;
  handle(SIGTERM, stop_agent);
  start_waiter(&waiter);
  interrupt(&waiter, SIGTERM, 1);
  assert_int_equal(pthread_join(waiter.thread, NULL), 0);
  assert_int_equal(waiter.status, FLARE_STOPPED);
  assert_int_equal(flare_agent_state(ends->agent), FLARE_STATE_STOPPED);
  signal(SIGTERM, SIG_DFL);
}

static void *log_until_stopped(void *argument) {
  struct waiter *waiter = argument;
  while ((waiter->status = flare_agent_log_scalar(waiter->ends->agent, "loss", 1, 0, NULL)) == FLARE_OK) {
  }
  return NULL;
}

/* The handler interrupts the very thread that is within a call, and may hold a lock. */
static void a_handler_may_stop_in_the_middle_of_a_call(void **state) {
  struct ends *ends = *state;
  handle(SIGTERM, stop_agent);
  for (int i = 0; i < 100; ++i) {
    struct waiter waiter = {.ends = ends};
    ends->agent = open_agent(ends->url);
    agent_of_handler = ends->agent;
    __atomic_store_n(&handled, 0, __ATOMIC_SEQ_CST);
    assert_int_equal(pthread_create(&waiter.thread, NULL, log_until_stopped, &waiter), 0);
    sleep_ms(1 + i % 5);
    assert_int_equal(pthread_kill(waiter.thread, SIGTERM), 0);
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_int_equal(waiter.status, FLARE_STOPPED);
    flare_agent_close(ends->agent);
    ends->agent = NULL;
  }
  signal(SIGTERM, SIG_DFL);
}

static void no_handler_is_ours(void **state) {
  struct ends *ends = *state;
  struct sigaction before[NSIG], after;
  for (int number = 1; number < NSIG; ++number) {
    if (sigaction(number, NULL, &before[number]) != 0) before[number].sa_handler = NULL;
  }
  open_ends(ends);
  flare_request *request = send_task(ends, "train");
  answer(next_task(ends));
  flare_reply_free(wait_reply(request));
  flare_request_free(request);
  for (int number = 1; number < NSIG; ++number) {
    if (sigaction(number, NULL, &after) == 0) assert_ptr_equal(after.sa_handler, before[number].sa_handler);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      URL_OVER_BOTH(a_signal_ends_no_wait),    OVER_BOTH(a_wait_goes_on_after_a_signal),
      OVER_BOTH(a_handler_may_stop_the_agent), URL_OVER_MEMORY(a_handler_may_stop_in_the_middle_of_a_call),
      URL_OVER_BOTH(no_handler_is_ours),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
