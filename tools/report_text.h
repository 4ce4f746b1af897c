// The lines that a simulation prints. Pure.
#pragma once

#include <string>

#include "report.h"

namespace flare_tool {

// With a point and so many decimals.
std::string fixed(double value, int decimals);

// "round  5/20  accuracy 0.928  (site-1 0.93, site-2 0.93)  0.12 s"
std::string score_line(const Score &score, int64_t rounds);
// "site-1 alone  20 rounds  accuracy 0.468  1.23 s"
std::string alone_line(const Curve &curve);
// Site by site: the accuracy alone, where it was measured, and together.
std::string final_table(const Report &report);
// "final accuracy 0.9503"
std::string final_line(const Report &report);

}  // namespace flare_tool
