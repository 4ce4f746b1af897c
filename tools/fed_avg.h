// The rounds of federated averaging, apart from how sites are reached.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model.h"

namespace flare_tool {

struct Order {
  std::string task_name;
  const Model *model = nullptr;
  int64_t round = -1;  // -1: not said
  int64_t total_rounds = -1;
};

struct Answer {
  std::string site;
  Model model;
  std::optional<double> accuracy;
  std::optional<int64_t> steps;
};

// "train of round 3 of 20" or the task's name alone.
std::string describe(const Order &order);

class Sites {
 public:
  virtual ~Sites() = default;
  // Gives all sites the same order and returns their answers in the order of the sites. Throws when one fails.
  virtual std::vector<Answer> ask_all(const Order &order) = 0;
  virtual Answer ask_first(const Order &order) = 0;
};

// The shared model after a round, as the sites measured it.
struct Score {
  struct Of {
    std::string site;
    double accuracy;
  };

  int64_t round;    // from 1; 0 is the initial model
  double accuracy;  // the mean over the sites
  std::vector<Of> sites;
  double seconds;  // how long the round took
};

// A score for the initial model and one for each round, handed to `on_score` as soon as it is known: sites measure a
// model when they receive it, so that is a round later. The last model goes to `learned`, if that is given.
std::vector<Score> fed_avg(Sites &sites, int64_t rounds, const std::function<void(const Score &)> &on_score,
                           Model *learned = nullptr);

}  // namespace flare_tool
