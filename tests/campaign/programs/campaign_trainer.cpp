// The trainer of the process campaign: answers each task as the task says. Usage: trainer [--ahead]; with --ahead it
// takes the next task while results are on their way. The rest comes from FLARE_AGENT_*.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <thread>

#include "campaign.h"

namespace {

using namespace flare_test;

struct Answer {
  std::string name;  // "ID SERIAL", for the history
  flare_result *result = nullptr;
  std::vector<float> values;  // lent
  int64_t shape = 0;
};

int64_t serial = 0;

std::string text(const flare_shareable *shareable, const char *name) {
  const flare_value *value = nullptr;
  const char *found = "";
  if (flare_value_find(flare_shareable_section(shareable, FLARE_HEADERS), name, &value) == FLARE_OK &&
      flare_value_get_text(value, &found) != FLARE_OK) {
    return "";
  }
  return found;
}

void compute(const flare_task *task, int64_t milliseconds) {
  for (int64_t i = 0; i < milliseconds && flare_task_is_aborted(task) == 0; i += 5) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Until the upload is settled; what was lent is written over then, which nobody must see.
void settle(Answer *answer) {
  flare_error *error = nullptr;
  flare_status status = flare_result_wait(answer->result, FLARE_ACCEPTED, FLARE_WAIT_FOREVER, nullptr);
  if (status == FLARE_OK) say("accepted %s", answer->name.c_str());
  status = flare_result_wait(answer->result, FLARE_DELIVERED, FLARE_WAIT_FOREVER, &error);
  for (float &value : answer->values) value = -2;
  if (status == FLARE_OK) {
    say("delivered %s", answer->name.c_str());
  } else {
    say_error("undelivered " + answer->name, status, error);
  }
  flare_result_free(answer->result);
}

// Submits a result, or says why it could not.
bool submit(flare_task *task, const std::string &kind, Answer *answer) {
  flare_error *error = nullptr;
  const flare_shareable *content = flare_task_shareable(task);
  const auto floats = size_of(content);
  const bool lent = number(content, "lent") != 0;
  answer->values = model(std::atoi(flare_task_id(task)), floats, 1);
  answer->shape = static_cast<int64_t>(floats);
  const flare_tensor w = tensor(answer->values, &answer->shape);
  flare_status status = flare_result_new(task, &answer->result, &error);
  flare_shareable *out = flare_result_shareable(answer->result);
  if (status == FLARE_OK) status = flare_shareable_set_int(out, FLARE_HEADERS, "pid", ::getpid(), &error);
  if (status == FLARE_OK) status = flare_shareable_set_int(out, FLARE_HEADERS, "serial", serial, &error);
  if (status == FLARE_OK) {
    status =
        lent ? flare_shareable_borrow_tensor(out, "w", &w, &error) : flare_shareable_copy_tensor(out, "w", &w, &error);
  }
  if (!lent) answer->values.clear();
  say("answer %s %s", answer->name.c_str(), kind.c_str());
  if (status == FLARE_OK) status = flare_result_submit(answer->result, &error);
  if (status == FLARE_OK) {
    say("submitted %s", answer->name.c_str());
    if (kind == "cancel") {
      say("cancelling %s", answer->name.c_str());
      flare_result_cancel(answer->result);
    }
    return true;
  }
  say_error("unsubmitted " + answer->name, status, error);
  flare_result_free(answer->result);
  return false;
}

void serve(flare_agent *agent, flare_task *task, std::deque<Answer> *under_way) {
  const flare_shareable *content = flare_task_shareable(task);
  const int index = std::atoi(flare_task_id(task));
  const std::string kind = text(content, "answer");
  const auto floats = size_of(content);
  say("task %s %lld %lld %s", flare_task_id(task), static_cast<long long>(number(content, "run")),
      static_cast<long long>(flare_task_attempt(task)), compare(content, index, floats, 0).c_str());
  ++serial;
  const std::string name = std::string(flare_task_id(task)) + " " + std::to_string(serial);
  const std::string series = std::to_string(::getpid()) + "/" + name.substr(name.find(' ') + 1);
  const int64_t metrics = std::min<int64_t>(number(content, "metrics"), 1000);
  for (int64_t step = 0; step < metrics; ++step) {
    if (flare_agent_log_scalar(agent, series.c_str(), static_cast<double>(step) * 0.5, step, nullptr) != FLARE_OK) {
      break;
    }
  }
  compute(task, std::min<int64_t>(number(content, "hold"), 1000));
  if (kind == "fail") {
    flare_error *error = nullptr;
    say("answer %s %s", name.c_str(), kind.c_str());
    const flare_status status = flare_task_fail(task, "EXECUTION_EXCEPTION", "as it was told to", &error);
    if (status != FLARE_OK) say_error("unsubmitted " + name, status, error);
  } else if (kind == "release") {
    say("answer %s %s", name.c_str(), kind.c_str());
  } else {
    under_way->emplace_back();
    under_way->back().name = name;
    if (!submit(task, kind, &under_way->back())) under_way->pop_back();
  }
  flare_task_free(task);
}

}  // namespace

int main(int argc, char **argv) {
  const size_t ahead = argc > 1 && std::string(argv[1]) == "--ahead" ? 4 : 0;
  flare_error *error = nullptr;
  flare_agent *agent = nullptr;
  flare_task *task = nullptr;
  std::deque<Answer> under_way;
  flare_status status = flare_agent_open(nullptr, &agent, &error);
  if (status != FLARE_OK) {
    say_error("failed open", status, error);
    return 1;
  }
  say("open %d", static_cast<int>(::getpid()));
  say_usage();
  while ((status = flare_agent_next_task(agent, FLARE_WAIT_FOREVER, &task, &error)) == FLARE_OK) {
    serve(agent, task, &under_way);
    while (under_way.size() > ahead) {
      settle(&under_way.front());
      under_way.pop_front();
    }
  }
  say_error("over", status, error);
  while (!under_way.empty()) {
    settle(&under_way.front());
    under_way.pop_front();
  }
  say_usage();
  say("closing");
  flare_agent_close(agent);
  say("closed");
  return 0;
}
