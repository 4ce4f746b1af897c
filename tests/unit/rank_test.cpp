#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/failure.h"
#include "config/rank.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

Variable of(const Variables &variables) {
  return [&variables](const char *name) -> const char * {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

Resolved choose(const std::string &rank) {
  Resolved resolved;
  resolved.settings.rank = rank;
  resolved.sources["rank"] = rank == "auto" ? "default" : "environment variable FLARE_AGENT_RANK";
  return resolved;
}

std::string found(const Variables &variables, const std::string &chosen = "auto") {
  const auto rank = find_rank(choose(chosen), of(variables));
  return rank ? std::to_string(rank->number) + " " + rank->source : "none";
}

TEST(Rank, ALoneProcessHasNone) { EXPECT_EQ(found({{"HOME", "/root"}}), "none"); }

TEST(Rank, EachLauncherSaysIt) {
  EXPECT_EQ(found({{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}}), "3 environment variable RANK");
  for (const char *name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID", "LOCAL_RANK"}) {
    EXPECT_EQ(found({{name, "1"}}), std::string("1 environment variable ") + name);
  }
}

TEST(Rank, TheInnermostLauncherCounts) {  // two nodes by srun, two processes on each by torchrun
  const Variables variables = {{"SLURM_PROCID", "0"}, {"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}};
  EXPECT_EQ(found(variables), "1 environment variable RANK");
  EXPECT_EQ(found({{"SLURM_PROCID", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}}),
            "0 environment variable OMPI_COMM_WORLD_RANK");
}

TEST(Rank, WhatIsNoRankIsPassedOver) {
  EXPECT_EQ(found({{"RANK", "3"}}), "none") << "a name that anybody may use";
  EXPECT_EQ(found({{"RANK", "general"}, {"WORLD_SIZE", "4"}}), "none");
  EXPECT_EQ(found({{"PMI_RANK", "-1"}, {"SLURM_PROCID", ""}}), "none");
}

TEST(Rank, TheOptionOverridesTheLauncher) {
  EXPECT_EQ(found({{"SLURM_PROCID", "1"}}, "ignore"), "none");
  EXPECT_EQ(found({{"SLURM_PROCID", "0"}}, "2"), "2 environment variable FLARE_AGENT_RANK");
}

TEST(Rank, OnlyRankZeroMayGoOn) {
  EXPECT_NO_THROW(require_rank_zero(choose("auto"), of({})));
  const Variables zero = {{"SLURM_PROCID", "0"}}, one = {{"SLURM_PROCID", "1"}};
  EXPECT_NO_THROW(require_rank_zero(choose("auto"), of(zero)));
  EXPECT_NO_THROW(require_rank_zero(choose("ignore"), of(one)));
  try {
    require_rank_zero(choose("auto"), of(one));
    FAIL();
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_STATE);
    EXPECT_THAT(failure.what(), AllOf(HasSubstr("rank 1"), HasSubstr("SLURM_PROCID"), HasSubstr("'ignore'")));
  }
}

}  // namespace
}  // namespace flare
