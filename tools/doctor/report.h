// What the doctor says, as text and for machines. Pure.
#pragma once

#include <string>
#include <vector>

#include "doctor/diagnose.h"

namespace flare_tool::doctor {

std::string text(const Facts &facts, const std::vector<Finding> &findings);
std::string json(const Facts &facts, const std::vector<Finding> &findings);

// The catalogue: a Markdown table for docs/troubleshooting.md.
std::string catalogue_page();

}  // namespace flare_tool::doctor
