// What the programs at both ends have in common: one looks at its descriptors when one was raised, or when it meant to,
// as a program with an event loop does; and writes down what it sees.
#pragma once

#include <memory>
#include <optional>

#include "history.h"
#include "world.h"

namespace flare_world {

class Recorder {
 public:
  int begin(Role role);
  void write(Entry entry);
  int64_t next_answer() { return answers_++; }
  History &history() { return history_; }

 private:
  TimePoint begin_ = World::here().now();
  int64_t answers_ = 0;
  History history_;
};

class Program : public Runner {
 public:
  Program(Role role, Recorder *recorder);
  ~Program() override;

  int life() const { return life_; }
  const std::shared_ptr<Process> &process() const { return process_; }
  bool busy() const { return busy_; }      // it is somewhere below in the stack
  bool closed() const { return closed_; }  // in order
  std::optional<flare_status> over() const { return over_; }

  // As a thread of it does.
  void doing(std::function<void()> work);

  bool ready(TimePoint now) const override;
  std::optional<TimePoint> due() const override;
  void run() override;

 protected:
  // Does all there is to do.
  virtual void look() = 0;

  void look_at(TimePoint when) { due_ = flare::earlier(due_, when); }
  void write(Entry entry);
  void over(flare_status status);
  void defect(const std::string &what);
  void closed_in_order();

  World &world_ = World::here();
  Recorder *recorder_;

 private:
  std::shared_ptr<Process> process_ = std::make_shared<Process>();
  int life_;
  bool busy_ = false, closed_ = false;
  std::optional<flare_status> over_;
  std::optional<TimePoint> due_;
};

}  // namespace flare_world
