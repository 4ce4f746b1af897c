// The cases of the bench. Each runs one contender once and prints its figures; bench/run runs them in turn.
#pragma once

#include <cstddef>
#include <string>

namespace flare::bench {

struct LatencyCase {
  std::string contender;  // raw, flare
  std::string transport;  // ipc, tcp, memory
  bool one_core = false;
  int warm_up = 200;
  int rounds = 2000;
};

struct ModelCase {
  std::string contender;  // memcpy, unix, frames, one-frame, flare
  std::string transport;  // ipc, tcp
  std::string direction;  // task, result
  size_t mib = 64;
  size_t tensor_mib = 16;
  int rounds = 9;
};

struct SessionCase {
  std::string what;  // idle, open, burn, model
  std::string transport;
  double seconds = 5;
  size_t mib = 1024;
};

struct LanguageCase {
  std::string command;  // of a driver of the conformance kit, or of flare-agent exec
  size_t mib = 0;       // 0: one number
  int warm_up = 50;
  int rounds = 500;
};

int run(const LatencyCase &options);

int run(const LanguageCase &options);

// Until its standard input ends.
int run_copier();

int run(const SessionCase &options);

}  // namespace flare::bench
