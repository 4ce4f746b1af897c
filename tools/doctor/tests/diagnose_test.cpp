// The judgement alone: facts in, findings out.
#include "doctor/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>

#include "doctor/words.h"

namespace flare_tool::doctor {
namespace {

using testing::HasSubstr;

// Of a trainer that was given all it needs.
Facts good() {
  Facts facts;
  facts.folder = "/place";
  facts.versions = {0x000100, 0x000100, "/lib/libflare_agent.so.0", "4.3.4", true};
  facts.given.variables = {"FLARE_AGENT_URL"};
  facts.given.settings = {{"url", "zmq+ipc:///x", "environment variable FLARE_AGENT_URL"}, {"profile", "", "default"}};
  facts.probe = Probe{"socket /x", false, "", 0, ""};
  facts.session.emplace();
  return facts;
}

Program program() {
  Program program;
  program.command = program.path = "./train";
  program.kind = "ELF";
  return program;
}

Facts given(const std::string &url, const std::string &message = "") {
  Facts facts = good();
  facts.probe.reset();
  facts.session.reset();
  facts.given.settings[0].value = url;
  if (message.empty()) return facts;
  facts.given.settings.clear();
  facts.given.failed = Failed{FLARE_INVALID_ARGUMENT, message};
  return facts;
}

Facts probed(bool tcp, int error, const std::string &unknown_host = "") {
  Facts facts = given("zmq+tcp://h:1");
  facts.probe = Probe{"there", tcp, unknown_host, error, ""};
  return facts;
}

Facts session(flare_status status, const std::string &message) {
  Facts facts = good();
  facts.session->failed = Failed{status, message};
  return facts;
}

Facts started(const std::function<void(Program *)> &change) {
  Facts facts = good();
  facts.program = program();
  change(&*facts.program);
  return facts;
}

Facts changed(const std::function<void(Facts *)> &change) {
  Facts facts = good();
  change(&facts);
  return facts;
}

Facts not_started() {
  Facts facts = given("");
  facts.given.variables.clear();
  return facts;
}

struct Case {
  Id id;
  Facts facts;
};

std::vector<Case> cases() {
  return {
      {Id::kNotStarted, not_started()},
      {Id::kNoUrl, given("")},
      {Id::kClientApiConfig, given("", "client API configuration x: not valid JSON")},
      {Id::kNvflare29, given("", "started by the client API of NVFlare 2.9 (x), which")},
      {Id::kProfileMissing, given("", "profile p cannot be read: No such file or directory")},
      {Id::kProfileUnreadable, given("", "profile p cannot be read: Permission denied")},
      {Id::kProfileMalformed, given("", "profile p: the value of 'x' must be a string, a number, true or false")},
      {Id::kProfileTooOpen, given("", "profile p: others may use it: run chmod 600 p")},
      {Id::kUnknownOption, given("", "unknown option 'ulr'; did you mean 'url'?")},
      {Id::kUnknownVariable, changed([](Facts *facts) { facts->given.unknown_variables = {"FLARE_AGENT_X"}; })},
      {Id::kBadValue, given("", "option site: the value 'x' (default) is bad")},
      {Id::kBadUrl, session(FLARE_INVALID_ARGUMENT, "the URL 'x' has no known scheme")},
      {Id::kSocketPathTooLong, session(FLARE_INVALID_ARGUMENT, "the socket path of 'x' has 1, the system allows 107")},
      {Id::kMemoryUrl, given("memory://x")},
      {Id::kNotEncrypted, session(FLARE_INVALID_ARGUMENT, "the URL 'x' leaves this machine, and")},
      {Id::kKeyMissing, session(FLARE_IO, "key file k cannot be read: No such file or directory")},
      {Id::kKeyMissing, session(FLARE_INVALID_ARGUMENT, "an agent needs its exchanger's public key as well: set")},
      {Id::kKeyMalformed, session(FLARE_INVALID_ARGUMENT, "key file k: it has more than one key")},
      {Id::kKeyMalformed, given("", "option curve_exchanger_key: the value 'x' (default) is not a public key: it")},
      {Id::kKeyNotAdmitted, session(FLARE_REFUSED, "refused: this key is not admitted by the exchanger: add")},
      {Id::kKeysDiffer, session(FLARE_REFUSED, "refused: it admits agents with keys only: set")},
      {Id::kKeysDiffer, session(FLARE_REFUSED, "refused: it has no keys, and this agent has: set")},
      {Id::kKeysDiffer, session(FLARE_UNREACHABLE, "whoever is there ends each connection in its handshake: as")},
      {Id::kNotRankZero, session(FLARE_INVALID_STATE, "this process has rank 1 (environment variable RANK), and")},
      {Id::kNoJob, session(FLARE_UNREACHABLE, "no job for agent 'a' came to the rendezvous /r within")},
      {Id::kSocketMissing, probed(false, ENOENT)},
      {Id::kSocketNotPermitted, probed(false, EACCES)},
      {Id::kSocketStale, probed(false, ECONNREFUSED)},
      {Id::kNobodyListens, probed(true, ECONNREFUSED)},
      {Id::kHostUnknown, probed(true, 0, "Name or service not known")},
      {Id::kHostUnreachable, probed(true, EHOSTUNREACH)},
      {Id::kNoAnswer, session(FLARE_UNREACHABLE, "no exchanger answered: check that the URL is right")},
      {Id::kWrongToken, session(FLARE_REFUSED, "refused: the token is wrong: give")},
      {Id::kWrongAgentId, session(FLARE_REFUSED, "refused: this exchanger serves 'x': set the option agent_id")},
      {Id::kWireVersion, session(FLARE_PROTOCOL, "the exchanger chose wire version 9, which")},
      {Id::kNameTaken, session(FLARE_REFUSED, "refused: an agent with the id 'x' is connected already: end")},
      {Id::kJobOver, session(FLARE_ENDED, "enough")},
      {Id::kRefused, session(FLARE_REFUSED, "the exchanger refused agent 'x': by a rule of later")},
      {Id::kOpenFailed, session(FLARE_IO, "no more descriptors")},
      {Id::kLibraryOlder, changed([](Facts *facts) { facts->versions.header = 0x000200; })},
      {Id::kNoCurve, changed([](Facts *facts) { facts->versions.curve = false; })},
      {Id::kProgramMissing, started([](Program *program) { program->path.clear(); })},
      {Id::kProgramNotExecutable, started([](Program *program) { program->executable = false; })},
      {Id::kProgramNoexec, started([](Program *program) {
         program->executable = false;  // as the system sees it there
         program->noexec = true;
       })},
      {Id::kProgramArchitecture, started([](Program *program) { program->own_architecture = false; })},
      {Id::kProgramInterpreter, started([](Program *program) { program->has_interpreter = false; })},
      {Id::kProgramLibraries, started([](Program *program) { program->missing_libraries = {"libx.so.1"}; })},
  };
}

TEST(Diagnose, FindsNothingWhereAllIsWell) {
  EXPECT_TRUE(diagnose(good()).empty());
  EXPECT_TRUE(diagnose(started([](Program *) {})).empty());
}

TEST(Diagnose, FindsEachOfTheCatalogueAndNothingElse) {
  std::set<Id> found;
  for (const Case &known : cases()) {
    const std::vector<Finding> findings = diagnose(known.facts);
    ASSERT_EQ(findings.size(), 1u) << entry(known.id).name;
    EXPECT_EQ(findings[0].id, known.id) << entry(known.id).name << ": " << findings[0].what;
    EXPECT_FALSE(findings[0].what.empty());
    found.insert(known.id);
  }
  for (const Entry &known : catalogue()) EXPECT_TRUE(found.contains(known.id)) << known.name;
}

TEST(Diagnose, AWarningAloneIsNoProblem) {
  EXPECT_FALSE(has_problem(diagnose(changed([](Facts *facts) { facts->versions.curve = false; }))));
  EXPECT_TRUE(has_problem(diagnose(not_started())));
}

TEST(Diagnose, SeveralFaultsAreAllSaid) {
  Facts facts = not_started();
  facts.given.unknown_variables = {"FLARE_AGENT_ULR"};
  facts.program = program();
  facts.program->executable = false;
  EXPECT_EQ(diagnose(facts).size(), 3u);
}

TEST(Diagnose, SaysWhichOptionsAreThereWhenTheUrlIsNot) {
  Facts facts = given("");
  facts.given.settings.push_back({"site", "s", "environment variable FLARE_AGENT_SITE"});
  EXPECT_THAT(diagnose(facts).at(0).what, HasSubstr(" site"));
}

TEST(Catalogue, IsInTheOrderOfTheIdsAndSaysAllOfEach) {
  std::set<std::string> names;
  for (size_t i = 0; i < catalogue().size(); ++i) {
    const Entry &known = catalogue()[i];
    EXPECT_EQ(static_cast<size_t>(known.id), i);
    EXPECT_TRUE(names.insert(known.name).second) << known.name;
    EXPECT_GT(std::string(known.symptom).size(), 10u) << known.name;
    EXPECT_GT(std::string(known.remedy).size(), 10u) << known.name;
  }
}

TEST(Words, OfAnUnknownMessageSayNothing) { EXPECT_FALSE(id_of_message("something else")); }

}  // namespace
}  // namespace flare_tool::doctor
