// The process campaign: random schedules of tasks, results, metrics, aborts, kills, restarts, freezes and faults of the
// network between real processes. Each is checked by its history; a violation prints the seed, the schedule and what
// the processes said, and `--seed N --schedules 1` plays it again.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "process_run.h"

using namespace flare_test;

namespace {

void print(const Schedule &schedule, const RunReport &report) {
  std::cout << describe(schedule);
  for (const Life &life : report.lives) {
    std::cout << "---- " << (life.role == Role::kExchanger ? "exchanger " + std::to_string(life.run) : "trainer")
              << (life.hung     ? ", hung"
                  : life.killed ? ", killed"
                                : ", status " + std::to_string(life.status))
              << "\n"
              << life.output;
  }
  std::cout << "----\n";
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t seed = 1;
  bool fresh = false;
  uint64_t schedules = FLARE_CAMPAIGN_SCHEDULES;
  int jobs = 32;
  std::string transport = "both";
  bool verbose = false;
  CLI::App app("Random schedules of faults between real processes, checked by their histories.");
  app.add_option("--seed", seed, "of the first schedule; the others follow")->capture_default_str();
  app.add_flag("--fresh", fresh, "begin with a new seed, which is printed")->envname("FLARE_CAMPAIGN_FRESH");
  app.add_option("--schedules", schedules, "how many, over all transports")
      ->envname("FLARE_CAMPAIGN_SCHEDULES")
      ->capture_default_str();
  app.add_option("--jobs", jobs, "how many at the same time; they mostly wait")->check(CLI::Range(1, 200));
  app.add_option("--transport", transport, "ipc, tcp or both: even seeds ipc, odd ones tcp")
      ->check(CLI::IsMember({"ipc", "tcp", "both"}));
  app.add_flag("--verbose", verbose, "print every schedule and its histories");
  CLI11_PARSE(app, argc, argv);

  ::signal(SIGPIPE, SIG_IGN);  // a process may end while it is written to
  if (fresh) seed = std::random_device()();
  std::cout << "seed " << seed << ", " << schedules << " schedules, " << jobs << " at a time" << std::endl;
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  uint64_t failed = 0;
  Tally tally;
  FaultCounts faults;
  double longest = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto work = [&] {
    for (uint64_t i = next++; i < schedules; i = next++) {
      const uint64_t own = seed + i;
      const Schedule schedule = draw_schedule(own, transport != "both" ? transport : own % 2 == 0 ? "ipc" : "tcp");
      RunReport report;
      try {
        report = run_schedule(schedule);
      } catch (const std::exception &failure) {
        report.violations.push_back(std::string("the campaign itself failed: ") + failure.what());
      }
      std::lock_guard lock(mutex);
      tally += report.tally;
      faults += report.faults;
      longest = std::max(longest, report.seconds);
      if (!report.violations.empty()) ++failed;
      if (verbose || !report.violations.empty()) print(schedule, report);
      for (const std::string &violation : report.violations)
        std::cout << "VIOLATION " << own << ": " << violation << "\n";
      if (!report.violations.empty()) {
        std::cout << "again: process_campaign --seed " << own << " --schedules 1 --transport " << schedule.transport
                  << std::endl;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < jobs; ++i) threads.emplace_back(work);
  for (std::thread &thread : threads) thread.join();
  std::printf(
      "%llu schedules in %.1f s (the longest %.1f s): %lld tasks handed out, %lld answered, %lld results delivered, "
      "%lld "
      "not; %lld replies, %lld failures, %lld metrics; %lld results arrived whose trainer was told otherwise\n",
      static_cast<unsigned long long>(schedules),
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), longest,
      static_cast<long long>(tally.handed_out), static_cast<long long>(tally.answered),
      static_cast<long long>(tally.delivered), static_cast<long long>(tally.undelivered),
      static_cast<long long>(tally.replies), static_cast<long long>(tally.gone), static_cast<long long>(tally.metrics),
      static_cast<long long>(tally.lost_words));
  std::printf(
      "faults: %lld messages dropped, %lld duplicated, %lld reordered, %lld delayed; bits flipped in %lld payloads, "
      "%lld "
      "envelopes, %lld frame headers; bytes lost in %lld\n",
      static_cast<long long>(faults.dropped), static_cast<long long>(faults.duplicated),
      static_cast<long long>(faults.reordered), static_cast<long long>(faults.delayed),
      static_cast<long long>(faults.payloads), static_cast<long long>(faults.envelopes),
      static_cast<long long>(faults.framings), static_cast<long long>(faults.lost));
  std::printf("%llu violated\n", static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
