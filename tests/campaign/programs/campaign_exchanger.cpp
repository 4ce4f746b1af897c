// The exchanger of the process campaign. Usage: exchanger RUN TASK...; a TASK is
// INDEX:FLOATS:ANSWER:HOLD_MS:METRICS:LENT, where all but the sizes is for the trainer. On stdin, "abort INDEX" aborts
// a task. The rest comes from FLARE_AGENT_*.
#include <poll.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <thread>

#include "campaign.h"
#include "flare_exchanger.h"

namespace {

using namespace flare_test;

struct Task {
  int index = 0;
  size_t floats = 0;
  std::string answer;
  int64_t hold = 0, metrics = 0, lent = 0;
  std::vector<float> values;
  int64_t shape = 0;
  flare_request *request = nullptr;
};

std::atomic<bool> over{false};

Task parse(const std::string &text) {
  Task task;
  std::istringstream in(text);
  char colon;
  in >> task.index >> colon >> task.floats >> colon;
  std::getline(in, task.answer, ':');
  in >> task.hold >> colon >> task.metrics >> colon >> task.lent;
  return task;
}

bool send(flare_exchanger *exchanger, int64_t run, Task *task) {
  flare_error *error = nullptr;
  task->values = model(task->index, task->floats, 0);
  task->shape = static_cast<int64_t>(task->floats);
  const flare_tensor w = tensor(task->values, &task->shape);
  const std::string id = std::to_string(task->index);
  flare_status status = flare_request_new(exchanger, "train", &task->request, &error);
  if (status == FLARE_OK) status = flare_request_set_id(task->request, id.c_str(), &error);
  flare_shareable *content = flare_request_shareable(task->request);
  const std::pair<const char *, int64_t> numbers[] = {
      {"run", run}, {"floats", task->shape}, {"hold", task->hold}, {"metrics", task->metrics}, {"lent", task->lent}};
  for (const auto &[name, value] : numbers) {
    if (status == FLARE_OK) status = flare_shareable_set_int(content, FLARE_HEADERS, name, value, &error);
  }
  if (status == FLARE_OK) {
    status = flare_shareable_set_text(content, FLARE_HEADERS, "answer", task->answer.c_str(), &error);
  }
  if (status == FLARE_OK) {
    status = task->lent != 0 ? flare_shareable_borrow_tensor(content, "w", &w, &error)
                             : flare_shareable_copy_tensor(content, "w", &w, &error);
  }
  say("send %d", task->index);
  if (status == FLARE_OK) status = flare_request_send(task->request, &error);
  if (status == FLARE_OK) return true;
  say_error("gone " + id, status, error);
  flare_request_free(task->request);
  task->request = nullptr;
  return false;
}

void receive(Task *task) {
  flare_error *error = nullptr;
  flare_reply *reply = nullptr;
  const flare_status status = flare_request_wait(task->request, FLARE_WAIT_FOREVER, &reply, &error);
  // The lent memory is ours again.
  for (float &value : task->values) value = -1;
  if (status != FLARE_OK) {
    say_error("gone " + std::to_string(task->index), status, error);
  } else {
    const flare_shareable *content = flare_reply_shareable(reply);
    const std::string code = flare_shareable_return_code(content);
    const std::string verdict = code == "OK" ? compare(content, task->index, task->floats, 1) : "right";
    say("reply %d %s %s %lld %lld", task->index, verdict.c_str(), code.c_str(),
        static_cast<long long>(number(content, "pid")), static_cast<long long>(number(content, "serial")));
  }
  flare_reply_free(reply);
}

void listen(std::vector<Task> *tasks) {
  std::string line;
  pollfd entry{0, POLLIN, 0};
  while (!over) {
    char c;
    if (::poll(&entry, 1, 50) <= 0) continue;
    if (::read(0, &c, 1) != 1) return;
    if (c != '\n') {
      line.push_back(c);
      continue;
    }
    const int index = line.rfind("abort ", 0) == 0 ? std::atoi(line.c_str() + 6) : -1;
    line.clear();
    for (Task &task : *tasks) {
      if (task.index != index || task.request == nullptr) continue;
      say("aborting %d", index);
      flare_request_abort(task.request);
    }
  }
}

void collect(flare_exchanger *exchanger) {
  flare_metric *metric = nullptr;
  while (flare_exchanger_next_metric(exchanger, FLARE_WAIT_FOREVER, &metric, nullptr) == FLARE_OK) {
    double value = -1;
    if (flare_value_get_double(flare_metric_value(metric), &value) != FLARE_OK) value = -1;
    say("metric %s %lld %.17g", flare_metric_name(metric), static_cast<long long>(flare_metric_step(metric)), value);
    flare_metric_free(metric);
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  flare_error *error = nullptr;
  flare_exchanger *exchanger = nullptr;
  const flare_status status = flare_exchanger_open(nullptr, &exchanger, &error);
  if (status != FLARE_OK) {
    say_error("failed open", status, error);
    return 1;
  }
  say("url %s", flare_exchanger_url(exchanger));
  say_usage();
  std::vector<Task> tasks;
  for (int i = 2; i < argc; ++i) tasks.push_back(parse(argv[i]));
  for (Task &task : tasks) send(exchanger, std::atoll(argv[1]), &task);
  std::thread listener(listen, &tasks);
  std::thread collector(collect, exchanger);
  for (Task &task : tasks) {
    if (task.request != nullptr) receive(&task);
  }
  over = true;
  listener.join();
  if (flare_exchanger_end(exchanger, "all tasks are done", nullptr) != FLARE_OK) say("end was too late");
  collector.join();
  for (Task &task : tasks) flare_request_free(task.request);
  say_usage();
  say("closing");
  flare_exchanger_close(exchanger);
  say("closed");
  return 0;
}
