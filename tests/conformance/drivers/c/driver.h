/* Speaks the protocol of tests/conformance/README.md through flare_agent.h. */
#ifndef CONFORMANCE_DRIVER_H
#define CONFORMANCE_DRIVER_H

#include <jansson.h>
#include <stdbool.h>

#include "flare_agent.h"

enum { MAX_BORROWED = 64 };

/* The one agent, task and result in hand, and the memory that the result borrows. */
typedef struct Driver {
  flare_agent *agent;
  flare_task *task;
  flare_result *result;
  void *borrowed[MAX_BORROWED];
  size_t borrowed_count;
} Driver;

void drop_result(Driver *driver);
void drop_task(Driver *driver);
/* The agent first: submitted results have its close_timeout to finish. */
void close_all(Driver *driver);

typedef enum Needs { NOTHING, AN_AGENT, A_TASK, A_RESULT } Needs;

typedef struct Operation {
  const char *op;
  Needs needs;
  json_t *(*run)(Driver *driver, const json_t *request);
} Operation;

/* Each ends with an entry without a name. */
extern const Operation agent_operations[];
extern const Operation task_operations[];
extern const Operation result_operations[];

/* Answers. outcome() releases the error, if any; it takes its address, so that a call that writes it may stand beside.
 */
json_t *ok(void);
json_t *only_status(const char *status);
json_t *failure(const char *status, const char *message);
json_t *outcome(flare_status status, flare_error **error);

/* Fields of requests: a missing text is "", a missing number 0. */
const char *text_of(const json_t *request, const char *field);
int64_t int_of(const json_t *request, const char *field);
double double_of(const json_t *request, const char *field);
flare_section section_of(const json_t *request);

json_t *value_to_json(const flare_value *value);

/* Copies every tensor of the task into the result. */
flare_status echo_task(Driver *driver, flare_error **error);
/* The same as requests, for those that do several at once. */
flare_status take_task(Driver *driver, int64_t timeout_ms, flare_error **error);
flare_status make_result(Driver *driver, flare_error **error);

#endif
