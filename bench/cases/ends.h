// What the cases share: two ends in two processes with a line between them, and what a process says about itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace flare::bench {

// Microseconds of the clock that all processes of this machine share.
double now_us();

// Lines of text between the two ends, for what is not measured: addresses and beginnings.
class Line {
 public:
  explicit Line(int fd) : fd_(fd) {}
  void say(const std::string &text);
  std::string hear();

 private:
  int fd_;
};

// Figures by name; each is a series of numbers, one per round or a single one.
using Figures = std::map<std::string, std::vector<double>>;

// Runs `other` in a process of its own and `here` in this one, and prints both ends' figures as one JSON object:
// {"here": {...}, "other": {...}}. Returns the exit code.
int run_ends(const std::function<void(Line *, Figures *)> &here, const std::function<void(Line *, Figures *)> &other);
// The same with one end.
int run_alone(const std::function<void(Figures *)> &here);

void print_json(const std::map<std::string, Figures> &ends);

// Puts this process, with all threads it will have, on one processor.
void pin_to_one_core();

// What a process used between two moments: page faults, context switches, processor seconds, and mappings that were
// made or given back by whatever is not the allocator itself.
class Usage {
 public:
  Usage() { begin(); }
  void begin();
  // Adds what was used since the beginning to the series.
  void end(Figures *figures) const;

 private:
  struct Counts {
    double page_faults, voluntary, involuntary, cpu_s, maps;
  };
  static Counts count();
  Counts begun_{};
};

// The most memory since the beginning beyond that of the beginning.
class PeakMemory {
 public:
  PeakMemory();
  double extra_mib() const;

 private:
  double begun_mib_;
};

double memory_mib(const char *field);  // of /proc/self/status, for example "VmRSS"

// Context switches that all threads of this process asked for: each is a sleep, and so a wake-up.
double sleeps();

// A folder that is gone with this object.
class Folder {
 public:
  Folder();
  ~Folder();
  std::string path() const { return path_; }
  // Where a bare socket listens.
  std::string raw_endpoint(const std::string &transport) const {
    return transport == "ipc" ? "ipc://" + path_ + "/raw.sock" : "tcp://127.0.0.1:*";
  }

 private:
  std::string path_;
};

}  // namespace flare::bench
