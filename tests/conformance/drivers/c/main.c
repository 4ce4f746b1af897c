#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static const char *status_name(flare_status status) {
  switch (status) {
    case FLARE_OK: return "OK";
    case FLARE_TIMEOUT: return "TIMEOUT";
    case FLARE_ENDED: return "ENDED";
    case FLARE_STOPPED: return "STOPPED";
    case FLARE_NOT_FOUND: return "NOT_FOUND";
    case FLARE_INVALID_ARGUMENT: return "INVALID_ARGUMENT";
    case FLARE_INVALID_STATE: return "INVALID_STATE";
    case FLARE_PEER_GONE: return "PEER_GONE";
    case FLARE_ABORTED: return "ABORTED";
    case FLARE_STALLED: return "STALLED";
    case FLARE_PROTOCOL: return "PROTOCOL";
    case FLARE_IO: return "IO";
    case FLARE_OUT_OF_MEMORY: return "OUT_OF_MEMORY";
    case FLARE_FORKED: return "FORKED";
    case FLARE_INTERNAL: return "INTERNAL";
    case FLARE_REFUSED: return "REFUSED";
    case FLARE_UNREACHABLE: return "UNREACHABLE";
    case FLARE_TOO_LARGE: return "TOO_LARGE";
    default: return "UNKNOWN";
  }
}

json_t *only_status(const char *status) { return json_pack("{s:s}", "status", status); }

json_t *ok(void) { return only_status("OK"); }

json_t *failure(const char *status, const char *message) {
  return json_pack("{s:s, s:s}", "status", status, "message", message);
}

json_t *outcome(flare_status status, flare_error **error) {
  if (error == NULL || *error == NULL) return only_status(status_name(status));
  json_t *answer = failure(status_name(status), flare_error_message(*error));
  flare_error_free(*error);
  return answer;
}

const char *text_of(const json_t *request, const char *field) {
  const char *text = json_string_value(json_object_get(request, field));
  return text == NULL ? "" : text;
}

int64_t int_of(const json_t *request, const char *field) { return json_integer_value(json_object_get(request, field)); }

double double_of(const json_t *request, const char *field) {
  return json_number_value(json_object_get(request, field));
}

flare_section section_of(const json_t *request) {
  const char *name = text_of(request, "section");
  return strcmp(name, "headers") == 0 ? FLARE_HEADERS : strcmp(name, "meta") == 0 ? FLARE_META : FLARE_BODY;
}

void drop_result(Driver *driver) {
  flare_result_free(driver->result);
  driver->result = NULL;
  while (driver->borrowed_count > 0) free(driver->borrowed[--driver->borrowed_count]);
}

void drop_task(Driver *driver) {
  drop_result(driver);
  flare_task_free(driver->task);
  driver->task = NULL;
}

void close_all(Driver *driver) {
  flare_agent_close(driver->agent);
  driver->agent = NULL;
  drop_task(driver);
}

static const Operation *find(const char *op) {
  const Operation *const tables[] = {agent_operations, task_operations, result_operations};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; ++i)
    for (const Operation *entry = tables[i]; entry->op != NULL; ++entry)
      if (strcmp(entry->op, op) == 0) return entry;
  return NULL;
}

static bool has(const Driver *driver, Needs needs) {
  switch (needs) {
    case AN_AGENT: return driver->agent != NULL;
    case A_TASK: return driver->task != NULL;
    case A_RESULT: return driver->result != NULL;
    default: return true;
  }
}

static json_t *answer(Driver *driver, const json_t *request) {
  const Operation *operation = find(text_of(request, "op"));
  if (operation == NULL) return only_status("UNKNOWN");
  if (!has(driver, operation->needs)) return failure("INVALID_STATE", "nothing is open that this is done with");
  return operation->run(driver, request);
}

int main(void) {
  Driver driver = {0};
  char *line = NULL;
  size_t capacity = 0;
  int status = EXIT_SUCCESS;
  while (status == EXIT_SUCCESS && getline(&line, &capacity, stdin) != -1) {
    json_error_t problem;
    json_t *request = json_loads(line, 0, &problem);
    if (request == NULL) {
      (void)fprintf(stderr, "a request is no JSON: %s\n", problem.text);
      status = EXIT_FAILURE;
      break;
    }
    json_t *said = answer(&driver, request);
    if (json_dumpf(said, stdout, JSON_COMPACT) != 0 || puts("") == EOF || fflush(stdout) != 0) status = EXIT_FAILURE;
    json_decref(said);
    json_decref(request);
  }
  free(line);
  close_all(&driver);
  return status;
}
