// A trainer that sends every task's model back, that of the conformance kit in some language or a program behind
// flare-agent exec: from before the task is sent until its result is here.
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "cases.h"
#include "session.h"
#include "warm.h"

namespace flare::bench {

namespace {

// A driver of the conformance kit that answers `tasks` tasks and ends; what else it may be does not read these lines.
class Driver {
 public:
  Driver(const std::string &command, const std::string &url, int tasks) {
    ::setenv("FLARE_AGENT_URL", url.c_str(), 1);
    ::setenv("FLARE_AGENT_TOKEN", "bench", 1);
    requests_ = ::popen(("exec " + command + " >/dev/null").c_str(), "w");
    if (requests_ == nullptr) throw std::runtime_error("no process for the trainer");
    std::fprintf(requests_,
                 "{\"op\": \"open\", \"options\": {}}\n{\"op\": \"cycles\", \"count\": %d}\n{\"op\": \"close\"}\n",
                 tasks);
    std::fflush(requests_);
  }
  ~Driver() {
    if (requests_ != nullptr) ::pclose(requests_);
  }
  Driver(const Driver &) = delete;
  Driver &operator=(const Driver &) = delete;

  // The most memory that it had. It must have ended well.
  double end_and_peak_mib() {
    const int status = ::pclose(requests_);
    requests_ = nullptr;
    if (status != 0) throw std::runtime_error("the trainer ended with " + std::to_string(status));
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
  }

 private:
  FILE *requests_ = nullptr;
};

}  // namespace

int run(const LanguageCase &options) {
  return run_alone([&](Figures *figures) {
    Folder folder;
    Site site("ipc", folder);
    const double started = now_us();
    Driver driver(options.command, site.url(), options.warm_up + options.rounds);
    must(flare_exchanger_wait_connected(site.get(), 60'000, nullptr), "connect");
    (*figures)["start_ms"] = {(now_us() - started) / 1e3};
    WarmMemory memory(options.mib);
    const float number = 1;
    const int64_t count = options.mib > 0 ? static_cast<int64_t>(memory.size() / sizeof number) : 1;
    flare_tensor tensor = FLARE_TENSOR_INIT;
    tensor.dtype = FLARE_FLOAT32;
    tensor.ndim = 1;
    tensor.shape = &count;
    tensor.data = options.mib > 0 ? static_cast<const void *>(memory.data()) : &number;
    for (int i = 0; i < options.warm_up + options.rounds; ++i) {
      const RequestHandle request = site.request();
      must(flare_shareable_borrow_tensor(flare_request_shareable(request.get()), "w", &tensor, nullptr), "borrow");
      const double begun = now_us();
      must(flare_request_send(request.get(), nullptr), "send");
      const ReplyHandle reply = wait_for_reply(request.get());
      if (i >= options.warm_up) (*figures)["us"].push_back(now_us() - begun);
    }
    // A driver has counted its tasks and may be gone already.
    [[maybe_unused]] const flare_status told = flare_exchanger_end(site.get(), "all is measured", nullptr);
    (*figures)["peak_mib"] = {driver.end_and_peak_mib()};
  });
}

}  // namespace flare::bench
