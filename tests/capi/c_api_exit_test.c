/* Programs that end while a thread is in the middle of a call: no hang, no crash, whatever it waits for. */
#include "ends.h"

#include <pthread.h>
#include <sys/wait.h>

enum { TASK, CONNECTED, LOG_RECORD, DELIVERED, NEWS, RELEASE, REPLY, METRIC, AGENT, CLOSE, TALK, WAITS };

/* All that a child opens; static, so that leak checkers still see it when the process ends. */
static struct ends ends;
static flare_request *request;
static flare_task *task;
static flare_result *result;
static unsigned char *bytes;

static void *wait_for_ever(void *which) {
  static flare_task *next;
  static flare_metric *metric;
  static flare_reply *reply;
  static flare_log_record *record;
  flare_progress progress = FLARE_PROGRESS_INIT;
  flare_status status = FLARE_OK;
  switch (*(int *)which) {
    case TASK: status = flare_agent_next_task(ends.agent, FLARE_WAIT_FOREVER, &next, NULL); break;
    case CONNECTED: status = flare_agent_wait_connected(ends.agent, FLARE_WAIT_FOREVER, NULL); break;
    case LOG_RECORD: status = flare_agent_next_log_record(ends.agent, FLARE_WAIT_FOREVER, &record, NULL); break;
    case DELIVERED: status = flare_result_wait(result, FLARE_DELIVERED, FLARE_WAIT_FOREVER, NULL); break;
    case NEWS:
      while (status == FLARE_OK) status = flare_result_wait_progress(result, FLARE_WAIT_FOREVER, &progress, NULL);
      break;
    case RELEASE: flare_result_free(result); return NULL; /* may take less time than the exit */
    case REPLY: status = flare_request_wait(request, FLARE_WAIT_FOREVER, &reply, NULL); break;
    case METRIC: status = flare_exchanger_next_metric(ends.exchanger, FLARE_WAIT_FOREVER, &metric, NULL); break;
    case AGENT: status = flare_exchanger_wait_connected(ends.exchanger, FLARE_WAIT_FOREVER, NULL); break;
    case CLOSE: flare_agent_close(ends.agent); return NULL;
    default:
      while (status == FLARE_OK) status = flare_agent_log_scalar(ends.agent, "loss", 1, 0, NULL);
  }
  printf("the wait ended: %d\n", (int)status);
  abort();
}

/* Both ends in this process, but for the waits of one that is alone; with a result whose second receiver is silent. */
static void open_for(int wait) {
  const int64_t size = 1 << 20;
  if (wait == CONNECTED) ends.agent = open_agent(ends.url);
  if (wait == AGENT) ends.exchanger = open_exchanger(ends.url);
  if (wait == CONNECTED || wait == AGENT) return;
  open_ends(&ends);
  if (wait == TASK || wait == METRIC || wait == TALK || wait == LOG_RECORD) return;
  request = new_request(&ends, "train");
  assert_ok(flare_request_add_receiver(request, "here", ERROR));
  assert_ok(flare_request_add_receiver(request, "silent", ERROR));
  assert_ok(flare_request_send(request, ERROR));
  task = next_task(&ends);
  if (wait == REPLY) return;
  bytes = new_pattern((size_t)size, 1);
  const flare_tensor tensor = tensor_of(FLARE_UINT8, bytes, 1, &size);
  result = new_result(task);
  assert_ok(flare_shareable_borrow_tensor(flare_result_shareable(result), "w", &tensor, ERROR));
  assert_ok(flare_result_submit(result, ERROR));
}

static void leave_during(int wait) {
  pthread_t thread;
  open_for(wait);
  if (pthread_create(&thread, NULL, wait_for_ever, &wait) != 0 || pthread_detach(thread) != 0) abort();
  sleep_ms(50);
  exit(7);
}

static void an_exit_ends_a_program_in(int wait, const char *scheme) {
  int status = -1;
  strcmp(scheme, "ipc") == 0 ? new_ipc_url(&ends) : new_memory_url(&ends);
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    leave_during(wait);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  remove_folder(&ends);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) {
    fail_msg("wait %d over %s: status %d, signal %d", wait, scheme, WEXITSTATUS(status), WTERMSIG(status));
  }
}

static void an_exit_needs_no_wait_to_end(void **state) {
  (void)state;
  for (int wait = 0; wait < WAITS; ++wait) {
    an_exit_ends_a_program_in(wait, "memory");
    an_exit_ends_a_program_in(wait, "ipc");
  }
}

/* The threads of the library run while destructors of static objects do. */
static void an_exit_in_the_middle_of_much_talk_is_clean(void **state) {
  (void)state;
  for (int i = 0; i < 20; ++i) an_exit_ends_a_program_in(TALK, i % 2 ? "memory" : "ipc");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_exit_needs_no_wait_to_end),
      cmocka_unit_test(an_exit_in_the_middle_of_much_talk_is_clean),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
