// The curves of a simulation as a picture. Pure.
#pragma once

#include <string>

#include "report.h"

namespace flare_tool {

// Accuracy (0 to 1) by round, as a whole SVG file.
std::string svg(const Report &report, const std::string &title);

}  // namespace flare_tool
