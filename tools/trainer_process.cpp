#include "trainer_process.h"

#include <fcntl.h>

#include <csignal>

#include "descriptor.h"

namespace flare_tool {

namespace {

// The shell takes the command apart and then becomes it, so the process is the trainer itself.
std::vector<std::string> shell_arguments(const TrainerProcess::Start &start) {
  std::vector<std::string> arguments = {"/bin/sh", "-c", "exec " + start.command + " \"$@\"", "sh"};
  arguments.insert(arguments.end(), start.arguments.begin(), start.arguments.end());
  return arguments;
}

}  // namespace

struct TrainerProcess::Files {
  explicit Files(const std::filesystem::path &log_path)
      : null("/dev/null", O_RDONLY), log(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND) {}

  Descriptor null, log;
};

TrainerProcess::TrainerProcess(const Start &start) : TrainerProcess(start, Files(start.log)) {}

TrainerProcess::TrainerProcess(const Start &start, const Files &files)
    : ChildProcess(
          {shell_arguments(start), start.environment, "", files.null.get(), files.log.get(), files.log.get(), SIGTERM}),
      log_(start.log) {}

}  // namespace flare_tool
