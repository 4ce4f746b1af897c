// `flare-agent exec`: a trainer that knows only files becomes one of the job.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace flare_tool {

struct ExecOptions {
  std::vector<std::string> command;
  std::string format = "npz";  // or "safetensors"
  bool resident = false;       // one process for all tasks
  std::chrono::milliseconds grace{3000};
  std::string folder;  // where the files go; "": $TMPDIR, else /tmp
};

// Serves the job until it has ended. Throws std::exception with a reason for the user, or Interrupted.
void exec(const ExecOptions &options);

}  // namespace flare_tool
