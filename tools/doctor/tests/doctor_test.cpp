// `flare-agent doctor` in real places.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "doctor/catalogue.h"
#include "keys.h"
#include "place.h"

namespace flare_tool::doctor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

// A place with one fault, and what to tell the doctor.
struct Case {
  Id id;
  std::function<std::string(Place &)> prepare;
};

// GoogleTest shows it so.
[[maybe_unused]] void PrintTo(const Case &known, std::ostream *out) { *out << entry(known.id).name; }

using Prepare = std::function<std::string(Place &)>;

Prepare variable(const std::string &name, const std::string &value) {
  return [=](Place &place) {
    place.set(name, value);
    return "";
  };
}

Prepare url(const std::string &value) { return variable("FLARE_AGENT_URL", value); }

Prepare file(const std::string &name, const std::string &content, int mode = 0600) {
  return [=](Place &place) {
    place.write(name, content, mode);
    return "";
  };
}

Prepare exchanger(const Place::Options &options, const std::string &arguments = "") {
  return [=](Place &place) {
    place.serve(options);
    return arguments;
  };
}

Prepare program(const std::string &content, int mode) {
  return [=](Place &place) {
    place.serve();
    place.write("train", content, mode);
    return "-- ./train --fast";
  };
}

std::string unreadable_profile(Place &place) {
  place.drop_rights();
  place.set("FLARE_AGENT_PROFILE", place.write("p.json", "{}", 0));
  return "";
}

std::string missing_socket(Place &place) { return url("zmq+ipc://" + place.in("none.sock"))(place); }

std::string forbidden_socket(Place &place) {
  place.serve();
  place.drop_rights();
  std::filesystem::permissions(place.in("x.sock"), std::filesystem::perms::none);
  return "";
}

std::string stale_socket(Place &place) {
  const std::string path = place.in("x.sock");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
  ::close(fd);
  return url("zmq+ipc://" + path)(place);
}

std::string free_port(Place &place) { return url("zmq+tcp://127.0.0.1:" + Place().listen(1))(place); }

std::string full_port(Place &place) {
  url("zmq+tcp://127.0.0.1:" + place.fill(place.listen(0)))(place);
  return "--timeout 0.5";
}

std::string silent_port(Place &place) {
  url("zmq+tcp://127.0.0.1:" + place.listen(10))(place);
  return "--timeout 0.5";
}

std::string unknown_host(Place &place) {
  url("zmq+tcp://" + std::string(64, 'x') + ":9")(place);  // no name server is asked for such a name
  return "--option allow_insecure=true";
}

std::string later_library(Place &place) {
  place.serve();
  place.set("LD_PRELOAD", FLARE_TEST_BIN_DIR "/flare_agent_0_3.so");
  place.set("ASAN_OPTIONS", "verify_asan_link_order=0");
  return "";
}

std::string occupied(Place &place) {
  place.serve();
  place.occupy();
  return "";
}

std::string ended(Place &place) {
  place.serve();
  flare::call(flare_exchanger_end, place.exchanger(), "enough");
  return "";
}

// Only the key of somebody else is admitted.
void serve_with_keys(Place &place) {
  for (const char *const name : {"site", "trainer", "other"}) make_keys(place.in(name));
  place.serve({{"url", "zmq+tcp://127.0.0.1:*"},
               {"curve_secret_key_file", place.in("site.secret")},
               {"curve_admitted_keys_file", place.in("other.public")}});
}

std::string key_not_admitted(Place &place) {
  serve_with_keys(place);
  place.set("FLARE_AGENT_CURVE_SECRET_KEY_FILE", "trainer.secret");
  place.set("FLARE_AGENT_CURVE_EXCHANGER_KEY_FILE", "site.public");
  return "";
}

std::string no_keys(Place &place) {
  serve_with_keys(place);
  return "";
}

Prepare secret_key(const std::string &content) {
  return [=](Place &place) {
    url("zmq+tcp://127.0.0.1:9")(place);
    if (!content.empty()) place.write("trainer.secret", content);
    place.set("FLARE_AGENT_CURVE_EXCHANGER_KEY", std::string(40, '0'));
    return variable("FLARE_AGENT_CURVE_SECRET_KEY_FILE", "trainer.secret")(place);
  };
}

std::string second_rank(Place &place) {
  place.serve();
  place.set("WORLD_SIZE", "2");
  return variable("RANK", "1")(place);
}

std::string empty_rendezvous(Place &place) {
  place.set("FLARE_AGENT_RENDEZVOUS_DIR", place.folder().string());
  return "--timeout 1";
}

#ifdef FLARE_TEST_MOUNTS
std::string noexec_program(Place &place) {
  place.serve();
  place.mount_noexec("mounted/train");
  return "-- ./mounted/train";
}
#endif

// The head of a program for no processor of ours.
std::string foreign_program() {
  std::string head(
      "\x7f"
      "ELF\x02\x01\x01",
      7);
  head.resize(64);
  head[16] = 2;   // an executable
  head[18] = 36;  // for the NEC V800
  return head;
}

