#include "doctor/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flare_tool::doctor {
namespace {

using testing::HasSubstr;
using testing::Not;

Facts facts() {
  Facts facts;
  facts.folder = "/place";
  facts.versions = {0x000100, 0x000201, "/lib/libflare_agent.so.0", "4.3.4", true};
  facts.given.settings = {{"site", "s", "default"}, {"url", "zmq+ipc:///x", "environment variable FLARE_AGENT_URL"}};
  facts.session.emplace();
  facts.session->job_id = "job-1";
  facts.session->seconds = 0.0125;
  return facts;
}

TEST(DoctorText, ShowsWhatWasGivenAndCountsTheDefaults) {
  EXPECT_THAT(text(facts(), {}), HasSubstr("options\n"
                                           "  url  zmq+ipc:///x  environment variable FLARE_AGENT_URL\n"
                                           "  (1 others have their defaults, which --json shows)\n"));
}

TEST(DoctorText, ShowsTheSession) {
  EXPECT_THAT(text(facts(), {}), testing::AllOf(HasSubstr("libflare_agent 0.2.1 (/lib/libflare_agent.so.0)"),
                                                HasSubstr("connected in 12.5 ms"), HasSubstr("job 'job-1'"),
                                                HasSubstr("\nall is well\n")));
}

TEST(DoctorText, EndsWithFindingsAndTheirRemedies) {
  const std::string said = text(facts(), {{Id::kWrongToken, "the peer says no"}});
  EXPECT_THAT(said, HasSubstr("\nproblem: wrong-token: the exchanger has another token\n"
                              "  seen    the peer says no\n"
                              "  remedy  take token"));
  EXPECT_THAT(said, Not(HasSubstr("all is well")));
}

TEST(DoctorJson, StaysJsonWhateverWasRead) {
  const std::string said = json(facts(), {{Id::kUnknownVariable, "FLARE_AGENT_\xff"}});
  const auto parsed = nlohmann::json::parse(said);
  EXPECT_EQ(parsed["ok"], true);
  EXPECT_EQ(parsed["findings"][0]["id"], "unknown-variable");
  EXPECT_EQ(parsed["program"], nullptr);
}

TEST(DoctorList, IsATableOfTheWholeCatalogue) {
  for (const Entry &known : catalogue()) {
    EXPECT_THAT(catalogue_page(), HasSubstr("| `" + std::string(known.name) + "` | " + known.symptom));
  }
}

}  // namespace
}  // namespace flare_tool::doctor
