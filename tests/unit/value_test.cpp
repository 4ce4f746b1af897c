#include "model/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/failure.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string number_name(size_t i) { return "layer" + std::to_string(i); }

// Keys layer0, layer1 ... with their numbers as values.
Map numbered(size_t count) {
  Map map;
  for (size_t i = 0; i < count; ++i) map.set(number_name(i), static_cast<int64_t>(i));
  return map;
}

std::vector<std::string> keys_of(const Map &map) {
  std::vector<std::string> keys;
  for (const auto &[key, value] : map) keys.push_back(key);
  return keys;
}

int64_t found(const Map &map, std::string_view key) {
  const Value *value = map.find(key);
  return value == nullptr ? -1 : value->integer().value_or(-2);
}

TEST(Map, IsEmptyAtFirst) {
  Map map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.find("a"), nullptr);
  EXPECT_EQ(map.find(""), nullptr);
  EXPECT_FALSE(map.erase("a"));
  EXPECT_TRUE(map.begin() == map.end());
}

// Small maps are scanned and large ones have an index: the sizes lie on both sides of the change.
class MapOfSize : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, MapOfSize, testing::Values(1, 2, 31, 32, 33, 34, 200));

TEST_P(MapOfSize, FindsWhatItHasAndNothingElse) {
  const Map map = numbered(GetParam());
  ASSERT_EQ(map.size(), GetParam());
  EXPECT_FALSE(map.empty());
  for (size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(found(map, number_name(i)), static_cast<int64_t>(i));
  EXPECT_EQ(map.find(number_name(GetParam())), nullptr);
  EXPECT_EQ(map.find(""), nullptr);
  EXPECT_EQ(map.find("layer"), nullptr);
}

TEST_P(MapOfSize, KeepsTheOrderOfInsertion) {
  Map map;
  std::vector<std::string> keys;
  for (size_t i = 0; i < GetParam(); ++i) {
    keys.push_back(number_name((i * 7919) % 1009));  // in no order of the alphabet
    map.set(keys.back(), static_cast<int64_t>(i));
  }
  EXPECT_EQ(keys_of(map), keys);
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(map.at(i).first, keys[i]);
}

TEST_P(MapOfSize, ReplacesInPlace) {
  Map map = numbered(GetParam());
  const auto keys = keys_of(map);
  const std::string middle = number_name(GetParam() / 2);
  map.set(middle, 1000);
  EXPECT_EQ(found(map, middle), 1000);
  EXPECT_EQ(keys_of(map), keys);
}

TEST_P(MapOfSize, ChangesThroughFindAndIteration) {
  Map map = numbered(GetParam());
  *map.find(number_name(0)) = "text";
  EXPECT_EQ(*map.at(0).second.text(), "text");
  for (auto &[key, value] : map) value = 7;
  for (size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(found(map, number_name(i)), 7);
}

TEST_P(MapOfSize, ErasesOneAndKeepsTheOthersInOrder) {
  for (size_t gone = 0; gone < GetParam(); ++gone) {
    Map map = numbered(GetParam());
    auto keys = keys_of(map);
    EXPECT_TRUE(map.erase(number_name(gone)));
    EXPECT_FALSE(map.erase(number_name(gone)));
    keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(gone));
    EXPECT_EQ(keys_of(map), keys);
    for (size_t i = 0; i < GetParam(); ++i) {
      EXPECT_EQ(found(map, number_name(i)), i == gone ? -1 : static_cast<int64_t>(i)) << gone;
    }
  }
}

TEST_P(MapOfSize, ErasesByAKeyOfItsOwn) {
  Map map = numbered(GetParam());
  while (!map.empty()) EXPECT_TRUE(map.erase(map.at(map.size() / 2).first));
  map.set("again", 1);
  EXPECT_EQ(found(map, "again"), 1);
  EXPECT_EQ(map.find(number_name(0)), nullptr);
}

TEST_P(MapOfSize, CopiesShareNothing) {
  Map original = numbered(GetParam());
  Map copy = original;
  EXPECT_TRUE(copy.erase(number_name(0)));
  copy.set("new", 1);
  copy.set(number_name(GetParam() - 1), 500);
  EXPECT_EQ(keys_of(original), keys_of(numbered(GetParam())));
  for (size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(found(original, number_name(i)), static_cast<int64_t>(i));
  EXPECT_EQ(original.find("new"), nullptr);

  original = Map();  // and the copy lives on alone
  EXPECT_EQ(found(copy, "new"), 1);
  EXPECT_EQ(found(copy, number_name(GetParam() - 1)), 500);
}

TEST_P(MapOfSize, MovesLeaveAMapThatCanBeFilledAgain) {
  Map map = numbered(GetParam());
  const Map moved = std::move(map);
  EXPECT_EQ(found(moved, number_name(GetParam() - 1)), static_cast<int64_t>(GetParam()) - 1);
  map = numbered(3);
  map.set("x", 9);
  EXPECT_EQ(found(map, "x"), 9);
  EXPECT_EQ(found(map, number_name(2)), 2);
}

TEST_P(MapOfSize, CanBeReadBySeveralThreads) {
  const Map map = numbered(GetParam());  // the thread sanitizer looks
  const auto read = [&] {
    for (size_t i = 0; i < GetParam(); ++i) EXPECT_EQ(found(map, number_name(i)), static_cast<int64_t>(i));
  };
  std::thread other(read);
  read();
  other.join();
}

TEST(Map, DoesWhatAPlainListDoes) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    Map map;
    std::vector<std::pair<std::string, int64_t>> plain;
    for (int64_t step = 0; step < 300; ++step) {
      const std::string key = number_name(random() % 60);
      const auto at = std::find_if(plain.begin(), plain.end(), [&](const auto &entry) { return entry.first == key; });
      if (random() % 3 > 0) {
        map.set(key, step);
        if (at == plain.end()) {
          plain.emplace_back(key, step);
        } else {
          at->second = step;
        }
      } else {
        ASSERT_EQ(map.erase(key), at != plain.end());
        if (at != plain.end()) plain.erase(at);
      }
      ASSERT_EQ(map.size(), plain.size());
    }
    for (size_t i = 0; i < plain.size(); ++i) {
      ASSERT_EQ(map.at(i).first, plain[i].first);
      ASSERT_EQ(found(map, plain[i].first), plain[i].second);
    }
  }
}