// Away from its own place it finds no library of ours.
std::string moved_program(Place &place) {
  place.serve();
  std::filesystem::copy_file(FLARE_TEST_BIN_DIR "/flare-agent", place.in("train"));
  return "-- ./train";
}

const char kOurs[] = "config/flare_agent.json";

const std::vector<Case> kCases = {
    {Id::kNotStarted, [](Place &) { return ""; }},
    {Id::kNoUrl, variable("FLARE_AGENT_SITE", "site-1")},
    {Id::kClientApiConfig, file("config/client_api_config.json", "{}")},
    {Id::kNvflare29, variable("NVFLARE_CLIENT_API_BOOTSTRAP", "/x")},
    {Id::kProfileMissing, variable("FLARE_AGENT_PROFILE", "none.json")},
    {Id::kProfileUnreadable, unreadable_profile},
    {Id::kProfileMalformed, file(kOurs, "{\"url\": ")},
    {Id::kProfileTooOpen, file(kOurs, R"({"url": "zmq+ipc:///x", "token": "hidden"})", 0644)},
    {Id::kUnknownOption, file(kOurs, R"({"ulr": "zmq+ipc:///x"})")},
    {Id::kBadValue, variable("FLARE_AGENT_CONNECT_TIMEOUT", "soon")},
    {Id::kBadUrl, url("http://127.0.0.1:80")},
    {Id::kSocketPathTooLong, url("zmq+ipc:///" + std::string(107, 'x'))},
    {Id::kMemoryUrl, url("memory://x")},
    {Id::kNotEncrypted, url("zmq+tcp://192.0.2.1:9")},
    {Id::kKeyMissing, secret_key("")},
    {Id::kKeyMalformed, secret_key("secret short\n")},
    {Id::kKeyNotAdmitted, key_not_admitted},
    {Id::kKeysDiffer, no_keys},
    {Id::kNotRankZero, second_rank},
    {Id::kNoJob, empty_rendezvous},
    {Id::kSocketMissing, missing_socket},
    {Id::kSocketNotPermitted, forbidden_socket},
    {Id::kSocketStale, stale_socket},
    {Id::kNobodyListens, free_port},
    {Id::kHostUnknown, unknown_host},
    {Id::kHostUnreachable, full_port},
    {Id::kNoAnswer, silent_port},
    {Id::kWrongToken, exchanger({}, "--option token=another")},
    {Id::kWrongAgentId, exchanger({{"agent_id", "digits"}})},
    {Id::kWireVersion, later_library},
    {Id::kNameTaken, occupied},
    {Id::kJobOver, ended},
    {Id::kProgramMissing, exchanger({}, "-- ./train --fast")},
    {Id::kProgramNotExecutable, program("#!/bin/sh\n", 0600)},
#ifdef FLARE_TEST_MOUNTS
    {Id::kProgramNoexec, noexec_program},
#endif
    {Id::kProgramArchitecture, program(foreign_program(), 0700)},
    {Id::kProgramInterpreter, program("#! /nowhere/python -u\n", 0700)},
    {Id::kProgramLibraries, moved_program},
};

std::set<Id> ids(const Json &said) {
  std::set<Id> ids;
  for (const Entry &known : catalogue()) {
    for (const Json &finding : said["findings"]) {
      if (finding["id"] == known.name) ids.insert(known.id);
    }
  }
  return ids;
}

class DoctorFinds : public testing::TestWithParam<Case> {};

TEST_P(DoctorFinds, ThisAndNothingElse) {
  Place place;
  const std::string arguments = GetParam().prepare(place);
  const Answer answer = place.run("--json " + arguments);
  EXPECT_EQ(answer.status, 1) << answer.output;
  const Json said = Json::parse(answer.output, nullptr, false);
  ASSERT_FALSE(said.is_discarded()) << answer.output;
  EXPECT_EQ(ids(said), std::set{GetParam().id}) << answer.output;
  EXPECT_EQ(said["ok"], false);
  EXPECT_THAT(answer.output, Not(HasSubstr("hidden")));
}

std::string name_of(const testing::TestParamInfo<Case> &info) {
  std::string name = entry(info.param.id).name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(InItsPlace, DoctorFinds, testing::ValuesIn(kCases), name_of);

TEST(Doctor, HasAPlaceForEachFinding) {
  // Judged by facts alone (diagnose_test.cpp): these want another installation, or an exchanger of another release.
  std::set<Id> seen = {Id::kLibraryOlder, Id::kNoCurve, Id::kRefused, Id::kOpenFailed};
  seen.insert(Id::kUnknownVariable);  // a warning: below
#ifndef FLARE_TEST_MOUNTS
  seen.insert(Id::kProgramNoexec);
#endif
  for (const Case &known : kCases) seen.insert(known.id);
  for (const Entry &known : catalogue()) EXPECT_TRUE(seen.contains(known.id)) << known.name;
}

// What NVFlare 2.8 leaves for a trainer.
Prepare of_nvflare(const std::string &url, const std::string &format) {
  const Json pipe = {{"CLASS_NAME", "nvflare.fuel.utils.pipe.cell_pipe.CellPipe"},
                     {"ARG", {{"site_name", "s"}, {"token", "j"}, {"root_url", url}, {"secure_mode", false}}}};
  const Json content = {{"TASK_EXCHANGE", {{"exchange_format", format}, {"pipe", pipe}}}};
  return file("config/client_api_config.json", content.dump());
}

TEST(Doctor, NamesTheSettingOfAJobOrSiteThatWantsPython) {
  struct {
    std::string url, format, setting;
  } const cases[] = {
      {"grpc://localhost:1", "numpy", "comm_config.json"},
      {"http://localhost:1", "numpy", "comm_config.json"},
      {"tcp://localhost:1", "pytorch", "params_exchange_format"},
  };
  for (const auto &[url, format, setting] : cases) {
    Place place;
    of_nvflare(url, format)(place);
    const Answer answer = place.run("");
    EXPECT_EQ(answer.status, 1);
    EXPECT_THAT(answer.output, AllOf(HasSubstr("client-api-config"), HasSubstr(setting)));
  }
}

TEST(Doctor, FindsTheTrainerInThePlaceOfNvflares) {
  const std::string url = "tcp://localhost:1";
  flare::Options options;
  for (const auto &[name, value] : std::map<std::string, std::string>{
           {"url", "cell+" + url}, {"site", "s"}, {"agent_id", "j"}, {"connect_timeout", "none"}}) {
    options.set(name, value);
  }
  const flare::Agent trainer(options);
  Place place;
  of_nvflare(url, "numpy")(place);
  const Answer answer = place.run("");
  EXPECT_EQ(answer.status, 1);
  EXPECT_THAT(answer.output, HasSubstr("name-taken"));
}

TEST(Doctor, SaysThatAllIsWell) {
  Place place;
  place.serve();
  place.set("FLARE_AGENT_LIBRARY", "/x");  // for the bindings
  const Answer answer = place.run("--option site=here -- /bin/sh -c exit");
  EXPECT_EQ(answer.status, 0);
  EXPECT_THAT(answer.output, AllOf(HasSubstr("environment variable FLARE_AGENT_URL"), HasSubstr("argument"),
                                   HasSubstr("default"), HasSubstr("***"), HasSubstr("connected in"),
                                   HasSubstr("site 'site-1', job 'job-1'"), HasSubstr("all is well")));
  EXPECT_THAT(answer.output, Not(HasSubstr("hidden")));
}

TEST(Doctor, SaysItToMachines) {
  Place place;
  place.serve();
  const Answer answer = place.run("--json -- /bin/sh");
  const Json said = Json::parse(answer.output, nullptr, false);
  ASSERT_FALSE(said.is_discarded()) << answer.output;
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(said["ok"], true);
  EXPECT_EQ(said["session"]["job_id"], "job-1");
  EXPECT_EQ(said["program"]["kind"], "ELF");
  EXPECT_EQ(said["findings"].size(), 0u);
  EXPECT_EQ(said["options"][0]["name"], "url");
}

TEST(Doctor, FindsAProfileThatLiesThere) {
  Place place;
  place.serve();
  const std::string url = flare_exchanger_url(place.exchanger());
  place.set("FLARE_AGENT_URL", "nvflare:");
  place.write("config/flare_agent.json", R"({"token": "hidden", "url": ")" + url + "\"}");
  const Answer answer = place.run("");
  EXPECT_EQ(answer.status, 0) << answer.output;
  EXPECT_THAT(answer.output,
              AllOf(HasSubstr("(profile config/flare_agent.json)"), HasSubstr("found in the working directory")));
}

TEST(Doctor, AMisspeltVariableIsNamedAndDoesNotFailIt) {
  Place place;
  place.serve();
  place.set("FLARE_AGENT_JOBID", "1");
  const Answer answer = place.run("");
  EXPECT_EQ(answer.status, 0) << answer.output;
  EXPECT_THAT(answer.output, AllOf(HasSubstr("warning: unknown-variable"), HasSubstr("did you mean 'job_id'")));
}

TEST(Doctor, LeavesTheTaskToTheTrainer) {
  Place place;
  place.serve();
  flare_request *request = nullptr;
  flare::call(flare_request_new, place.exchanger(), "train", &request);
  flare::call(flare_request_send, request);
  EXPECT_EQ(place.run("").status, 0);
  place.occupy();
  flare_task *task = nullptr;
  EXPECT_EQ(flare_agent_next_task(place.agent(), 10'000, &task, nullptr), FLARE_OK);
  flare_task_free(task);
  flare_request_free(request);
}

TEST(Doctor, AWrongCommandLineIsNotAFinding) {
  Place place;
  EXPECT_GT(place.run("--timeout never").status, 1);
  EXPECT_THAT(place.run("--option url").output, HasSubstr("write NAME=VALUE"));
}

}  // namespace
}  // namespace flare_tool::doctor
