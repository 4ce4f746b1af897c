// The site of the virtual campaign: hands out the tasks that are left of a job and takes what comes back.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "content.h"
#include "exchanger/exchanger.h"
#include "program.h"
#include "schedule.h"

namespace flare_world {

class Site : public Program {
 public:
  Site(const Schedule &schedule, std::set<int> tasks, Recorder *recorder);

  void abort_request(int index);
  void abort_job();
  void end_job();

  const std::set<int> &left() const { return left_; }  // without an outcome

 private:
  struct Asked {
    int index = -1;
    bool done = false;
    std::unique_ptr<Memory> memory = std::make_unique<Memory>();
    std::shared_ptr<flare::Request> request;
  };
  // That another receiver has a result, or not.
  struct Word {
    TimePoint at;
    flare::MessagePtr reply;
    std::string receiver;
    bool success;
  };

  void look() override;
  bool lingers();
  void open();
  void ask();
  bool see(Asked *asked);
  bool read_metric();
  void speak();
  void record(const Asked &asked, const flare::Outcome &outcome, const flare::MessagePtr &reply);
  void plan_words(int index, const flare::MessagePtr &reply);

  const Schedule &schedule_;
  std::set<int> left_;
  std::vector<int> to_ask_;
  std::list<Asked> asked_;  // memory outlives the exchanger
  std::vector<Word> words_;
  std::optional<TimePoint> leave_at_;
  std::shared_ptr<flare::Exchanger> exchanger_;
};

}  // namespace flare_world
