// The trainer of the virtual campaign: takes each task and answers it as the schedule says, until there are no more.
#pragma once

#include <list>
#include <memory>
#include <optional>

#include "agent/agent.h"
#include "content.h"
#include "program.h"
#include "schedule.h"

namespace flare_world {

class Trainer : public Program {
 public:
  Trainer(const Schedule &schedule, Recorder *recorder) : Program(Role::kTrainer, recorder), schedule_(schedule) {}

  void stop();
  void ring();
  void close_soon();

 private:
  struct Sent {
    int64_t answer = -1;
    std::unique_ptr<Memory> memory = std::make_unique<Memory>();
    std::shared_ptr<flare::Upload> upload;
    bool accepted_told = false;
    bool waited_in_vain = false;  // it was stopped; the close will settle it
    std::optional<TimePoint> cancel_at;
  };

  void look() override;
  void open();
  bool take();
  bool answer();
  void submit(const PlannedTask &plan, int64_t number);
  bool see(Sent *sent);
  void settle(Sent *sent, const flare::Outcome &outcome);
  bool waiting() const;  // for any upload
  void leave();

  const Schedule &schedule_;
  std::list<Sent> sent_;  // memory outlives the agent
  std::shared_ptr<flare::Agent> agent_;
  std::shared_ptr<flare::Task> task_;
  int index_ = -1;  // of the task in hand
  TimePoint answer_at_;
  int64_t steps_ = 0;
  bool close_soon_ = false;
};

uint64_t task_key(const Schedule &schedule, int index);
uint64_t answer_key(const Schedule &schedule, int64_t answer);

}  // namespace flare_world
