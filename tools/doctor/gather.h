// Looks at this process's place: working folder, environment, files, the address, the program.
#pragma once

#include <chrono>
#include <flare_agent.hpp>
#include <string>
#include <utility>
#include <vector>

#include "doctor/facts.h"

namespace flare_tool::doctor {

using Clock = std::chrono::steady_clock;

struct Question {
  std::vector<std::string> options;  // NAME=VALUE
  std::vector<std::string> program;  // and its arguments, or nothing
  std::chrono::milliseconds timeout{5000};
};

// Everything, within the time-out and little more.
Facts gather(const Question &question);

// Its parts.
Versions gather_versions();
Given gather_given(const std::vector<std::string> &arguments, flare::Options *options);
// Of a URL that the library has accepted. Nothing: no place that can be probed.
std::optional<Probe> probe(const std::string &url, Clock::time_point deadline);
Program gather_program(const std::string &command, Clock::time_point deadline);

}  // namespace flare_tool::doctor
