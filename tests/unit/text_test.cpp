#include "base/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "base/uuid.h"

namespace flare {
namespace {

std::string text_of(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

// The encoding of a code point by the arithmetic of RFC 3629, without any check.
std::string encode(uint32_t code) {
  const auto tail = [&](unsigned shift) { return static_cast<int>(0x80 | ((code >> shift) & 0x3f)); };
  const auto head = [&](unsigned mark, unsigned shift) { return static_cast<int>(mark | (code >> shift)); };
  if (code < 0x80) return text_of({static_cast<int>(code)});
  if (code < 0x800) return text_of({head(0xc0, 6), tail(0)});
  if (code < 0x10000) return text_of({head(0xe0, 12), tail(6), tail(0)});
  return text_of({head(0xf0, 18), tail(12), tail(6), tail(0)});
}

TEST(Utf8, TakesEveryCodePointButSurrogates) {
  for (uint32_t code = 0; code < 0x110000; ++code) {
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    ASSERT_EQ(is_utf8(encode(code)), !surrogate) << std::hex << code;
  }
  EXPECT_FALSE(is_utf8(encode(0x110000)));
}

// Every combination of the bytes at which something changes: a text of up to four of them is valid exactly when it is a
// row of encodings of code points.
TEST(Utf8, TakesNothingElse) {
  const std::vector<int> edges = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
                                  0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
  std::set<std::string> single;  // what one code point may look like, of these bytes
  for (uint32_t code = 0; code < 0x110000; ++code) {
    const std::string text = encode(code);
    const bool of_edges = std::all_of(text.begin(), text.end(), [&](char byte) {
      return std::count(edges.begin(), edges.end(), static_cast<int>(static_cast<unsigned char>(byte))) > 0;
    });
    if (of_edges && (code < 0xd800 || code >= 0xe000)) single.insert(text);
  }
  const auto is_row = [&](const std::string &text) {
    std::array<bool, 5> reached{true};
    for (size_t from = 0; from < text.size(); ++from) {
      for (size_t size = 1; reached[from] && from + size <= text.size(); ++size) {
        if (single.count(text.substr(from, size)) > 0) reached[from + size] = true;
      }
    }
    return reached[text.size()];
  };
  std::vector<std::string> texts = {""};
  for (size_t length = 1; length <= 3; ++length) {
    std::vector<std::string> longer;
    for (const std::string &text : texts) {
      for (const int byte : edges) longer.push_back(text + static_cast<char>(byte));
    }
    texts = longer;
    for (const std::string &text : texts) ASSERT_EQ(is_utf8(text), is_row(text)) << testing::PrintToString(text);
  }
  for (const std::string &text : texts) {
    if (static_cast<unsigned char>(text[0]) < 0xf0) continue;
    for (const int byte : edges) {
      const std::string four = text + static_cast<char>(byte);
      ASSERT_EQ(is_utf8(four), is_row(four)) << testing::PrintToString(four);
    }
  }
}

TEST(Utf8, LooksAtTheWholeText) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("Gewichte für 模型 \U0001f600"));
  EXPECT_TRUE(is_utf8(std::string("a\0b", 3)));
  EXPECT_FALSE(is_utf8("good\xff"));
  EXPECT_FALSE(is_utf8("\xc3"));                           // ends within a character
  EXPECT_FALSE(is_utf8("ok \xe6\xa8"));                    // the same, later
  EXPECT_FALSE(is_utf8("\xe6\xa8\xc3\xbc"));               // another character begins within one
  EXPECT_FALSE(is_utf8(std::string_view("\xc3\xa9", 1)));  // nothing beyond the view is read
}

TEST(Uuid, IsOfVersionFour) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  std::array<std::set<char>, 36> letters;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_uuid();
    ASSERT_TRUE(std::regex_match(id, form)) << id;
    ASSERT_TRUE(seen.insert(id).second) << id;
    for (size_t at = 0; at < id.size(); ++at) letters[at].insert(id[at]);
  }
  for (size_t at = 0; at < letters.size(); ++at) {  // all that may vary does
    const bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;
    EXPECT_EQ(letters[at].size(), hyphen || at == 14 ? 1u : at == 19 ? 4u : 16u) << at;
  }
}

