// One site of a simulated federation: the exchanger and the trainer that it launches.
#pragma once

#include <flare_exchanger.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fed_avg.h"
#include "trainer_process.h"

namespace flare_tool {

// One number that a trainer logged.
struct Logged {
  std::string name;
  int64_t step;
  double value;
};

class Site {
 public:
  struct Settings {
    std::string name;
    std::string job_id;
    std::string url;  // to bind
    std::string trainer_command;
    std::vector<std::string> trainer_arguments;
    std::filesystem::path log;
  };

  explicit Site(const Settings &settings);

  const std::string &name() const { return name_; }
  TrainerProcess &trainer() { return *trainer_; }
  const std::vector<Logged> &logged() const { return logged_; }

  // Hands the order over; the answer comes later.
  void send(const Order &order);
  // To be polled for reading while an answer is awaited.
  int answer_fd() const;
  // The answer to the order; none while it has not come. Throws std::runtime_error with the reason when it is a
  // failure or will not come.
  std::optional<Answer> take_answer();
  // Keeps what the trainer has logged so far.
  void take_logged();
  // Tells the trainer that the job is over.
  void end(const std::string &reason);

 private:
  template <auto Free>
  struct Release {
    template <typename T>
    void operator()(T *handle) const {
      Free(handle);
    }
  };
  template <typename T, auto Free>
  using Handle = std::unique_ptr<T, Release<Free>>;

  std::string name_;
  Handle<flare_exchanger, flare_exchanger_close> exchanger_;
  std::unique_ptr<TrainerProcess> trainer_;
  Handle<flare_request, flare_request_free> request_;
  std::vector<Logged> logged_;
};

}  // namespace flare_tool
