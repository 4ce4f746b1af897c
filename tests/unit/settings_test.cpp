#include "config/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/failure.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// What is wrong with a value, or "" when it is taken.
std::string problem_with(const std::string &name, const std::string &value) {
  try {
    Options().set(name, value);
    return "";
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    return failure.what();
  }
}

Settings with(const std::string &name, const std::string &value) {
  Settings settings;
  apply_option(&settings, name, value, "the test");
  return settings;
}

constexpr const char *kDurations[] = {
    "connect_timeout",           "close_timeout",      "heartbeat_interval",    "heartbeat_timeout",
    "resend_interval",           "reconnect_interval", "submit_result_timeout", "streaming_idle_timeout",
    "download_complete_timeout", "peer_read_timeout",  "warm_timeout"};

// Everything that can be set, to compare whole settings.
auto fields(const Settings &s) {
  return std::tie(
      s.url, s.agent_id, s.site, s.job_id, s.token, s.rendezvous_dir, s.rank, s.connect_timeout, s.close_timeout,
      s.heartbeat_interval, s.heartbeat_timeout, s.resend_interval, s.max_resends, s.submit_result_timeout,
      s.streaming_idle_timeout, s.download_complete_timeout, s.peer_read_timeout, s.launch_once, s.reconnect_interval,
      s.train_task_name, s.evaluate_task_name, s.submit_model_task_name, s.params_transfer_type, s.check_results,
      s.metric_queue, s.warm_bytes, s.warm_timeout, s.allow_insecure, s.curve_secret_key_file,
      s.curve_admitted_keys_file, s.curve_exchanger_key, s.curve_exchanger_key_file, s.advertise, s.trainer_profile,
      s.cell_parent, s.cell_security, s.cell_naming, s.cell_metrics, s.cell_arrays, s.workspace_dir, s.auth_token,
      s.auth_token_signature, s.log_level, s.log_file, s.limits.max_tensor_bytes, s.limits.max_message_bytes);
}
constexpr size_t kFields = std::tuple_size_v<decltype(fields(Settings()))>;

TEST(OptionTable, HasEveryFieldOnceAndTheProfile) {
  std::set<std::string> names;
  for (size_t i = 0; i < option_count(); ++i) names.insert(option_at(i).name);
  EXPECT_EQ(names.size(), option_count());
  EXPECT_EQ(option_count(), kFields + 1);
}

TEST(OptionTable, EveryOptionChangesAFieldOfItsOwn) {
  const std::map<std::string, std::string> others = {
      {"max_resends", "7"},       {"metric_queue", "7"},
      {"allow_insecure", "true"}, {"curve_exchanger_key", std::string(40, '7')},
      {"launch_once", "false"},   {"params_transfer_type", "DIFF"},
      {"check_results", "false"}, {"log_level", "info"},
      {"cell_security", "mtls"},  {"cell_naming", "2.9.dev"},
      {"cell_metrics", "false"},  {"cell_arrays", "inside"}};
  std::set<std::string> changes;
  for (size_t i = 0; i < option_count(); ++i) {
    const std::string name = option_at(i).name;
    if (name == "profile") continue;
    const auto other = others.find(name);
    const Settings settings = with(name, other == others.end() ? "77" : other->second);
    std::string changed;
    const auto compare = [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
      const Settings defaults;
      ((changed += std::get<kIndex>(fields(settings)) == std::get<kIndex>(fields(defaults)) ? '-' : 'x'), ...);
    };
    compare(std::make_index_sequence<kFields>());
    EXPECT_EQ(std::count(changed.begin(), changed.end(), 'x'), 1) << name;
    EXPECT_TRUE(changes.insert(changed).second) << name << " changes the field of another option";
  }
}

TEST(OptionTable, DefaultsAreThoseOfTheSettings) {
  for (size_t i = 0; i < option_count(); ++i) {
    const Option &option = option_at(i);
    Settings settings;
    if (*option.default_value != '\0') settings = with(option.name, option.default_value);
    EXPECT_EQ(fields(settings), fields(Settings())) << option.name;
  }
}

TEST(OptionTable, HelpIsOneOrTwoSentences) {
  for (size_t i = 0; i < option_count(); ++i) {
    const std::string help = option_at(i).help;
    EXPECT_TRUE(help.size() > 20 && help.size() < 220 && help.back() == '.') << option_at(i).name;
    EXPECT_EQ(help.find('\n'), std::string::npos) << option_at(i).name;
  }
}

