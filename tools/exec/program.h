// The user's program while it runs: what it prints, what it is told, how it ends. For one thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "child_process.h"
#include "descriptor.h"
#include "exec/guard.h"
#include "exec/lines.h"
#include "interrupts.h"

namespace flare_tool {

class Program {
 public:
  // `talks`: it is told lines on its standard input, which has nothing for it otherwise. Throws std::system_error when
  // it cannot be started.
  Program(const std::vector<std::string> &command, const std::map<std::string, std::string> &environment, bool talks,
          const Guard &guard);
  ~Program();
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  // Takes what it prints and writes what it is to be told, until there is something to see here or at `interrupts`, or
  // the time is over. Its standard error is passed on to ours.
  void wait(std::chrono::milliseconds timeout, const Interrupts &interrupts);
  // The next line of its output.
  std::optional<std::string> take_line();
  // Whether it has ended; all that it had printed is there then.
  bool has_ended();
  bool has_succeeded() const { return process_.has_succeeded(); }
  std::string how_it_ended() const { return process_.how_it_ended(); }
  // Of its standard error, since the last forget_words().
  std::string last_words() const { return last_words_.text(); }
  void forget_words() { last_words_.clear(); }

  void tell(const std::string &line);
  // Ends it, with all that it started: `politely` by the end of its input first, then by SIGTERM, then by SIGKILL, each
  // after `grace`. A signal for us makes the rest short; it is returned.
  std::optional<int> stop(std::chrono::milliseconds grace, bool politely, const Interrupts &interrupts);

 private:
  struct Pipes {
    PipeEnds input, output, errors;
  };
  Program(const std::vector<std::string> &command, const std::map<std::string, std::string> &environment, bool talks,
          const Guard &guard, Pipes pipes);

  void read_output();
  void read_errors();
  void write_input();

  const Guard &guard_;
  Descriptor input_, output_, errors_;
  ChildProcess process_;
  bool ended_ = false;
  std::string to_tell_;
  Lines lines_;
  LastWords last_words_;
};

}  // namespace flare_tool
