// What a simulation found out; the reports show it as text, as a picture and as JSON.
#pragma once

#include <string>
#include <vector>

#include "fed_avg.h"
#include "model.h"
#include "site.h"

namespace flare_tool {

// A score for the initial model and one for each round.
struct Curve {
  std::string name;
  std::vector<Score> scores;
};

struct Report {
  struct Log {
    std::string site;
    std::vector<Logged> entries;
  };

  Curve together;
  std::vector<Curve> alone;  // one for each site, or none
  std::vector<Log> logged;   // by the trainers, together
  Model model;               // what they learned together
};

}  // namespace flare_tool
