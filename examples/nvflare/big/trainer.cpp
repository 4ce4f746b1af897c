/*
 * trainer.cpp - one site of the job big, in C++: adds its number to every element of a large model, so that the
 * result is known exactly. site-1 adds 1, site-2 adds 2. The result is lent to the library, not copied.
 */
#include <cstdlib>
#include <exception>
#include <flare_agent.hpp>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr char kModel[] = "numpy_key";

float number_of(const std::string &site) {
  const std::string prefix = "site-";
  if (site.compare(0, prefix.size(), prefix) != 0)
    throw std::runtime_error("the site must be site-1, site-2 or the like, not \"" + site + "\"");
  return std::stof(site.substr(prefix.size()));
}

// ==== federation: from here =========================================================================================

void serve(flare::Agent &agent, float number) {
  std::vector<float> sum;
  for (flare::Task &task : agent.tasks()) {
    sum = task.data().vector<float>(kModel);
    for (float &element : sum) element += number;
    task.result().borrow(kModel, sum, task.data().find(kModel)->shape()).steps(1).finish();
  }
}

// ==== federation: to here ===========================================================================================

}  // namespace

int main() {
  try {
    flare::Agent agent;
    agent.wait_connected();
    serve(agent, number_of(std::string(agent.info("site").value_or(""))));
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
