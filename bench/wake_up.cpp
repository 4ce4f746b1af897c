// From the last receiver's word at the exchanger to the return of the trainer's wait, with both ends in one process.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/agent.h"
#include "exchanger/exchanger.h"

namespace flare {
namespace {

constexpr int64_t kLong = 60'000;

Shareable model() {
  Block block(1 << 20);
  std::fill(block.data(), block.data() + block.size(), std::byte{1});
  Shareable model;
  model.kind = kind::kWeights;
  model.body.set("w", Tensor{FLARE_FLOAT32, {1 << 18}, block.share()});
  return model;
}

void wake_up(benchmark::State &state, const std::string &scheme) {
  char folder[] = "/tmp/flare-bench-XXXXXX";
  if (::mkdtemp(folder) == nullptr) return state.SkipWithError("no folder");
  Resolved resolved;
  resolved.settings.url = scheme + folder + (scheme == "memory://" ? "" : "/x.sock");
  resolved.settings.token = "secret";
  const auto exchanger = Exchanger::open(resolved);
  resolved.settings.url = exchanger->url();
  const auto agent = Agent::open(resolved);
  for (auto _ : state) {
    const auto request = std::make_shared<Request>();
    request->task_name = "train";
    request->receivers = {"site", "server"};
    std::shared_ptr<Task> task;
    std::shared_ptr<Upload> upload;
    MessagePtr reply;
    exchanger->send(request, {}, false);
    if (agent->next_task(kLong, &task).status != FLARE_OK) return state.SkipWithError("no task");
    agent->submit(*task, model(), false, &upload);
    if (exchanger->wait(*request, kLong, &reply).status != FLARE_OK) return state.SkipWithError("no reply");
    const auto begin = std::chrono::steady_clock::now();
    exchanger->confirm(*reply, "server", true, "");
    if (agent->wait(*upload, FLARE_DELIVERED, kLong).status != FLARE_OK) return state.SkipWithError("not delivered");
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  agent->close();
  exchanger->close();
  std::filesystem::remove_all(folder);
}

BENCHMARK_CAPTURE(wake_up, ipc, "zmq+ipc://")->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(wake_up, memory, "memory://")->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace flare