TEST(OptionValues, DurationsAreDecimalSeconds) {
  EXPECT_EQ(with("close_timeout", "1.5").close_timeout, 1500ms);
  EXPECT_EQ(with("close_timeout", "1e-3").close_timeout, 1ms);
  EXPECT_EQ(with("connect_timeout", "0.000000001").connect_timeout, 1ns);
  EXPECT_EQ(with("connect_timeout", "315360000").connect_timeout, 24h * 3650);
  for (const std::string name : kDurations) {
    EXPECT_EQ(problem_with(name, "77"), "") << name;
    for (const char *value : {"", " ", "5s", " 5", "5 ", "-1", "-0.001", "nan", "inf", "0x5", "1,5", "315360001",
                              "unlimited", "None", "1e999"}) {
      EXPECT_THAT(problem_with(name, value),
                  AllOf(HasSubstr("option " + name + ": "), HasSubstr("number of seconds"), HasSubstr(value)))
          << name;
    }
  }
}

TEST(OptionValues, NoTimeAtAllIsRefusedWithWhatToWriteInstead) {
  for (const std::string name : kDurations) {
    for (const char *value : {"0", "0.0", "-0", "0.0000000001"}) {
      EXPECT_THAT(problem_with(name, value), HasSubstr("is no time at all; ")) << name << ' ' << value;
    }
  }
  EXPECT_EQ(problem_with("heartbeat_timeout", "0"),
            "option heartbeat_timeout: the value '0' (set by flare_options_set) is no time at all; to wait for a "
            "silent peer for ever write 'none'");
  EXPECT_THAT(problem_with("resend_interval", "0"), HasSubstr("max_resends to 0"));
}

TEST(OptionValues, SomeDurationsMayBeNone) {
  EXPECT_EQ(with("connect_timeout", "none").connect_timeout, std::nullopt);
  EXPECT_EQ(with("heartbeat_timeout", "none").heartbeat_timeout, std::nullopt);
  EXPECT_EQ(with("streaming_idle_timeout", "none").streaming_idle_timeout, std::nullopt);
  for (const char *name :
       {"close_timeout", "heartbeat_interval", "resend_interval", "reconnect_interval", "submit_result_timeout"}) {
    EXPECT_NE(problem_with(name, "none"), "") << name;
  }
}

TEST(OptionValues, SizesAreBytesOrHaveAUnit) {
  const auto size = [](const std::string &value) { return with("max_tensor_bytes", value).limits.max_tensor_bytes; };
  EXPECT_EQ(size("1"), 1u);
  EXPECT_EQ(size("123456789012"), 123456789012u);
  EXPECT_EQ(size("3KiB"), 3u << 10);
  EXPECT_EQ(size("3MiB"), 3u << 20);
  EXPECT_EQ(size("3GiB"), 3ull << 30);
  EXPECT_EQ(size("3TiB"), 3ull << 40);
  EXPECT_EQ(size("8388607TiB"), 8388607ull << 40);
  EXPECT_EQ(with("max_message_bytes", "5GiB").limits.max_message_bytes, 5ull << 30);
  for (const char *value : {"", "0", "0KiB", "-1", "1.5GiB", "KiB", "1KB", "1kib", "1 KiB", "1KiBKiB", "1MiBKiB",
                            "8388608TiB", "9223372036854775808", "99999999999999999999", "unlimited", "none"}) {
    EXPECT_THAT(problem_with("max_tensor_bytes", value), HasSubstr("is not a size")) << value;
  }
}

TEST(OptionValues, CountsHaveARange) {
  EXPECT_EQ(with("max_resends", "0").max_resends, 0);
  EXPECT_EQ(with("max_resends", "unlimited").max_resends, std::nullopt);
  for (const char *value : {"", "-1", "1.5", "none", "1000001"}) EXPECT_NE(problem_with("max_resends", value), "");
  EXPECT_EQ(with("metric_queue", "1").metric_queue, 1);
  for (const char *value : {"", "0", "10000001"}) {
    EXPECT_THAT(problem_with("metric_queue", value), HasSubstr("from 1 to 10000000"));
  }
}

TEST(OptionValues, FlagsHaveThreeSpellings) {
  for (const char *value : {"true", "1", "yes"}) EXPECT_TRUE(with("allow_insecure", value).allow_insecure);
  for (const char *value : {"false", "0", "no"}) EXPECT_FALSE(with("allow_insecure", value).allow_insecure);
  for (const char *value : {"", "on", "True", "2"}) EXPECT_NE(problem_with("allow_insecure", value), "") << value;
}

