// What is wrong, by what was seen. Pure.
#pragma once

#include <string>
#include <vector>

#include "doctor/catalogue.h"
#include "doctor/facts.h"

namespace flare_tool::doctor {

struct Finding {
  Id id;
  std::string what;  // with the names and values of this case
};

std::vector<Finding> diagnose(const Facts &facts);
// Whether one of them is more than a warning.
bool has_problem(const std::vector<Finding> &findings);

}  // namespace flare_tool::doctor
