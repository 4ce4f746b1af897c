// A child process in a process group of its own: watched, and surely ended.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace flare_tool {

class ChildProcess {
 public:
  struct Start {
    std::vector<std::string> arguments;              // the program first, which is looked for in PATH
    std::map<std::string, std::string> environment;  // added to ours
    std::string without;                             // variables of ours that begin so are left out; "": none
    int input, output, errors;                       // what its standard streams are; the rest it does not get
    int signal_on_our_death;
    int told = -1;  // gets the id of the group, a pid_t, before the program begins; -1: nobody
  };

  // Throws std::system_error, also when the program cannot be executed. The child lives as long as this thread.
  explicit ChildProcess(const Start &start);
  // Kills what still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess &) = delete;
  ChildProcess &operator=(const ChildProcess &) = delete;

  // Looks whether it has ended; what it left in its group is killed then.
  bool has_ended();
  // Once it has ended.
  bool has_succeeded() const { return exit_status_ == 0; }
  // "exit status 3" or "signal 9 (Killed)", once it has ended.
  std::string how_it_ended() const;
  // To the whole group.
  void signal(int signal) const;

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int exit_status_ = -1;  // -1: ended by end_signal_
  int end_signal_ = 0;
};

}  // namespace flare_tool
