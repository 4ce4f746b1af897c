// Long jobs between two processes: memory, descriptors and threads of both ends stay what they were after the first
// part of it. The parameter is the transport.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

#include "process_test.h"
#include "program.h"

namespace flare_test {
namespace {

using namespace std::chrono_literals;

struct Usage {
  int64_t kib = 0, descriptors = 0, threads = 0;

  static Usage of(pid_t pid) {
    Usage usage;
    const std::string folder = "/proc/" + std::to_string(pid);
    std::ifstream status(folder + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("RssAnon:", 0) == 0) usage.kib = std::stol(line.substr(8));
      if (line.rfind("Threads:", 0) == 0) usage.threads = std::stol(line.substr(8));
    }
    std::error_code gone;
    const std::filesystem::directory_iterator open(folder + "/fd", gone);
    usage.descriptors = std::distance(begin(open), end(open));
    return usage;
  }
  void raise_to(const Usage &other) {
    kib = std::max(kib, other.kib);
    descriptors = std::max(descriptors, other.descriptors);
    threads = std::max(threads, other.threads);
  }
};

// Those of a task, a result and a request that may be there or not when it is looked at.
constexpr int64_t kDescriptors = 8;

// A count for all builds, unless the environment says another.
int64_t count(const char *name, int64_t otherwise) {
  const char *text = ::getenv(name);
  return text != nullptr && *text != '\0' ? std::stoll(text) : otherwise;
}

class Soak : public ProcessTest {
 protected:
  // `spare_kib`: what the peaks may differ by, as not every round is caught at the same moment.
  void run(int64_t rounds, int64_t floats, int64_t spare_kib) {
    Environment environment = with({{"FLARE_AGENT_URL", listen_url()}});
    const auto peer = std::make_unique<Program>(
        "process_exchanger", std::vector<std::string>{std::to_string(rounds), std::to_string(floats)}, environment);
    const std::string url = peer->wait_line("zmq+");
    ASSERT_NE(url, "") << peer->output();
    environment["FLARE_AGENT_URL"] = url;
    const auto program = std::make_unique<Program>("process_trainer", std::vector<std::string>(), environment);

    // The peaks of the warm-up, which fills what is bounded (ids that are remembered, for example), and of the rest.
    std::map<const Program *, Usage> before, after;
    const int64_t warm = rounds * 3 / 10, every = std::max<int64_t>(1, rounds / 200);
    for (int64_t round = 0; round < rounds; ++round) {
      ASSERT_EQ(peer->wait_line("reply"), "reply task-" + std::to_string(round)) << peer->output() << program->output();
      program->drain();
      if (round % every != 0 || round + 1 == rounds) continue;
      for (const Program *one : {peer.get(), program.get()}) {
        (round < warm ? before : after)[one].raise_to(Usage::of(one->pid()));
      }
    }
    EXPECT_EQ(peer->wait_exit(), 0) << peer->output();
    EXPECT_EQ(program->wait_exit(), 0) << program->output();
    for (const Program *one : {peer.get(), program.get()}) {
      SCOPED_TRACE(one == peer.get() ? "exchanger" : "trainer");
      const Usage &first = before[one], &last = after[one];
      std::printf("%s: %lld -> %lld KiB, %lld -> %lld descriptors, %lld -> %lld threads\n",
                  one == peer.get() ? "exchanger" : "trainer", static_cast<long long>(first.kib),
                  static_cast<long long>(last.kib), static_cast<long long>(first.descriptors),
                  static_cast<long long>(last.descriptors), static_cast<long long>(first.threads),
                  static_cast<long long>(last.threads));
      EXPECT_GT(first.descriptors, 3) << "nothing was measured";
      EXPECT_LE(last.descriptors, first.descriptors + kDescriptors);
      EXPECT_LE(last.threads, first.threads);
      EXPECT_LE(last.kib, first.kib + spare_kib);
    }
  }
};

TEST_P(Soak, TenThousandTinyTasks) { run(count("FLARE_SOAK_TASKS", FLARE_SOAK_TASKS), 1, FLARE_SOAK_SPARE_KIB + 512); }

TEST_P(Soak, ALargeModelRoundAfterRound) {
  run(count("FLARE_SOAK_ROUNDS", FLARE_SOAK_ROUNDS), (16 << 20) / 4, FLARE_SOAK_SPARE_KIB + 24576);
}

INSTANTIATE_TEST_SUITE_P(Transports, Soak, testing::Values("ipc"),
                         [](const auto &parameter) { return parameter.param; });

}  // namespace
}  // namespace flare_test
