// All that a simulation found out, for other programs. Pure.
#pragma once

#include <string>

#include "report.h"

namespace flare_tool {

std::string json(const Report &report);

}  // namespace flare_tool
