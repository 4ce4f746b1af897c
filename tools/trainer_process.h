// A trainer's process: started in a process group of its own, watched, and surely ended.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace flare_tool {

class TrainerProcess {
 public:
  struct Start {
    std::string command;                             // in the shell's quoting, may have arguments
    std::vector<std::string> arguments;              // added to those, as they are
    std::map<std::string, std::string> environment;  // added to ours
    std::filesystem::path log;                       // stdout and stderr
  };

  // Throws std::system_error. A command that does not exist shows as an end with status 127.
  explicit TrainerProcess(const Start &start);
  // Kills what still runs.
  ~TrainerProcess();
  TrainerProcess(const TrainerProcess &) = delete;
  TrainerProcess &operator=(const TrainerProcess &) = delete;

  // Looks whether it has ended; what it left in its group is killed then.
  bool has_ended();
  // Once it has ended.
  bool has_succeeded() const { return exit_status_ == 0; }
  // "exit status 3" or "signal 9 (Killed)", once it has ended.
  std::string how_it_ended() const;
  // To the whole group.
  void signal(int signal) const;
  const std::filesystem::path &log() const { return log_; }

 private:
  std::filesystem::path log_;
  pid_t pid_;
  bool ended_ = false;
  int exit_status_ = -1;  // -1: ended by end_signal_
  int end_signal_ = 0;
};

}  // namespace flare_tool
