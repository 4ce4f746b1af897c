// A trainer that submits one result and leaves without waiting for it. Usage: leaver WAY [hook]; the rest comes from
// FLARE_AGENT_*. WAY is close (the agent is closed), return, exit, throw, or raise (SIGTERM). With "hook" it has called
// atexit(flare_shutdown). A thrown exception ends by std::terminate, which no hook sees.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "flare_agent.h"

namespace {

bool good(const char *what, flare_status status, flare_error *error) {
  if (status == FLARE_OK) return true;
  std::printf("error %s: %s\n", what, error ? flare_error_message(error) : flare_status_text(status));
  return false;
}

}  // namespace

int main(int argc, char **argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  // Nothing is released but by a close. Static, so that a leak checker still sees them when main has returned.
  static flare_error *error = nullptr;
  static flare_agent *agent = nullptr;
  static flare_task *task = nullptr;
  static flare_result *result = nullptr;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc > 2) std::atexit(flare_shutdown);
  if (!good("open", flare_agent_open(nullptr, &agent, &error), error)) return 1;
  if (!good("next_task", flare_agent_next_task(agent, 30000, &task, &error), error)) return 1;
  flare_tensor w = FLARE_TENSOR_INIT;
  if (!good("find", flare_shareable_find_tensor(flare_task_shareable(task), "w", &w), nullptr)) return 1;
  std::vector<float> values(static_cast<const float *>(w.data), static_cast<const float *>(w.data) + w.shape[0]);
  for (float &value : values) value += 1;
  w.data = values.data();
  if (!good("result", flare_result_new(task, &result, &error), error)) return 1;
  if (!good("copy", flare_shareable_copy_tensor(flare_result_shareable(result), "w", &w, &error), error)) return 1;
  if (!good("submit", flare_result_submit(result, &error), error)) return 1;
  std::printf("submitted\n");
  if (way == "close") flare_agent_close(agent);
  if (way == "exit") std::exit(7);
  if (way == "throw") throw std::runtime_error("uncaught");
  if (way == "raise") ::raise(SIGTERM);
  return 7;
}
