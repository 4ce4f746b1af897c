// `flare-agent simulate`: a federation on this machine, with trainers that it launches.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace flare_tool {

struct SimulateOptions {
  size_t sites = 0;
  int64_t rounds = 0;
  std::vector<std::string> trainers;      // commands, dealt out to the sites in turn
  std::string data;                       // the trainers' business
  std::string transport = "zmq+ipc";      // or "zmq+tcp"
  bool baselines = true;                  // also each site alone
  std::string svg, json, model, log_dir;  // "": not wanted
  std::chrono::seconds task_timeout{600};
};

// Prints its progress and its findings on stdout. Throws std::exception with a reason for the user, or Interrupted.
void simulate(const SimulateOptions &options);

}  // namespace flare_tool
