#include "config/client_api_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/failure.h"

namespace flare {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// As ClientAPILauncherExecutor of 2.8.3 writes it below a site's parent process.
json of_a_site() {
  const json pipe = {{"CLASS_NAME", "nvflare.fuel.utils.pipe.cell_pipe.CellPipe"},
                     {"ARG",
                      {{"mode", "ACTIVE"},
                       {"site_name", "site-1"},
                       {"token", "0d1c-42"},
                       {"root_url", "tcp://localhost:19117"},
                       {"secure_mode", false},
                       {"workspace_dir", "/ws/site-1"}}}};
  return {{"TASK_EXCHANGE",
           {{"train_with_eval", true},
            {"exchange_format", "numpy"},
            {"server_expected_format", "numpy"},
            {"transfer_type", "DIFF"},
            {"train_task_name", "train"},
            {"eval_task_name", "check"},
            {"submit_model_task_name", "submit_model"},
            {"pipe_channel_name", "task"},
            {"pipe", pipe},
            {"HEARTBEAT_TIMEOUT", 300.0},
            {"submit_result_timeout", 200.0},
            {"max_resends", 5},
            {"download_complete_timeout", 1800.0},
            {"launch_once", false},
            {"memory_gc_rounds", 0},
            {"cuda_empty_cache", false}}},
          {"METRICS_EXCHANGE", {{"pipe_channel_name", "metric"}, {"pipe", pipe}, {"HEARTBEAT_TIMEOUT", 0}}},
          {"site_name", "site-1"},
          {"job_id", "0d1c-42"},
          {"auth_token", "4f"},
          {"auth_token_signature", "c2ln"},
          {"root_conn_props", {{"fqcn", "server"}, {"url", "tcp://fl:8002"}, {"connection_security", "mtls"}}},
          {"cp_conn_props", {{"fqcn", "site-1"}, {"url", "tcp://localhost:19117"}, {"connection_security", "clear"}}}};
}

// With FilePipe, whose peer names no more than the folder.
json with_files() {
  json config = of_a_site();
  for (const char *key : {"TASK_EXCHANGE", "METRICS_EXCHANGE"}) {
    config[key]["pipe"] = {{"CLASS_NAME", "nvflare.fuel.utils.pipe.file_pipe.FilePipe"},
                           {"ARG", {{"mode", "ACTIVE"}, {"root_path", "/shared/" + std::string(key)}}}};
  }
  return config;
}

// As in the simulator, which tells of no connections.
json of_the_simulator() {
  json config = of_a_site();
  config.erase("root_conn_props");
  config.erase("cp_conn_props");
  for (const char *key : {"TASK_EXCHANGE", "METRICS_EXCHANGE"})
    config[key]["pipe"]["ARG"]["root_url"] = "tcp://0:46257";
  return config;
}

json &pipe_of(json *config) { return (*config)["TASK_EXCHANGE"]["pipe"]["ARG"]; }

ClientApiConfig parse(const json &config) { return parse_client_api_config("config.json", config.dump()); }

std::string refusal_of(const std::string &content) {
  try {
    parse_client_api_config("config.json", content);
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    EXPECT_THAT(failure.what(), testing::StartsWith("config.json: "));
    return failure.what();
  }
  return "taken";
}
std::string refusal_of(const json &config) { return refusal_of(config.dump()); }

TEST(ClientApiConfigFile, EverythingOfASiteIsRead) {
  const ClientApiConfig config = parse(of_a_site());
  EXPECT_EQ(config.site, "site-1");
  EXPECT_EQ(config.job_id, "0d1c-42");
  EXPECT_EQ(config.token, "0d1c-42");
  EXPECT_EQ(config.auth_token, "4f");
  EXPECT_EQ(config.auth_token_signature, "c2ln");
  EXPECT_EQ(config.workspace, "/ws/site-1");
  EXPECT_EQ(config.place.url, "tcp://localhost:19117");
  EXPECT_EQ(config.place.security, "clear");
  EXPECT_EQ(config.place.parent, "site-1");
  EXPECT_EQ(config.task_channel, "task");
  EXPECT_EQ(config.metric_channel, "metric");
  EXPECT_EQ(config.heartbeat_timeout_s, 300);
  EXPECT_EQ(config.metric_heartbeat_timeout_s, 0);
  EXPECT_EQ(config.submit_result_timeout_s, 200);
  EXPECT_EQ(config.download_complete_timeout_s, 1800);
  EXPECT_EQ(config.max_resends, 5);
  EXPECT_EQ(config.train_task, "train");
  EXPECT_EQ(config.evaluate_task, "check");
  EXPECT_EQ(config.submit_model_task, "submit_model");
  EXPECT_TRUE(config.train_with_evaluation);
  EXPECT_TRUE(config.differences);
  EXPECT_FALSE(config.launched_once);
  EXPECT_TRUE(config.pass_through);
}

TEST(ClientApiConfigFile, TheSimulatorsParentIsTheServer) {
  const ClientApiConfig config = parse(of_the_simulator());
  EXPECT_EQ(config.place.parent, "server");
  EXPECT_EQ(config.place.url, "tcp://0:46257");
  EXPECT_EQ(config.place.security, "clear");
}

TEST(ClientApiConfigFile, TheServerItselfIsReachedWithTheSitesCertificate) {
  json config = of_a_site();
  pipe_of(&config)["root_url"] = "tcp://fl:8002";
  pipe_of(&config)["secure_mode"] = true;
  const ClientApiConfig read = parse(config);
  EXPECT_EQ(read.place.parent, "server");
  EXPECT_EQ(read.place.url, "tcp://fl:8002");
  EXPECT_EQ(read.place.security, "mtls");
  config["root_conn_props"]["connection_security"] = "tls";
  EXPECT_EQ(parse(config).place.security, "tls");
}

TEST(ClientApiConfigFile, ARelayIsAParent) {
  json config = of_a_site();
  config["relay_conn_props"] = {{"fqcn", "relay-1"}, {"url", "stcp://relay:9"}};
  pipe_of(&config)["root_url"] = "stcp://relay:9";
  const ClientApiConfig read = parse(config);
  EXPECT_EQ(read.place.parent, "relay-1");
}

TEST(ClientApiConfigFile, WithoutAnUrlTheSitesParentProcessIsMeant) {
  json config = of_a_site();
  pipe_of(&config)["root_url"] = "";
  EXPECT_EQ(parse(config).place.url, "tcp://localhost:19117");
}

TEST(ClientApiConfigFile, OfATaskExchangerOnlyTheMetricsAreDescribed) {
  json config = of_a_site();
  config.erase("TASK_EXCHANGE");
  config["METRICS_EXCHANGE"]["pipe"]["ARG"]["token"] = "trainer";
  const ClientApiConfig read = parse(config);
  EXPECT_EQ(read.token, "trainer");
  EXPECT_EQ(read.job_id, "0d1c-42");
  EXPECT_EQ(read.auth_token, "4f");
  EXPECT_EQ(read.place.parent, "site-1");
  EXPECT_EQ(read.task_channel, "task");
  EXPECT_EQ(read.metric_channel, "metric");
  EXPECT_EQ(read.heartbeat_timeout_s, 60);
  EXPECT_FALSE(read.pass_through);
}

TEST(ClientApiConfigFile, WhatIsAbsentHasTheDefaultsOfNvflare) {
  json config = of_the_simulator();
  config.erase("METRICS_EXCHANGE");
  config["TASK_EXCHANGE"] = {{"pipe", config["TASK_EXCHANGE"]["pipe"]}};
  const ClientApiConfig read = parse(config);
  EXPECT_FALSE(read.metric_channel);
  EXPECT_EQ(read.max_resends, 3);
  EXPECT_TRUE(read.launched_once);
  EXPECT_FALSE(read.differences);
}

TEST(ClientApiConfigFile, AFilePipesFoldersAreRead) {
  const ClientApiConfig config = parse(with_files());
  ASSERT_TRUE(config.files);
  EXPECT_EQ(config.files->root, "/shared/TASK_EXCHANGE");
  EXPECT_EQ(config.files->metric_root, "/shared/METRICS_EXCHANGE");
  EXPECT_EQ(config.site, "site-1");
  EXPECT_EQ(config.job_id, "0d1c-42");
  EXPECT_EQ(config.metric_channel, "metric");
  EXPECT_EQ(config.submit_result_timeout_s, 200);
  EXPECT_FALSE(parse(of_a_site()).files);
}

TEST(ClientApiConfigFile, MetricsByACellBesideFilesHaveNoPlace) {
  json config = with_files();
  config["METRICS_EXCHANGE"] = of_a_site()["METRICS_EXCHANGE"];
  const ClientApiConfig read = parse(config);
  EXPECT_EQ(read.metric_channel, "metric");
  EXPECT_FALSE(read.files->metric_root);

  config = of_a_site();
  config["METRICS_EXCHANGE"] = with_files()["METRICS_EXCHANGE"];
  EXPECT_THAT(refusal_of(config), HasSubstr("metric pipe"));
}

TEST(ClientApiConfigFile, AFilePipeNeedsItsFolderAndTheTrainersEnd) {
  json config = with_files();
  pipe_of(&config).erase("root_path");
  EXPECT_THAT(refusal_of(config), HasSubstr("'TASK_EXCHANGE.pipe.ARG.root_path' is missing"));
  config = with_files();
  pipe_of(&config)["mode"] = "PASSIVE";
  EXPECT_THAT(refusal_of(config), HasSubstr("is PASSIVE"));
}

TEST(ClientApiConfigFile, WhatCannotBeDoneNamesTheSetting) {
  json config = of_a_site();
  config["TASK_EXCHANGE"]["exchange_format"] = "pytorch";
  EXPECT_THAT(refusal_of(config), AllOf(HasSubstr("'pytorch'"), HasSubstr("params_exchange_format")));

  config = of_a_site();
  config["TASK_EXCHANGE"]["pipe"]["CLASS_NAME"] = "nvflare.fuel.utils.pipe.memory_pipe.MemoryPipe";
  EXPECT_THAT(refusal_of(config), AllOf(HasSubstr("MemoryPipe"), HasSubstr("CellPipe is the default")));
}

TEST(ClientApiConfigFile, WhatIsNoneIsRefusedWithThePlace) {
  EXPECT_THAT(refusal_of(std::string("{")), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_of(std::string("[1]")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal_of(json::object()), HasSubstr("no TASK_EXCHANGE"));
  json config = of_a_site();
  config["TASK_EXCHANGE"]["pipe"].erase("ARG");
  EXPECT_THAT(refusal_of(config), HasSubstr("'TASK_EXCHANGE.pipe.ARG' is missing"));
  config = of_a_site();
  pipe_of(&config).erase("token");
  EXPECT_THAT(refusal_of(config), HasSubstr("'TASK_EXCHANGE.pipe.ARG.token' is missing"));
  for (const json &wrong : {json(-1), json("3"), json(1e300), json(18446744073709551615u)}) {
    config = of_a_site();
    config["TASK_EXCHANGE"]["max_resends"] = wrong;
    EXPECT_THAT(refusal_of(config), HasSubstr("'TASK_EXCHANGE.max_resends' must be an integer")) << wrong;
  }
  config = of_a_site();
  pipe_of(&config)["root_url"] = "tcp://elsewhere:1";
  EXPECT_THAT(refusal_of(config), HasSubstr("no address of server, site or relay"));
  config = of_a_site();
  config["TASK_EXCHANGE"]["HEARTBEAT_TIMEOUT"] = "300";
  EXPECT_THAT(refusal_of(config), HasSubstr("'TASK_EXCHANGE.HEARTBEAT_TIMEOUT' must be a number"));
}

}  // namespace
}  // namespace flare
