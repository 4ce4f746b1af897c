#include "average.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace flare_tool {

namespace {

const ModelTensor &counterpart(const ModelTensor &tensor, const Contribution &of, const std::string &first_site) {
  const auto same_name = [&](const ModelTensor &candidate) { return candidate.name == tensor.name; };
  const auto found = std::find_if(of.model->begin(), of.model->end(), same_name);
  if (found == of.model->end())
    throw std::runtime_error(of.site + " sent no tensor '" + tensor.name + "', " + first_site + " did");
  if (found->dtype != tensor.dtype || found->shape != tensor.shape)
    throw std::runtime_error("tensor '" + tensor.name + "' has another type or shape at " + of.site + " than at " +
                             first_site);
  return *found;
}

template <typename T>
void add(const ModelTensor &tensor, double weight, std::vector<double> *sum) {
  for (size_t i = 0; i < sum->size(); ++i) {
    T element;
    std::memcpy(&element, tensor.elements.data() + i * sizeof element, sizeof element);
    (*sum)[i] += weight * static_cast<double>(element);
  }
}

template <typename T>
void round_to(const std::vector<double> &sum, ModelTensor *tensor) {
  for (size_t i = 0; i < sum.size(); ++i) {
    const T element = static_cast<T>(sum[i]);
    std::memcpy(tensor->elements.data() + i * sizeof element, &element, sizeof element);
  }
}

template <typename T>
void average_tensor(const std::vector<Contribution> &contributions, double total_steps, ModelTensor *tensor) {
  std::vector<double> sum(tensor->elements.size() / sizeof(T));
  for (const Contribution &contribution : contributions)
    add<T>(counterpart(*tensor, contribution, contributions.front().site),
           static_cast<double>(contribution.steps) / total_steps, &sum);
  round_to<T>(sum, tensor);
}

}  // namespace

Model average(const std::vector<Contribution> &contributions) {
  double total_steps = 0;
  for (const Contribution &contribution : contributions) {
    total_steps += static_cast<double>(contribution.steps);
    if (contribution.model->size() != contributions.front().model->size())
      throw std::runtime_error(contribution.site + " sent " + std::to_string(contribution.model->size()) +
                               " tensors, " + contributions.front().site + " sent " +
                               std::to_string(contributions.front().model->size()));
  }
  if (!(total_steps > 0)) throw std::runtime_error("no site made a training step, so there is nothing to average");
  Model mean = *contributions.front().model;
  for (ModelTensor &tensor : mean) {
    if (tensor.dtype == FLARE_FLOAT32) {
      average_tensor<float>(contributions, total_steps, &tensor);
    } else if (tensor.dtype == FLARE_FLOAT64) {
      average_tensor<double>(contributions, total_steps, &tensor);
    } else {
      throw std::runtime_error("tensor '" + tensor.name + "' is neither float32 nor float64, so it has no average");
    }
  }
  return mean;
}

}  // namespace flare_tool