TEST(OptionValues, RanksAreNumbersOrWords) {
  for (const char *value : {"auto", "ignore", "0", "3"}) EXPECT_EQ(with("rank", value).rank, value);
  for (const char *value : {"", "-1", "1.5", "none"})
    EXPECT_THAT(problem_with("rank", value), HasSubstr("rank")) << value;
}

TEST(OptionValues, LogLevelsAreSix) {
  for (const char *level : {"debug", "info", "warn", "error", "off"}) {
    EXPECT_EQ(with("log_level", level).log_level, level);
  }
  EXPECT_THAT(problem_with("log_level", "warning"), HasSubstr("debug, info, warn, error, off"));
  EXPECT_NE(problem_with("log_level", ""), "");
}

TEST(OptionValues, TransferTypesAreTwo) {
  for (const char *type : {"FULL", "DIFF"}) {
    EXPECT_EQ(with("params_transfer_type", type).params_transfer_type, type);
  }
  for (const char *value : {"", "diff", "HALF"}) {
    EXPECT_THAT(problem_with("params_transfer_type", value), HasSubstr("is none of FULL, DIFF"));
  }
}

TEST(OptionValues, NamesAreTextOnOneLine) {
  for (const char *name : {"train_task_name", "evaluate_task_name", "submit_model_task_name"}) {
    EXPECT_THAT(problem_with(name, ""), HasSubstr("is empty"));
  }
  for (const char *name : {"train_task_name", "site", "job_id", "url", "log_file", "profile"}) {
    EXPECT_EQ(problem_with(name, "Universit\xc3\xa4t 1"), "");
    EXPECT_EQ(problem_with(name, std::string(4096, 'a')), "");
    EXPECT_THAT(problem_with(name, std::string(4097, 'a')), HasSubstr("longer than 4096 bytes"));
    EXPECT_THAT(problem_with(name, "two\nlines"), HasSubstr("'two?lines'")) << "a message is one line, too";
    EXPECT_THAT(problem_with(name, "\x7f"), HasSubstr("control characters"));
    EXPECT_THAT(problem_with(name, "\xff"), HasSubstr("(not UTF-8)"));
  }
  for (const char *name : {"site", "job_id", "url", "log_file", "profile"}) EXPECT_EQ(problem_with(name, ""), "");
}

TEST(OptionValues, AgentIdsAreOfAFewCharacters) {
  EXPECT_EQ(with("agent_id", "A-z_0.9").agent_id, "A-z_0.9");
  EXPECT_EQ(problem_with("agent_id", std::string(128, 'x')), "");
  for (const std::string &value : {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a/b"),
                                   std::string("\xc3\xa4"), std::string("a\0b", 3)}) {
    EXPECT_NE(problem_with("agent_id", value), "") << value;
  }
}

TEST(OptionValues, ATokenIsAnyTextAndNeverShown) {
  EXPECT_EQ(with("token", "two\nlines \x7f").token, "two\nlines \x7f");
  EXPECT_EQ(with("token", std::string(4096, 's')).token.size(), 4096u);
  EXPECT_EQ(problem_with("token", std::string(4097, 's')),
            "option token: the value (set by flare_options_set) is longer than 4096 bytes");
  EXPECT_EQ(problem_with("token", "secret\xff"), "option token: the value (set by flare_options_set) is not UTF-8");
}

TEST(OptionValues, LongValuesAreShownInPart) {
  std::string umlauts;
  for (int i = 0; i < 3000; ++i) umlauts += "\xc3\xa4";
  const std::string problem = problem_with("site", "a" + umlauts);
  EXPECT_LT(problem.size(), 250u);
  EXPECT_THAT(problem, HasSubstr("\xc3\xa4...'")) << "cut between two characters";
}

TEST(OptionNames, TheNearestIsSuggested) {
  EXPECT_EQ(problem_with("heartbeat_timout", "5"),
            "unknown option 'heartbeat_timout'; did you mean 'heartbeat_timeout'?");
  EXPECT_EQ(problem_with("URL", "x"), "unknown option 'URL'; did you mean 'url'?");
  EXPECT_THAT(problem_with("xyzzy_plugh_xyzzy", "5"), Not(HasSubstr("did you mean")));
  EXPECT_THAT(problem_with("", "5"), HasSubstr("unknown option ''"));
}

TEST(OptionSet, TheLastValueStandsAndARefusedOneDoesNot) {
  Options options;
  options.set("close_timeout", "1");
  options.set("close_timeout", "2");
  EXPECT_THROW(options.set("close_timeout", "-3"), Failure);
  EXPECT_THAT(options.values(), testing::ElementsAre(testing::Pair("close_timeout", "2")));
}

}  // namespace
}  // namespace flare
