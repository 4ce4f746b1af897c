#include "config/rank.h"

#include "base/failure.h"
#include "base/text.h"

namespace flare {

namespace {

struct Launcher {
  const char *rank;
  const char *also;  // when the name alone may mean anything
};

// The innermost launcher first: torchrun may run under mpirun, and both under srun, which counts nodes then.
constexpr Launcher kLaunchers[] = {
    {"RANK", "WORLD_SIZE"}, {"OMPI_COMM_WORLD_RANK", nullptr}, {"PMIX_RANK", nullptr},
    {"PMI_RANK", nullptr},  {"SLURM_PROCID", nullptr},         {"LOCAL_RANK", nullptr},
};

std::optional<int64_t> number_in(const Variable &variable, const char *name) {
  const char *text = variable(name);
  const std::optional<int64_t> number = text ? parse_int(text) : std::nullopt;
  return number && *number >= 0 ? number : std::nullopt;
}

}  // namespace

std::optional<Rank> find_rank(const Resolved &resolved, const Variable &variable) {
  const std::string &chosen = resolved.settings.rank;
  if (chosen == "ignore") return std::nullopt;
  if (chosen != "auto") return Rank{parse_int(chosen).value_or(0), resolved.sources.at("rank")};
  for (const Launcher &launcher : kLaunchers) {
    if (launcher.also && !number_in(variable, launcher.also)) continue;
    if (const auto number = number_in(variable, launcher.rank)) {
      return Rank{*number, std::string("environment variable ") + launcher.rank};
    }
  }
  return std::nullopt;
}

void require_rank_zero(const Resolved &resolved, const Variable &variable) {
  const auto rank = find_rank(resolved, variable);
  if (!rank || rank->number == 0) return;
  throw Failure(FLARE_INVALID_STATE,
                "this process has rank " + std::to_string(rank->number) + " (" + rank->source +
                    "), and the process of rank 0 alone takes part in the federation: open the agent there only, and "
                    "let the others get model and end from it by your launcher's own means (a broadcast). When each "
                    "process is a trainer of its own, set the option rank to 'ignore'");
}

}  // namespace flare