TEST(EqualSecret, ComparesEveryByte) {
  EXPECT_TRUE(equal_secret("", ""));
  EXPECT_TRUE(equal_secret("token", "token"));
  EXPECT_FALSE(equal_secret("token", "Token"));
  EXPECT_FALSE(equal_secret("token", "tokem"));
  EXPECT_FALSE(equal_secret("token", "toke"));
  EXPECT_FALSE(equal_secret("", "t"));
  for (int bit = 0; bit < 8; ++bit) {
    EXPECT_FALSE(equal_secret(std::string(1, '\0') + "x", text_of({1 << bit, 'x'}))) << bit;
  }
  EXPECT_FALSE(equal_secret(std::string("a\0b", 3), std::string("a\0c", 3)));
}

TEST(ParseInt, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(parse_int("0"), 0);
  EXPECT_EQ(parse_int("-17"), -17);
  EXPECT_EQ(parse_int("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(parse_int("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  for (const char *text : {"", "-", "+5", " 5", "5 ", "5x", "0x10", "1e3", "1.0", "9223372036854775808"}) {
    EXPECT_EQ(parse_int(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_int(std::string_view("55", 1)), 5);  // nothing beyond the view is read
}

TEST(ParseDouble, TakesFiniteNumbersOnly) {
  EXPECT_EQ(parse_double("0.5"), 0.5);
  EXPECT_EQ(parse_double("-2e3"), -2000.0);
  EXPECT_EQ(parse_double("600"), 600.0);
  EXPECT_EQ(parse_double("1.7976931348623157e308"), std::numeric_limits<double>::max());
  for (const char *text : {"", ".", "e5", "+0.5", " 0.5", "0.5 ", "0.5s", "0,5", "0x1p3", "1e999", "nan", "NaN", "inf",
                           "-inf", "infinity"}) {
    EXPECT_EQ(parse_double(text), std::nullopt) << text;
  }
}

std::string_view nearest_of(std::string_view text, std::vector<std::string_view> candidates) {
  return nearest(text, candidates.data(), candidates.size());
}

TEST(Nearest, FindsSlips) {
  const std::vector<std::string_view> options = {"url", "agent_id", "heartbeat_interval", "heartbeat_timeout"};
  EXPECT_EQ(nearest_of("heartbeat_timout", options), "heartbeat_timeout");    // a letter too few
  EXPECT_EQ(nearest_of("heartbeat_timeoutt", options), "heartbeat_timeout");  // too many
  EXPECT_EQ(nearest_of("heartbeet_timeout", options), "heartbeat_timeout");   // another one
  EXPECT_EQ(nearest_of("aegnt_id", options), "agent_id");                     // two changed places
  EXPECT_EQ(nearest_of("agent-id", options), "agent_id");
  EXPECT_EQ(nearest_of("ulr", options), "url");
  EXPECT_EQ(nearest_of("URL", options), "url");
  EXPECT_EQ(nearest_of("url", options), "url");
}

TEST(Nearest, SaysNothingWhenNothingIsNear) {
  const std::vector<std::string_view> options = {"url", "agent_id"};
  EXPECT_EQ(nearest_of("learning_rate", options), "");
  EXPECT_EQ(nearest_of("", options), "");
  EXPECT_EQ(nearest_of("", {"ab"}), "");
  EXPECT_EQ(nearest_of("xy", {"ab", "cd"}), "");  // two changes are few, but they are all of it
  EXPECT_EQ(nearest("url", nullptr, 0), "");
}

TEST(Nearest, AllowsTwoChangesOrAThirdOfTheText) {
  EXPECT_EQ(nearest_of("abcd", {"abxy"}), "abxy");
  EXPECT_EQ(nearest_of("abcd", {"axyz"}), "");
  EXPECT_EQ(nearest_of("abcdefghijkl", {"abcdefghwxyz"}), "abcdefghwxyz");
  EXPECT_EQ(nearest_of("abcdefghijkl", {"abcdefgvwxyz"}), "");
  EXPECT_EQ(nearest_of("abcdefghijkl", {"abcdefgh"}), "abcdefgh");
  EXPECT_EQ(nearest_of("abcdefghijkl", {"abcdefg"}), "");
}

TEST(Nearest, PrefersTheNearerAndThenTheFirst) {
  EXPECT_EQ(nearest_of("token", {"tokens_", "tokens", "tokenz"}), "tokens");
}

}  // namespace
}  // namespace flare