// The bound is far above what it takes and far below what scanning would take.
TEST(Map, HoldsTheTensorsOfALargeModel) {
  const auto begin = std::chrono::steady_clock::now();
  constexpr size_t kCount = 100'000;
  const Map map = numbered(kCount);
  for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(found(map, number_name(i)), static_cast<int64_t>(i));
  const Value again = value_from_json(value_to_json(map), Limits());
  EXPECT_EQ(again.map()->size(), kCount);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(40));
}

TEST(Value, HasTheTypesOfTheHeader) {
  const std::vector<std::pair<Value, flare_value_type>> all = {
      {Value(), FLARE_VALUE_NONE},
      {true, FLARE_VALUE_BOOL},
      {1, FLARE_VALUE_INT},
      {int64_t{1}, FLARE_VALUE_INT},
      {1.0, FLARE_VALUE_DOUBLE},
      {1.0f, FLARE_VALUE_DOUBLE},
      {"text", FLARE_VALUE_TEXT},
      {std::string("text"), FLARE_VALUE_TEXT},
      {std::string_view("text"), FLARE_VALUE_TEXT},
      {Bytes(), FLARE_VALUE_BYTES},
      {List(), FLARE_VALUE_LIST},
      {Map(), FLARE_VALUE_MAP},
      {Tensor(), FLARE_VALUE_TENSOR},
      {OpaqueObject(), FLARE_VALUE_OPAQUE},
      {Value::Data(std::string("text")), FLARE_VALUE_TEXT},
  };
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].first.type(), all[i].second) << i;
}

