// The two sides of a session through the public interface, with handles that release themselves.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ends.h"
#include "flare_agent.h"
#include "flare_exchanger.h"

namespace flare::bench {

// Throws what failed; a case has nothing to do then.
void must(flare_status status, const char *what);

template <auto kRelease>
struct Release {
  template <typename Handle>
  void operator()(Handle *handle) const {
    kRelease(handle);
  }
};
using TaskHandle = std::unique_ptr<flare_task, Release<flare_task_free>>;
using ResultHandle = std::unique_ptr<flare_result, Release<flare_result_free>>;
using RequestHandle = std::unique_ptr<flare_request, Release<flare_request_free>>;
using ReplyHandle = std::unique_ptr<flare_reply, Release<flare_reply_free>>;
using OptionsHandle = std::unique_ptr<flare_options, Release<flare_options_free>>;

using Settings = std::map<std::string, std::string>;

// The exchanger. `transport` is ipc, tcp or memory.
class Site {
 public:
  Site(const std::string &transport, const Folder &folder, const Settings &settings = {});
  ~Site() { flare_exchanger_close(exchanger_); }
  Site(const Site &) = delete;
  Site &operator=(const Site &) = delete;

  std::string url() const { return flare_exchanger_url(exchanger_); }
  flare_exchanger *get() { return exchanger_; }
  RequestHandle request();

 private:
  flare_exchanger *exchanger_ = nullptr;
};

// The agent.
class Trainer {
 public:
  explicit Trainer(const std::string &url, const Settings &settings = {});
  ~Trainer() { flare_agent_close(agent_); }
  Trainer(const Trainer &) = delete;
  Trainer &operator=(const Trainer &) = delete;

  flare_agent *get() { return agent_; }
  TaskHandle next_task();

 private:
  flare_agent *agent_ = nullptr;
};

ResultHandle result_of(flare_task *task);
ReplyHandle wait_for_reply(flare_request *request);

}  // namespace flare::bench
