// Federated averaging of models. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model.h"

namespace flare_tool {

// What a site made of the model in one round.
struct Contribution {
  std::string site;
  const Model *model;
  int64_t steps;  // the site's weight
};

// The mean of the models, tensor by tensor, weighted by steps: summed in double, in the order of the sites, and
// rounded once to the tensor's own type. Order and shapes of the tensors are those of the first site. Throws
// std::runtime_error naming the site and tensor when models differ in their tensors, an element type is neither
// float32 nor float64, or no site made a step.
Model average(const std::vector<Contribution> &contributions);

}  // namespace flare_tool
