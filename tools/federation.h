// Some sites in one run: asks them, watches their trainers and the clock, and ends them in order.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fed_avg.h"
#include "interrupts.h"
#include "site.h"

namespace flare_tool {

class Federation : public Sites {
 public:
  // `task_timeout` is for each task, and for the trainer's start before the first.
  Federation(const std::vector<Site::Settings> &sites, std::chrono::seconds task_timeout, const Interrupts &interrupts);
  // Ends what finish() did not.
  ~Federation() override;
  Federation(const Federation &) = delete;
  Federation &operator=(const Federation &) = delete;

  // Throw std::runtime_error with the site and the end of its log, or Interrupted.
  std::vector<Answer> ask_all(const Order &order) override;
  Answer ask_first(const Order &order) override;

  // Ends the job and waits for the trainers. Throws when one of them did not end well.
  void finish();

  const std::vector<std::unique_ptr<Site>> &sites() const { return sites_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Pending {
    Site *site;
    Answer *answer;
  };

  std::vector<Answer> ask(const Order &order, size_t count);
  void collect(std::vector<Pending> &pending, const std::string &work);
  void wait_for_events(const std::vector<Pending> &pending, Clock::time_point deadline) const;
  void check_trainers(const std::string &work);
  bool all_ended();
  bool wait_all_ended(std::chrono::seconds timeout);
  void stop_trainers();
  [[noreturn]] void fail(Site &site, const std::string &what);

  const std::chrono::seconds task_timeout_;
  const Interrupts &interrupts_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::optional<int> interrupted_;  // by a signal that came while trainers were being ended
};

}  // namespace flare_tool
