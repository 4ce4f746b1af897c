// process_leaver for the C++ interface: the agent lives in a scope. Usage: leaver WAY [hook]; WAY is close (the scope
// is left), exit, throw (caught by nobody), or raise (SIGTERM). With "hook" it has called std::atexit(flare_shutdown).
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "flare_agent.hpp"

namespace {

void leave(const std::string &way) {
  flare::Agent agent;
  flare::Task task = agent.next_task().value();
  std::vector<float> w = task.data().vector<float>("w");
  for (float &value : w) value += 1;
  flare::Result result = task.result();
  result.copy("w", w, {static_cast<int64_t>(w.size())}).submit();
  std::puts("submitted");
  if (way == "exit") std::exit(7);
  if (way == "throw") throw std::runtime_error("uncaught");
  if (way == "raise") ::raise(SIGTERM);
}

}  // namespace

int main(int argc, char **argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc > 2) std::atexit(flare_shutdown);
  leave(argc > 1 ? argv[1] : "");
  return 7;
}
