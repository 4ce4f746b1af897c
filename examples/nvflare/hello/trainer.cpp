/*
 * trainer.cpp - one site of an NVFlare job, in C++: of hello, diff and crosseval.
 *
 *   hello_trainer_cpp DATA.csv
 *
 * Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*), which the
 * executor sets. Taking part in the job is what stands between the two marked lines; the learning is in logreg.c.
 */
#include <exception>
#include <flare_agent.hpp>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "logreg.h"

namespace {

constexpr char kModel[] = "numpy_key";  // what NVFlare's NPModelPersistor calls its one array

std::unique_ptr<logreg_data> load(const std::string &path, const std::string &site) {
  auto data = std::make_unique<logreg_data>();
  const char *reason = nullptr;
  if (logreg_load(data.get(), path.c_str(), site.c_str(), &reason) != 0)
    throw std::runtime_error(path + ", site \"" + site + "\": " + reason);
  return data;
}

// ==== federation: from here =========================================================================================

void serve(flare::Agent &agent, const logreg_data &data) {
  std::vector<float> local(LOGREG_WEIGHTS);
  for (flare::Task &task : agent.tasks()) {
    flare::Result result = task.result();
    if (task.kind() == FLARE_TASK_TRAIN || task.kind() == FLARE_TASK_VALIDATE) {
      std::vector<float> model(LOGREG_WEIGHTS);
      task.data().read(kModel, model);
      const double accuracy = logreg_accuracy(model.data(), &data.test);
      result.metric("accuracy", accuracy);
      agent.log_scalar("accuracy", accuracy, task.round());
      if (task.kind() == FLARE_TASK_TRAIN) {
        local = model;
        agent.log_scalar("loss", logreg_train(local.data(), &data.train), task.round());
        result.steps(static_cast<int64_t>(data.train.count));
      }
    }
    if (task.kind() != FLARE_TASK_VALIDATE) result.copy(kModel, local);
    result.finish();
  }
}

// ==== federation: to here ===========================================================================================

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " DATA.csv\n";
    return 1;
  }
  try {
    flare::Agent agent;
    agent.wait_connected();
    serve(agent, *load(argv[1], std::string(agent.info("site").value_or(""))));
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