TEST(Value, IsNotMadeFromWhatWouldLoseItsMeaning) {
  EXPECT_FALSE((std::is_constructible_v<Value, int *>));     // no BOOL
  EXPECT_FALSE((std::is_constructible_v<Value, uint64_t>));  // no DOUBLE
}

TEST(Value, GivesOnlyWhatItHolds) {
  EXPECT_EQ(Value(5).integer(), 5);
  EXPECT_EQ(Value(true).integer(), 1);
  EXPECT_EQ(Value(false).integer(), 0);
  EXPECT_EQ(Value(5.0).integer(), std::nullopt);
  EXPECT_EQ(Value("5").integer(), std::nullopt);
  EXPECT_EQ(Value(2.5).number(), 2.5);
  EXPECT_EQ(Value(-5).number(), -5.0);
  EXPECT_EQ(Value(true).number(), std::nullopt);
  EXPECT_EQ(Value().number(), std::nullopt);
  EXPECT_EQ(*Value("a").text(), "a");
  EXPECT_EQ(Value(1).text(), nullptr);
  EXPECT_EQ(Value(1).map(), nullptr);
  EXPECT_EQ(Value(1).list(), nullptr);
  EXPECT_EQ(Value(1).tensor(), nullptr);
}

Value parse(std::string_view json) { return value_from_json(json, Limits()); }

std::string refusal(std::string_view json, const Limits &limits = Limits()) {
  try {
    value_from_json(json, limits);
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    return failure.what();
  }
  ADD_FAILURE() << "was taken: " << json.substr(0, 100);
  return "";
}

TEST(FromJson, TakesEveryKind) {
  EXPECT_EQ(parse("null").type(), FLARE_VALUE_NONE);
  EXPECT_EQ(std::get<bool>(parse("true").data()), true);
  EXPECT_EQ(std::get<bool>(parse("false").data()), false);
  EXPECT_EQ(std::get<int64_t>(parse("-12").data()), -12);
  EXPECT_EQ(std::get<double>(parse("1.5e3").data()), 1500.0);
  EXPECT_EQ(std::get<double>(parse("2.0").data()), 2.0);
  EXPECT_EQ(*parse(R"("a\n\u00e9\ud83d\ude00")").text(), "a\n\u00e9\U0001f600");
  EXPECT_EQ(parse("[]").list()->size(), 0u);
  EXPECT_EQ(parse("{}").map()->size(), 0u);
  EXPECT_EQ(parse(" \n\t[ 1 ] ").list()->size(), 1u);
}

TEST(FromJson, BuildsNestedValuesInTheirOrder) {
  const Value value = parse(R"({"z": [1, {"y": null, "x": "t"}, []], "a": {"b": {"c": -1.5}}, "m": true})");
  EXPECT_EQ(keys_of(*value.map()), (std::vector<std::string>{"z", "a", "m"}));
  const List &list = *value.map()->find("z")->list();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].integer(), 1);
  EXPECT_EQ(keys_of(*list[1].map()), (std::vector<std::string>{"y", "x"}));
  EXPECT_EQ(*list[1].map()->find("x")->text(), "t");
  EXPECT_TRUE(list[2].list()->empty());
  EXPECT_EQ(value.map()->find("a")->map()->find("b")->map()->find("c")->number(), -1.5);
  EXPECT_EQ(value_to_json(value), R"({"z":[1,{"y":null,"x":"t"},[]],"a":{"b":{"c":-1.5}},"m":true})");
}

TEST(FromJson, TakesTheLastOfARepeatedKey) {
  EXPECT_EQ(value_to_json(parse(R"({"a": 1, "b": 2, "a": 3})")), R"({"a":3,"b":2})");
}

