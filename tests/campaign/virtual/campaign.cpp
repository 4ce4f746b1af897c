// The virtual campaign: random schedules of tasks, results, metrics, aborts, kills, restarts, freezes and faults of the
// network, between agents and exchangers in one thread and in virtual time. Each is checked by its history; a violation
// prints the seed and the schedule, and `--seed N --schedules 1 --verbose` plays it again.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <random>

#include "run.h"

using namespace flare_world;

namespace {

void print(const Schedule &schedule, const RunReport &report) {
  std::cout << describe(schedule);
  for (const Entry &entry : report.history.entries) std::cout << "  " << describe(entry) << "\n";
  std::cout << "  " << report.seconds << " s, " << report.turns << " turns, " << report.history.messages
            << " messages\n";
}

}  // namespace

int main(int argc, char **argv) {
  uint64_t seed = 1;
  bool fresh = false, verbose = false;
  uint64_t schedules = FLARE_CAMPAIGN_SCHEDULES;
  std::string log = "off";
  CLI::App app("Random schedules of faults in virtual time, checked by their histories.");
  app.add_option("--seed", seed, "of the first schedule; the others follow")->capture_default_str();
  app.add_flag("--fresh", fresh, "begin with a new seed, which is printed")->envname("FLARE_CAMPAIGN_FRESH");
  app.add_option("--schedules", schedules, "how many")->envname("FLARE_CAMPAIGN_SCHEDULES")->capture_default_str();
  app.add_option("--log", log, "the level of the library's own log, on stderr")->capture_default_str();
  app.add_flag("--verbose", verbose, "print every schedule and its history");
  CLI11_PARSE(app, argc, argv);

  if (fresh) seed = std::random_device()();
  std::cout << "seed " << seed << ", " << schedules << " schedules" << std::endl;
  uint64_t failed = 0;
  Tally tally;
  MishapCounts mishaps;
  double longest = 0, sum = 0;
  int64_t turns = 0, most_messages = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t own = seed; own < seed + schedules; ++own) {
    Schedule schedule = draw_schedule(own);
    schedule.settings.log_level = log;
    const RunReport report = run_schedule(schedule);
    tally += report.tally;
    mishaps += report.mishaps;
    longest = std::max(longest, report.seconds);
    sum += report.seconds;
    turns += report.turns;
    most_messages = std::max(most_messages, report.history.messages);
    if (verbose) print(schedule, report);
    if (report.violations.empty()) continue;
    ++failed;
    if (!verbose) std::cout << describe(schedule);
    for (const std::string &violation : report.violations) {
      std::cout << "VIOLATION " << own << ": " << violation << "\n";
    }
    std::cout << "again: virtual_campaign --seed " << own << " --schedules 1 --verbose" << std::endl;
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "%llu schedules in %.1f s (%.0f s of virtual time, the longest %.0f s), %lld turns, %lld messages (at "
      "most %lld)\n",
      static_cast<unsigned long long>(schedules), took, sum, longest, number(turns), number(tally.messages),
      number(most_messages));
  std::printf(
      "%lld tasks handed out, %lld answered, %lld results delivered, %lld not; %lld replies, %lld failures, "
      "%lld metrics; %lld results arrived whose trainer was told otherwise\n",
      number(tally.handed_out), number(tally.answered), number(tally.delivered), number(tally.undelivered),
      number(tally.replies), number(tally.gone), number(tally.metrics), number(tally.lost_words));
  std::printf(
      "messages: %lld dropped, %lld duplicated, %lld reordered, bits flipped in %lld envelopes and %lld "
      "payloads; connections: %lld times cut, %lld stalled, %lld deafened\n",
      number(mishaps.dropped), number(mishaps.duplicated), number(mishaps.reordered), number(mishaps.envelopes),
      number(mishaps.payloads), number(mishaps.cuts), number(mishaps.stalls), number(mishaps.deaf));
  std::printf("%llu violated\n", static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
