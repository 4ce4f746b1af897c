// A child process of a test: its output line by line, signals, and a sure end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace flare_test {

class Program {
 public:
  Program(const std::string &name, const std::vector<std::string> &arguments,
          const std::map<std::string, std::string> &environment);
  ~Program();  // kills what still runs
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  // The first line from now on that starts with `start`; empty when it does not come in time. Lines before it are
  // skipped but kept in output().
  std::string wait_line(const std::string &start, std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // The exit status, or 128 + signal; -1 when it does not end in time.
  int wait_exit(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  void signal(int number) const;
  void write_line(const std::string &text) const;

  void drain();  // takes what it has said so far, so that it never waits for a reader

  pid_t pid() const { return pid_; }  // -1 once it has ended
  const std::string &output() const { return output_; }

 private:
  bool read_some(std::chrono::steady_clock::time_point deadline);

  pid_t pid_ = -1;
  int out_ = -1;
  int in_ = -1;
  std::string output_;
  size_t seen_ = 0;  // of the output, by wait_line
};

}  // namespace flare_test
