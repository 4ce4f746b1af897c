// NVFlare's encoding against what NVFlare made, and against what nobody should send.
#include "fobs/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/msgpack.h"
#include "fobs_samples.h"

namespace flare::fobs {
namespace {

using testing::HasSubstr;

// FLARE_OK, or the status and words of the refusal.
std::pair<flare_status, std::string> refusal(const std::function<void()> &act) {
  try {
    act();
  } catch (const Failure &failure) {
    return {failure.status(), failure.what()};
  }
  return {FLARE_OK, ""};
}

void expect_refused(std::string_view bytes, flare_status status, const char *words, const Limits &limits = {}) {
  const auto [found, text] = refusal([&] { decode(bytes_of(bytes), limits); });
  EXPECT_EQ(found, status) << to_digits(bytes);
  EXPECT_THAT(text, HasSubstr(words)) << to_digits(bytes);
}

// A section with an object.
std::string main_section(std::string_view msgpack) {
  std::string section("\x64\0\0\0\0\0\0\0", 8);
  section += static_cast<char>(msgpack.size() >> 8);
  section += static_cast<char>(msgpack.size() & 0xff);
  return section.append(msgpack);
}

TEST(FobsVectors, AreReadAsPythonReadsThem) {
  size_t count = 0;
  for (const Vector &vector : vectors()) {
    if (vector.bytes.empty()) continue;
    EXPECT_EQ(show(decode(bytes_of(vector.bytes), {})), vector.shown) << vector.name << ": " << vector.value;
    ++count;
  }
  EXPECT_EQ(count, 148u);
}

TEST(FobsVectors, AreWrittenByteForByte) {
  for (const Vector &vector : vectors()) {
    if (vector.bytes.empty()) continue;
    EXPECT_EQ(to_digits(encoded(decode(bytes_of(vector.bytes), {}))), to_digits(vector.bytes)) << vector.name;
  }
}

TEST(FobsVectors, MayBeCutOffNowhere) {
  for (const Vector &vector : vectors()) {
    for (size_t size = 0; size < vector.bytes.size();
         size += size < 64 || size + 64 > vector.bytes.size() ? size_t{1} : size_t{7}) {
      const auto cut = std::string_view(vector.bytes).substr(0, size);
      const auto [status, words] = refusal([&] { decode(bytes_of(cut), {}); });
      if (status == FLARE_PROTOCOL) continue;
      // Without its datums a message is one that lacks them, which only who looks for them can see.
      EXPECT_EQ(status, FLARE_OK);
      EXPECT_EQ(encoded(decode(bytes_of(cut), {})), cut) << vector.name;
    }
  }
}

// NVFlare finds what puts an object together by the name of what took it apart.
TEST(FobsMessage, HasNoObjectThatNothingTookApart) {
  const auto [status, words] = refusal([] { encode({Array{Typed{"frozenset", Array{1}, ""}}, {}}); });
  EXPECT_EQ(status, FLARE_INVALID_ARGUMENT);
  EXPECT_THAT(words, HasSubstr("an object of frozenset cannot be sent"));
}

TEST(FobsMessage, LeavesLargePartsWhereTheyAre) {
  const std::string large(100'000, 'x');
  const Bytes bytes = encode({Array{1, bytes_of(large), "text"}, {}}).join();
  const Message message = decode(bytes, {});
  const Bytes &found = *(*message.root.array())[1].bytes();
  EXPECT_EQ(found.text(), large);
  EXPECT_GE(found.data, bytes.data);
  EXPECT_LE(found.data + found.size, bytes.data + bytes.size);
  EXPECT_EQ(found.owner, bytes.owner);

  const std::vector<Bytes> pieces = encode(message).take();
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[1].data, found.data) << "nor are they copied when they are written";
}

TEST(FobsMessage, PutsLargeTextAndBytesIntoDatums) {
  for (const char *name : {"datum_blob", "datum_text", "datum_in_list", "datum_top", "datum_native_nd"}) {
    const Vector vector = vector_named(name);
    const Message made = decode(bytes_of(vector.bytes), {});
    ASSERT_EQ(made.datums.size(), 1u) << name;
    const Datum &datum = made.datums.front();
    const Object content =
        datum.kind == Datum::Kind::kText ? Object(datum.content.bytes.text()) : Object(datum.content.bytes);
    Message message{inside(made.root, {{datum.id, content}}), {}};
    externalize(&message, {1024, [&] { return datum.id; }});
    EXPECT_EQ(to_digits(encoded(message)), to_digits(vector.bytes)) << name;
  }
}

TEST(FobsMessage, CountsTextInCharactersAndBytesInBytes) {
  const auto datums = [](Object object) {
    Message message{std::move(object), {}};
    externalize(&message, {4, new_uuid});
    return message.datums.size();
  };
  EXPECT_EQ(datums("äöü"), 0u);
  EXPECT_EQ(datums("äöüß"), 1u);
  EXPECT_EQ(datums(bytes_of("abc")), 0u);
  EXPECT_EQ(datums(bytes_of("abcd")), 1u);
  EXPECT_EQ(datums(Joined{"a", bytes_of("bc"), "d"}), 1u);
  EXPECT_EQ(datums(Dict{{"a long key", Array{1, tuple_of({"long text", "abc"})}}}), 1u) << "keys stay";
}

TEST(FobsMessage, NamesTheSourceOfArrays) {
  const auto sources = [](const char *name) { return sources_of(decode(bytes_of(vector_named(name).bytes), {}), {}); };
  ASSERT_EQ(sources("nd_ref_batch").size(), 1u);
  EXPECT_EQ(sources("nd_ref_batch")[0].dot, dot::kArrays);
  EXPECT_EQ(sources("nd_ref_batch")[0].fqcn, "server");
  EXPECT_EQ(sources("nd_lazy_ref_batch")[0].fqcn, "server.job");
  EXPECT_EQ(sources("nd_lazy_ref_batch")[0].ref_id, "11111111-2222-3333-4444-555555555555");
  EXPECT_EQ(sources("real_task_0")[0].fqcn, "server.simulate_job");
  EXPECT_TRUE(sources("task_shareable").empty());
}

TEST(FobsMessage, CountsTheArraysOfTheSource) {
  const auto items = [](Object root) {
    Message message{std::move(root), {source_datum({dot::kArrays, "server", "ref"}, new_uuid())}};
    return sources_of(decode(bytes_of(encoded(message)), {}), {}).at(0).items;
  };
  EXPECT_EQ(items(Dict{{"a", 1}}), 0u);
  EXPECT_EQ(items(Dict{{"a", array_reference_of("T0")}, {"b", Array{1, array_reference_of("T1")}}}), 2u);
  EXPECT_EQ(items(tuple_of({array_reference_of("T0"), Dict{{"again", array_reference_of("T0")}}})), 1u);
  EXPECT_EQ(sources_of(decode(bytes_of(vector_named("nd_lazy_ref_batch").bytes), {}), {}).at(0).items, 2u);
}

TEST(FobsMessage, WritesTheSourceOfArraysAsNVFlareDoes) {
  const Vector vector = vector_named("nd_ref_batch");
  const Message made = decode(bytes_of(vector.bytes), {});
  const Source source = sources_of(made, {}).front();
  Message message{Dict{{"w1", array_reference_of("T0")}, {"w2", array_reference_of("T1")}}, {}};
  message.datums.push_back(source_datum(source, made.datums.front().id));
  EXPECT_EQ(to_digits(encoded(message)), to_digits(vector.bytes));
}

TEST(FobsMessage, RefusesSourcesThatAreNone) {
  const auto expect = [](uint8_t dot, std::string_view text, flare_status status, const char *words) {
    const Datum datum{Datum::Kind::kText, dot, new_uuid(), {"", bytes_of(text), ""}};
    Limits limits;
    limits.max_text = 200;
    const auto [found, said] = refusal([&] { sources_of({Object(), {datum}}, limits); });
    EXPECT_EQ(found, status) << text;
    EXPECT_THAT(said, HasSubstr(words));
  };
  expect(5, "{}", FLARE_PROTOCOL, "unknown kind 5");
  expect(3, "{\"fqcn\"", FLARE_PROTOCOL, "the source of arrays");
  expect(3, "{\"fqcn\": \"server\"}", FLARE_PROTOCOL, "has no ref_id");
  expect(3, "{\"fqcn\": 1, \"ref_id\": \"r\"}", FLARE_PROTOCOL, "has no fqcn");
  expect(3, "[]", FLARE_PROTOCOL, "has no fqcn");
  expect(3, std::string(201, ' '), FLARE_TOO_LARGE, "too long");
  const Datum datum = source_datum({3, "server", "r"}, new_uuid());
  EXPECT_THAT(refusal([&] { sources_of({Object(), {datum, datum}}, {}); }).second, HasSubstr("two sources"));
}

TEST(FobsMessage, RefusesSectionsThatAreNone) {
  const std::string object = main_section("\xc0");
  expect_refused("", FLARE_PROTOCOL, "head of a section is cut off");
  expect_refused(object.substr(0, 9), FLARE_PROTOCOL, "head of a section is cut off");
  expect_refused(object.substr(0, 10), FLARE_PROTOCOL, "a section is cut off");
  expect_refused(main_section(""), FLARE_PROTOCOL, "it is empty");
  expect_refused("\x65" + object.substr(1), FLARE_PROTOCOL, "does not begin with an object");
  expect_refused(object + object, FLARE_PROTOCOL, "unknown kind 100");
  expect_refused(std::string("\x64\0\xff\xff\xff\xff\xff\xff\xff\xff\xc0", 11), FLARE_PROTOCOL, "a section is cut off");
  const std::string empty_datum = std::string("\x66\0\0\0\0\0\0\0\0\x10", 10) + std::string(16, 'i');
  expect_refused(object + empty_datum, FLARE_PROTOCOL, "a datum is empty");
  const std::string no_text = std::string("\x65\0\0\0\0\0\0\0\0\x11", 10) + std::string(16, 'i') + "\xff";
  expect_refused(object + no_text, FLARE_PROTOCOL, "a datum of text is not UTF-8");
  const std::string datum = std::string("\x66\0\0\0\0\0\0\0\0\x11", 10) + std::string(17, 'i');
  Limits limits;
  limits.max_tensors = 1;
  expect_refused(object + datum + datum, FLARE_TOO_LARGE, "too many datums", limits);
}

TEST(FobsMessage, RefusesMsgpackThatNoNVFlareSends) {
  const auto expect = [](std::string_view msgpack, const char *words) {
    expect_refused(main_section(msgpack), FLARE_PROTOCOL, words);
  };
  expect("\xc1", "no msgpack");
  expect("\xc0\xc0", "more behind its end");
  expect("\x92\xc0", "longer than there are bytes");
  expect("\xdd\xff\xff\xff\xff\xc0", "longer than there are bytes");
  expect("\xdf\xff\xff\xff\xff\xc0", "longer than there are bytes");
  expect("\x81\xc0", "longer than there are bytes");
  expect("\xc4\x02\xc0", "cut off");
  expect("\xa2\xc0", "cut off");
  expect("\xa1\xff", "not UTF-8");
  expect("\xd4\x01\x01", "a type of msgpack's");
  expect("\x81\x90\xc0", "key of a map");
  expect("\x81\x80\xc0", "key of a map");
  expect("\x81\xad__fobs_type__\xa5tuple", "has no content");
  expect("\x82\xad__fobs_type__\xa5tuple\xad__fobs_data__\x90", "does not say what took it apart");
  expect("\x82\xad__fobs_type__\x05\xad__fobs_data__\x90", "the name of a class is no text");
  expect("\x83\xad__fobs_type__\xa5tuple\xad__fobs_data__\x90\xab__fobs_dc__\xa0", "does not say what took it apart");
}

TEST(FobsMessage, HasALimitOfDepthAndOfValues) {
  const std::string deep = std::string(128, '\x91') + '\xc0';
  EXPECT_EQ(encoded(decode(bytes_of(main_section(deep)), {})), main_section(deep));
  expect_refused(main_section('\x91' + deep), FLARE_TOO_LARGE, "nested deeper than 128");
  Limits limits;
  limits.max_objects = 2;
  expect_refused(main_section("\x93\xc0\xc0\xc0"), FLARE_TOO_LARGE, "max_objects", limits);
}

TEST(FobsMessage, TakesKeysOfAllKindsThatPythonHas) {
  const Message message{Dict{{Object(), 1}, {true, 2}, {-1, 3}, {1.5, 4}, {bytes_of("b"), 5}, {tuple_of({1}), 6}}, {}};
  EXPECT_EQ(show(decode(bytes_of(encoded(message)), {})), show(message));
}

}  // namespace
}  // namespace flare::fobs
