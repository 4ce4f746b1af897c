// A trainer's process: its command in the shell's quoting, its output in a log.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "child_process.h"

namespace flare_tool {

class TrainerProcess : public ChildProcess {
 public:
  struct Start {
    std::string command;                             // in the shell's quoting, may have arguments
    std::vector<std::string> arguments;              // added to those, as they are
    std::map<std::string, std::string> environment;  // added to ours
    std::filesystem::path log;                       // stdout and stderr
  };

  // Throws std::system_error. A command that does not exist shows as an end with status 127.
  explicit TrainerProcess(const Start &start);

  const std::filesystem::path &log() const { return log_; }

 private:
  struct Files;
  TrainerProcess(const Start &start, const Files &files);

  std::filesystem::path log_;
};

}  // namespace flare_tool
