// flare_replay_traces: runs the library's own classes through golden traces.
#include <CLI/CLI.hpp>

#include <array>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kinds.h"
#include "script.h"

namespace {

using namespace flare::replay;

using Player = void (*)(const Script &, Report *);
constexpr std::array<std::pair<std::string_view, Player>, 7> kPlayers = {{
    {"rtrk", replay_rtrk},
    {"tpt", replay_tpt},
    {"wait", replay_wait},
    {"gate", replay_gate},
    {"ds", replay_ds},
    {"ph", replay_ph},
    {"agent", replay_agent},
}};

constexpr size_t kShownDifferences = 10;  // of one script

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
};

struct Choice {
  std::string kind;  // empty: all
  std::optional<int64_t> script;
  bool verbose = false;
};

void play(const Script &script, bool verbose, Counts *counts) {
  Player player = nullptr;
  for (const auto &[kind, candidate] : kPlayers) {
    if (kind == script.kind) player = candidate;
  }
  Report report;
  try {
    if (!player) throw std::runtime_error("kind '" + script.kind + "' is not known");
    player(script, &report);
  } catch (const std::exception &error) {
    report.differ(script.head(), "the script", "to replay", error.what());
  }
  if (report.skipped()) {
    ++counts->skipped;
    return;
  }
  ++(report.passed() ? counts->passed : counts->failed);
  if (report.passed()) return;
  std::cout << "FAILED " << script.kind << " script " << script.number << " of " << script.file << ": "
            << report.differences().size() << " differences\n";
  if (!verbose) return;
  for (size_t i = 0; i < report.differences().size() && i < kShownDifferences; ++i) {
    std::cout << "    " << report.differences()[i] << '\n';
  }
}

}  // namespace

int main(int argc, char **argv) {
  CLI::App app("Replays golden traces through the library's own classes.");
  std::vector<std::string> files;
  Choice choice;
  app.add_option("FILE", files, "traces: JSON Lines, plain or gzipped")->required()->check(CLI::ExistingFile);
  app.add_option("--kind", choice.kind, "only scripts of this kind");
  app.add_option("--script", choice.script, "only the script with this number");
  app.add_flag("--verbose", choice.verbose, "show what differed");
  CLI11_PARSE(app, argc, argv);

  std::map<std::string, Counts> by_kind;
  try {
    for (const std::string &file : files) {
      read_scripts(file, [&](const Script &script) {
        if (!choice.kind.empty() && choice.kind != script.kind) return;
        if (choice.script && *choice.script != script.number) return;
        play(script, choice.verbose, &by_kind[script.kind]);
      });
    }
  } catch (const std::exception &error) {
    std::cerr << "flare_replay_traces: " << error.what() << '\n';
    return 1;
  }
  Counts all;
  for (const auto &[kind, counts] : by_kind) {
    std::cout << kind << ": " << counts.passed << " passed, " << counts.failed << " failed, " << counts.skipped
              << " skipped\n";
    all.passed += counts.passed;
    all.failed += counts.failed;
    all.skipped += counts.skipped;
  }
  if (all.skipped > 0) std::cout << all.skipped << " skipped: only a dynamically typed caller can make their calls\n";
  std::cout << all.passed << " passed, " << all.failed << " failed\n";
  return all.failed == 0 ? 0 : 1;
}