TEST(FromJson, KeepsIntegersAsLongAsTheyFit) {
  EXPECT_EQ(std::get<int64_t>(parse("9223372036854775807").data()), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(std::get<int64_t>(parse("-9223372036854775808").data()), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(std::get<double>(parse("9223372036854775808").data()), 9223372036854775808.0);
  EXPECT_EQ(std::get<double>(parse("18446744073709551615").data()), 18446744073709551615.0);
  EXPECT_EQ(std::get<double>(parse("18446744073709551616").data()), 18446744073709551616.0);
  EXPECT_EQ(std::get<double>(parse("-9223372036854775809").data()), -9223372036854775809.0);
}

TEST(FromJson, RefusesWhatIsNotJson) {
  for (const char *text :
       {"",     " ",        "nul",   "NaN", "Infinity", "-",   "01",  "1.",      "+1",          "'a'",
        "[1,]", "{\"a\":}", "{a:1}", "[1",  "\"a",      "1 2", "{}x", "// c\n1", "\"\\ud800\"", "\"a\nb\""}) {
    EXPECT_THAT(refusal(text), HasSubstr("does not parse at line ")) << text;
  }
}

TEST(FromJson, SaysWhere) {
  EXPECT_THAT(refusal("[1, x]"), HasSubstr("line 1, column 5"));
  EXPECT_THAT(refusal("{\n  \"a\": 1,\n  b\n}"), HasSubstr("line 3, column 3"));
  EXPECT_THAT(refusal("{\"a\": 1"), HasSubstr("line 1, column 7"));
  EXPECT_THAT(refusal(""), HasSubstr("line 1, column 1"));
  // What is quoted neither grows with the text nor is cut within a character.
  EXPECT_LT(refusal("[\"" + std::string(10'000, 'x')).size(), 100u);
}

TEST(FromJson, RefusesNumbersBeyondADouble) {
  EXPECT_THAT(refusal("[1,\n 1e999]"), AllOf(HasSubstr("beyond a double"), HasSubstr("line 2")));
}

TEST(FromJson, RefusesTextThatIsNotUtf8) {
  EXPECT_THAT(refusal("\"a\xff\""), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("[\xc3]"), HasSubstr("UTF-8"));
}

TEST(FromJson, HoldsTheLimitOfDepth) {
  Limits limits;
  limits.max_depth = 3;
  EXPECT_EQ(value_to_json(value_from_json("[{\"a\":[1]},[[]]]", limits)), "[{\"a\":[1]},[[]]]");
  EXPECT_THAT(refusal("[{\"a\":[[]]}]", limits), HasSubstr("deeper than 3"));
  EXPECT_THAT(refusal("[[[{}]]]", limits), HasSubstr("deeper than 3"));
  EXPECT_THAT(refusal(std::string(1'000'000, '[')), HasSubstr("deeper than 32"));
}

TEST(ToJson, ShowsWhatJsonCannotSayByItsDescription) {
  List list;
  list.emplace_back(Tensor{FLARE_FLOAT32, {64, 32}, {}});
  list.emplace_back(copy_bytes("12345", 5));
  list.emplace_back(OpaqueObject{"numpy.random.Generator", copy_bytes("123", 3)});
  list.emplace_back(std::nan(""));
  list.emplace_back(std::numeric_limits<double>::infinity());
  list.emplace_back(-std::numeric_limits<double>::infinity());
  EXPECT_EQ(value_to_json(list),
            R"(["<float32[64, 32]>","<5 bytes>","<numpy.random.Generator, 3 bytes>","NaN","Infinity","-Infinity"])");
}

TEST(ToJson, TellsDoublesFromIntegers) { EXPECT_EQ(value_to_json(List{1, 1.0, 0.1, true}), "[1,1.0,0.1,true]"); }

TEST(ToJson, EscapesAndNeverFails) {
  EXPECT_EQ(value_to_json("a\"\n\u00e9"), "\"a\\\"\\n\u00e9\"");
  EXPECT_EQ(value_to_json("a\xff"), "\"a\ufffd\"");
}

}  // namespace
}  // namespace flare
