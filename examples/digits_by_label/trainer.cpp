/*
 * trainer.cpp - one site of the digits_by_label job, in C++.
 *
 *   digits_trainer_cpp DATA.csv SITES
 *
 * Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*). Taking part in
 * the job is what stands between the two marked lines, 18 lines of code; the network is in mlp.c.
 */
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <flare_agent.hpp>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "mlp.h"

namespace {

class Trainer {
 public:
  Trainer(const std::string &path, const std::string &site, int sites) {
    mlp_init(&local);
    char reason[256] = "its name must be site-1, site-2 or the like";
    const int index = digits_site_index(site.c_str());
    if (index < 0 || digits_load(&data_, path.c_str(), index, sites, reason, sizeof reason) != 0)
      throw std::runtime_error("site \"" + site + "\": " + reason);
  }
  ~Trainer() { digits_free(&data_); }
  Trainer(const Trainer &) = delete;
  Trainer &operator=(const Trainer &) = delete;

  /** Trains a copy of the received model and returns the rows it learned from: its weight in the average. */
  int64_t train() {
    local = received;
    (void)mlp_train(&local, &data_.train, data_.epochs);
    return static_cast<int64_t>(data_.train.count);
  }
  double accuracy() const { return mlp_accuracy(&received, &data_.test); }

  mlp received{};  // the shared model, as the last task brought it
  mlp local{};     // what training made of it here; at first the start values

 private:
  digits data_{};
};

std::vector<mlp_tensor> tensors(mlp &model) {
  std::vector<mlp_tensor> all;
  for (int t = 0; t < MLP_TENSORS; ++t) all.push_back(mlp_tensor_at(&model, t));
  return all;
}

/** Tells the peer why its task has no result. Too late for that once the result was submitted or the job is over. */
void give_up(flare::Task &task, const std::string &reason) {
  std::cerr << "task " << task.id() << ": " << reason << '\n';
  try {
    task.fail("EXECUTION_EXCEPTION", reason);
  } catch (const flare::Error &) {
    std::cerr << "task " << task.id() << ": the peer was not told\n";
  }
}

// ==== federation: from here =========================================================================================

void answer(Trainer &me, flare::Agent &agent, flare::Task &task) {
  if (task.kind() == FLARE_TASK_OTHER) return task.fail("TASK_UNSUPPORTED", "not a task of this trainer");
  flare::Result result = task.result();
  if (task.kind() != FLARE_TASK_SUBMIT_MODEL) {
    for (const mlp_tensor &to : tensors(me.received)) task.data().read(to.name, to.values, to.count);
    result.metric("accuracy", me.accuracy());
    agent.log_scalar("accuracy", me.accuracy(), task.round());
  }
  if (task.kind() == FLARE_TASK_TRAIN) result.steps(me.train());
  if (task.kind() != FLARE_TASK_VALIDATE)
    for (const mlp_tensor &from : tensors(me.local))
      result.copy(from.name, from.values, {from.shape, from.shape + from.ndim});
  result.finish();
}

// What goes wrong with a task ends that task only.
void serve(Trainer &me, flare::Agent &agent) {
  for (flare::Task &task : agent.tasks()) {
    try {
      answer(me, agent, task);
    } catch (const flare::Error &error) {
      give_up(task, error.what());
    }
  }
}

// ==== federation: to here ===========================================================================================

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " DATA.csv SITES\n";
    return 1;
  }
  try {
    flare::Agent agent;
    agent.wait_connected();
    Trainer me(argv[1], std::string(agent.info("site").value_or("")), std::atoi(argv[2]));
    serve(me, agent);
    return 0;
  } catch (const flare::Error &error) {
    if (error.status() == FLARE_ENDED) return 0;  // the job was over before this site came
    std::cerr << error.what() << '\n';
    return 1;
  } catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
