// Tasks and results between NVFlare's encoding and the library's model.
#include "fobs/shareable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/metric.h"
#include "fobs/msgpack.h"
#include "fobs/npy.h"
#include "fobs/npz.h"
#include "fobs/value_write.h"
#include "fobs_samples.h"
#include "map_of.h"

namespace flare::fobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Message message_of(const char *name) { return decode(bytes_of(vector_named(name).bytes), {}); }

Tensor floats(std::vector<float> elements) {
  return {FLARE_FLOAT32, {static_cast<int64_t>(elements.size())}, copy_bytes(elements.data(), 4 * elements.size())};
}

template <typename T>
T element(const Value *value) {
  T element{};
  if (value == nullptr || value->tensor() == nullptr || value->tensor()->bytes.size != sizeof element) {
    ADD_FAILURE() << "no tensor of one element";
    return element;
  }
  std::memcpy(&element, value->tensor()->bytes.data, sizeof element);
  return element;
}

Bytes packed(const Object &object) {
  Pieces pieces;
  pack(object, &pieces);
  return pieces.join();
}

std::string json(const Map &map) { return value_to_json(map); }

void expect_refused(const std::function<void()> &act, flare_status status, const char *words) {
  try {
    act();
    ADD_FAILURE() << "not refused: " << words;
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), status) << failure.what();
    EXPECT_THAT(failure.what(), HasSubstr(words));
  }
}

// A task with this model.
Message task_with(Object data, Object kind = enum_of(type::kDataKind, "WEIGHTS"), Dict more = {}) {
  Dict headers = {{"__content_type__", "DXO"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return {shareable_of({{"__headers__", headers},
                        {"DXO", Dict{{"kind", std::move(kind)}, {"data", std::move(data)}, {"meta", Dict()}}}}),
          {}};
}

Shareable read(const Message &message, const Downloads &downloads = {}, const ReadRules &rules = {}) {
  return read_shareable(message, downloads, rules);
}

TEST(FobsShareable, IsATaskWithItsModel) {
  const Shareable task = read(message_of("task_shareable"));
  EXPECT_EQ(
      json(task.headers),
      R"({"__content_type__":"DXO","current_round":0,"num_rounds":3,"__task_name__":"train","__task_id__":"id-1",)"
      R"("job_id":"j","site_name":"site-1"})");
  EXPECT_EQ(task.kind, "WEIGHTS");
  EXPECT_EQ(json(task.meta), R"({"NUM_STEPS_CURRENT_ROUND":10})");
  ASSERT_EQ(tensors_of(task).size(), 1u);
  EXPECT_EQ(tensors_of(task)[0].name, "w");
  EXPECT_EQ(describe(*tensors_of(task)[0].tensor), "float32[3]");
}

TEST(FobsShareable, HasItsTensorsAlignedAndThoseThatAreWhereTheyWere) {
  const Message message = message_of("task_shareable");
  size_t blocks = 0;
  ReadRules rules;
  rules.new_block = [&](size_t size) {
    ++blocks;
    return Block(size);
  };
  const Tensor copied = *tensors_of(read(message, {}, rules))[0].tensor;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copied.bytes.data) % 64, 0u);
  EXPECT_EQ(blocks, 1u);

  const std::string npy = npy_head(copied) + std::string(copied.bytes.text());
  // A block is aligned, and so are the elements after the head.
  const Value value = array_value(bytes_of(npy), copied.bytes.size, rules);
  EXPECT_EQ(value.tensor()->bytes.text(), copied.bytes.text());
  EXPECT_EQ(blocks, 1u);
  // But a few of them do not keep all the rest.
  EXPECT_EQ(array_value(bytes_of(npy), 2 * copied.bytes.size, rules).tensor()->bytes.text(), copied.bytes.text());
  EXPECT_EQ(blocks, 2u);
}

// The C API shows bytes of a body as tensors; and a few bytes should not keep a large message.
TEST(FobsShareable, HasItsBytesAlignedAndAwayFromTheMessage) {
  for (const bool in_datum : {false, true}) {
    for (const size_t shift : {1u, 2u}) {  // of which one at least is not aligned
      Message made = task_with(Dict{{std::string(shift, 'n'), bytes_of("some bytes")}}, "METRICS");
      if (in_datum) externalize(&made, {10, new_uuid});
      ASSERT_EQ(made.datums.size(), in_datum ? 1u : 0u);
      const Message message = decode(encode(made).join(), {});
      size_t blocks = 0;
      ReadRules rules;
      rules.new_block = [&](size_t size) {
        ++blocks;
        return Block(size);
      };
      const Shareable task = read(message, {}, rules);
      const auto &bytes = std::get<Bytes>(task.body.at(0).second.data());
      EXPECT_EQ(bytes.text(), "some bytes");
      EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data) % 64, 0u);
      EXPECT_EQ(bytes.owner.use_count(), 1);
      EXPECT_EQ(blocks, 1u);
    }
  }
}

// A trainer that takes bytes from the C API, which shows them as tensors, may send them as those.
TEST(FobsShareable, SendsBytesThatWereSeenAsTensorsAsBytes) {
  Shareable result;
  result.kind = "METRICS";
  result.body.set("seen", Tensor{FLARE_OPAQUE, {3}, bytes_of("abc")});
  for (const auto &by_reference : {std::optional<ByReference>(), std::optional(ByReference{"c", "r"})}) {
    const Written written = write_shareable(result, by_reference, {});
    EXPECT_TRUE(written.items.empty());
    EXPECT_EQ(json(read(written.message).body), R"({"seen":"<3 bytes>"})");
  }
}

// A real task: each array is a LazyDownloadRef, and the headers have an object of NVFlare's.
TEST(FobsShareable, OfARealJobWantsItsArraysDownloaded) {
  const Message message = message_of("real_task_0");
  expect_refused([&] { read(message); }, FLARE_PROTOCOL, "'numpy_key' was not downloaded: item T0 is missing");
  const Shareable task = read(message, {{dot::kArrays, {{"T0", floats({1, 2})}}}});
  EXPECT_EQ(describe(*task.body.find("numpy_key")->tensor()), "float32[2]");
  EXPECT_EQ(text_header(task, header::kTaskName), "train");
  EXPECT_EQ(current_round(task), 0);
  EXPECT_EQ(total_rounds(task), 2);
  const auto &context = std::get<OpaqueObject>(task.headers.find("__peer_ctx__")->data());
  EXPECT_EQ(context.type_name, "nvflare.apis.fl_context.FLContext");
  EXPECT_EQ(json(*task.headers.find("__cookie_jar__")->map()).substr(0, 30), R"({"contribution_round":0,"__wor)");
}

TEST(FobsShareable, SendsObjectsOfPythonBackAsTheyWere) {
  const Message message = message_of("real_task_0");
  const Shareable task = read(message, {{dot::kArrays, {{"T0", floats({1, 2})}}}});
  Shareable result;
  result.headers = task.headers;
  const Written written = write_shareable(result, std::nullopt, {});
  const Object *sent = written.message.root.typed()->content.find("__headers__")->find("__peer_ctx__");
  const Object *came = message.root.typed()->content.find("__headers__")->find("__peer_ctx__");
  EXPECT_EQ(show(*sent), show(*came));
}

TEST(FobsShareable, IsAResultByteForByteAsNVFlaresAgentSendsIt) {
  Shareable result;
  result.headers.set("__rc__", "OK");
  result.kind = "WEIGHTS";
  result.body.set("w", floats({0, 1, 2}));
  result.meta.set("NUM_STEPS_CURRENT_ROUND", 10);
  EXPECT_EQ(to_digits(encoded(write_shareable(result, std::nullopt, {}).message)),
            to_digits(vector_named("result_shareable").bytes));

  Shareable failed;
  failed.headers.set("__rc__", "EXECUTION_EXCEPTION");
  EXPECT_EQ(to_digits(encoded(write_shareable(failed, std::nullopt, {}).message)),
            to_digits(vector_named("result_error").bytes));
  EXPECT_EQ(to_digits(encoded({shareable_of({{"__headers__", Dict()}}), {}})),
            to_digits(vector_named("shareable_empty").bytes));
}

TEST(FobsShareable, MayLeaveArraysToBeDownloaded) {
  Shareable result;
  result.kind = "WEIGHT_DIFF";
  result.body.set("a", floats({1}));
  result.body.set("inner", map_of({{"b", floats({2, 3})}, {"n", 5}}));
  const Written written = write_shareable(result, ByReference{"site-1_job_active", "ref-1"}, {});
  ASSERT_EQ(written.items.size(), 2u);
  EXPECT_EQ(written.items[1].bytes.data, result.body.find("inner")->map()->find("b")->tensor()->bytes.data);
  const Message message = decode(bytes_of(encoded(written.message)), {});
  const auto sources = sources_of(message, {});
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].fqcn, "site-1_job_active");
  EXPECT_EQ(sources[0].ref_id, "ref-1");

  // As the receiver does it.
  Items items;
  for (size_t i = 0; i < written.items.size(); ++i) {
    const Bytes archive = join(write_npz(item_name(i), written.items[i]));
    for (const NpzMember &member : read_npz(archive, {}))
      items[member.name] = array_value(member.npy, archive.size, {});
  }
  const Shareable read_again = read(message, {{dot::kArrays, items}});
  EXPECT_EQ(describe(*tensors_of(read_again)[1].tensor), "float32[2]");
  EXPECT_EQ(tensors_of(read_again)[1].name, "inner/b");
  EXPECT_EQ(tensors_of(read_again)[1].tensor->bytes.text(), written.items[1].bytes.text());

  result.body = map_of({{"metric", 1.0}});
  EXPECT_TRUE(write_shareable(result, ByReference{"c", "r"}, {}).message.datums.empty()) << "no arrays, no source";
}

TEST(FobsShareable, PutsLargeArraysIntoDatums) {
  Shareable result;
  result.kind = "WEIGHTS";
  const std::string elements(10u << 20, 'x');
  result.body.set("w", Tensor{FLARE_UINT8, {10 << 20}, bytes_of(elements)});
  const Message message = write_shareable(result, std::nullopt, {}).message;
  ASSERT_EQ(message.datums.size(), 1u);
  EXPECT_EQ(message.datums[0].content.bytes.data, result.body.find("w")->tensor()->bytes.data) << "nor is it copied";
  const Shareable again = read(decode(encode(message).join(), {}));
  EXPECT_EQ(again.body.find("w")->tensor()->bytes.text(), elements);
}

TEST(FobsShareable, TellsTheValuesOfPythonAsOurs) {
  const Dict headers = {
      {"none", Object()},
      {"tuple", tuple_of({1, "a", tuple_of({2.5, true})})},
      {"set", message_of("set").root},
      {"ordered", message_of("ordered_dict").root},
      {"time", message_of("datetime_utc").root},
      {"enum", message_of("enum_writer").root},
      {"f8", message_of("npscalar_float64").root},
      {"i4", message_of("npscalar_int32").root},
      {"huge", UINT64_MAX},
      {"numbers", message_of("dict_intkey").root},
      {"model", Typed{"nvflare.app_common.abstract.learnable.Learnable", Dict{{"k", 1}},
                      "nvflare.fuel.utils.fobs.decomposer.DictDecomposer"}},
      {"bytes", bytes_of("\xff")},
  };
  const Shareable task = read(task_with(Dict(), enum_of(type::kDataKind, "METRICS"), headers));
  EXPECT_EQ(json(task.headers),
            R"({"__content_type__":"DXO","none":null,"tuple":[1,"a",[2.5,true]],"set":[7],)"
            R"("ordered":{"z":1,"a":[2]},"time":"2024-02-29T13:05:07+00:00","enum":"TORCH_TB","f8":1.5,"i4":9,)"
            R"("huge":1.8446744073709552e+19,"numbers":{"1":"x","-2":"y"},"model":{"k":1},"bytes":"<1 bytes>"})");
}

TEST(FobsShareable, KeepsWholeWhatTheModelCannotSay) {
  const Object tuple_keys = Dict{{tuple_of({1, 2}), "x"}};
  const Object same_names = Dict{{1, "x"}, {"1", "y"}};
  const Object dxo = message_of("dxo_weights").root, texts = message_of("nd_unicode").root;
  const Shareable task =
      read(task_with(Dict{{"texts", texts}}, "KIND", {{"keys", tuple_keys}, {"names", same_names}, {"dxo", dxo}}));
  EXPECT_EQ(task.kind, "KIND");
  EXPECT_EQ(std::get<OpaqueObject>(task.headers.find("dxo")->data()).type_name, "nvflare.apis.dxo.DXO");
  EXPECT_EQ(std::get<OpaqueObject>(task.headers.find("keys")->data()).type_name, "dict");
  EXPECT_EQ(std::get<OpaqueObject>(task.body.find("texts")->data()).type_name, "numpy.ndarray");
  const Written written = write_shareable(task, ByReference{"c", "r"}, {});
  const Object *entries = &written.message.root.typed()->content;
  EXPECT_EQ(show(*entries->find("__headers__")->find("keys")), show(tuple_keys));
  EXPECT_EQ(show(*entries->find("__headers__")->find("names")), show(same_names));
  EXPECT_EQ(show(*entries->find("__headers__")->find("dxo")), show(dxo));
  EXPECT_EQ(show(*entries->find("DXO")->find("data")->find("texts")), show(texts));
}

// An object that only Python knows outlives the message: what it refers to becomes part of it.
TEST(FobsShareable, MakesObjectsOfPythonWhole) {
  const auto unknown = [](Object content) { return Object(Typed{"a.B", std::move(content), "a.BDecomposer"}); };
  Message message = task_with(
      Dict(), "METRICS", {{"x", unknown(Array{array_reference_of("T0"), Dict{{"big", datum_reference_of("id-1")}}})}});
  message.datums.push_back({Datum::Kind::kText, dot::kNone, "id-1", {"", bytes_of("large text"), ""}});
  const Shareable task = read(message, {{dot::kArrays, {{"T0", floats({7})}}}});
  const Written written = write_shareable(task, std::nullopt, {});
  const Object *x = written.message.root.typed()->content.find("__headers__")->find("x");
  EXPECT_EQ(show(*x), show(unknown(Array{array_of(Joined{npy_head(floats({7})), floats({7}).bytes, ""}),
                                         Dict{{"big", "large text"}}})));
  expect_refused([&] { read(message); }, FLARE_PROTOCOL, "'x' was not downloaded");
  ReadRules rules;
  rules.limits.max_envelope_bytes = 20;
  expect_refused(
      [&] {
        read(message, {{dot::kArrays, {{"T0", floats({7})}}}}, rules);
      },
      FLARE_TOO_LARGE, "max_envelope_bytes");
}

// One item may be named any number of times, and must not become as many copies first.
TEST(FobsShareable, PaysForArraysInObjectsOfPythonBeforeItCopiesThem) {
  const Object named = Typed{"a.B", Array{array_reference_of("T0"), array_reference_of("T0")}, "a.BDecomposer"};
  const Message message = task_with(Dict(), "METRICS", {{"x", named}});
  const Value items[] = {floats(std::vector<float>(100)), OpaqueObject{"numpy.ndarray", packed(std::string(520, 'x'))}};
  for (const Value &item : items) {
    ReadRules rules;
    rules.limits.max_tensors = 1;  // the second would be refused for this
    rules.limits.max_envelope_bytes = 500;
    expect_refused(
        [&] {
          read(message, {{dot::kArrays, {{"T0", item}}}}, rules);
        },
        FLARE_TOO_LARGE, "max_envelope_bytes");
    // The whole is paid for once.
    rules.limits.max_tensors = 2;
    rules.limits.max_envelope_bytes = 1700;
    EXPECT_NO_THROW(read(message, {{dot::kArrays, {{"T0", item}}}}, rules));
  }
}

// A model may have numbers as its keys, which a trainer sees as names.
TEST(FobsShareable, GivesNamesBackTheKeysThatTheyWere) {
  const Object array = message_of("nd_float32").root, kind = enum_of(type::kDataKind, "WEIGHTS");
  const Object data = Dict{{0, array}, {"0/1", array}, {"in", Dict{{-1, array}, {kind, array}, {"2", array}}}};
  Keys keys;
  const Shareable task = read_shareable(task_with(data), {}, {}, &keys);
  EXPECT_EQ(keys.size(), 3u);
  ASSERT_EQ(tensors_of(task).size(), 5u);
  EXPECT_EQ(tensors_of(task)[2].name, "in/-1");
  EXPECT_EQ(tensors_of(task)[3].name, "in/WEIGHTS");
  const auto sent = [&](const Keys &with) {
    const Written written = write_shareable(task, std::nullopt, {}, with);
    return show(*written.message.root.typed()->content.find("DXO")->find("data"));
  };
  EXPECT_EQ(sent(keys), show(data));
  EXPECT_NE(sent({}), show(data));
}

// No name can be taken for the way to another entry, and entries of lists are apart.
TEST(FobsShareable, GivesEachNameItsOwnKeyBack) {
  const Object array = message_of("nd_float32").root;
  const Object data = Dict{{"a", Dict{{1, array}}},
                           {"a/1", array},
                           {"b", Dict{{"1", array}}},
                           {"b/1", array},
                           {"list", Array{Dict{{1, "x"}}, Dict{{"1", "y"}}}},
                           {"list/1", "z"},
                           {"1:c", Dict{{2, array}}},
                           {"1:c1:2", array}};
  Keys keys;
  const Shareable task = read_shareable(task_with(data), {}, {}, &keys);
  EXPECT_EQ(keys.size(), 3u);
  const Written written = write_shareable(task, std::nullopt, {}, keys);
  EXPECT_EQ(show(*written.message.root.typed()->content.find("DXO")->find("data")), show(data));
}

TEST(FobsShareable, TakesAnOrderedDictAsADict) {
  const auto ordered = [](Object key, Object value) {
    return Object(Typed{std::string(type::kOrderedDict), Array{tuple_of({std::move(key), std::move(value)})}, "d"});
  };
  const Object array = message_of("nd_float32").root;
  const Object dxo = Dict{{"kind", "WEIGHTS"}, {"data", ordered("w", array)}, {"meta", ordered("NUM_STEPS", 10)}};
  const Message message{shareable_of({{"__headers__", ordered("__content_type__", "DXO")}, {"DXO", dxo}}), {}};
  const Shareable task = read(message);
  ASSERT_EQ(tensors_of(task).size(), 1u);
  EXPECT_EQ(tensors_of(task)[0].name, "w");
  EXPECT_EQ(json(task.meta), R"({"NUM_STEPS":10})");

  Keys keys;
  const Shareable numbered = read_shareable(task_with(ordered(0, Dict{{1, array}})), {}, {}, &keys);
  ASSERT_EQ(tensors_of(numbered).size(), 1u);
  EXPECT_EQ(tensors_of(numbered)[0].name, "0/1");
  EXPECT_EQ(keys.size(), 2u);
}

// FedAvg(model={...}) hands its first model out as Python's lists.
TEST(FobsShareable, MakesTensorsOfAModelsNumbers) {
  const Shareable task = read(task_with(Dict{{"rows", Array{Array{1, 2.5}, Array{3, 4}}},
                                             {"ragged", Array{Array{1}, Array{1, 2}}},
                                             {"words", Array{"a"}},
                                             {"real", 1.5},
                                             {"integer", 7},
                                             {"truth", true},
                                             {"single", message_of("npscalar_float32").root},
                                             {"inner", Dict{{"n", tuple_of({1})}}},
                                             {"none", Object()}}));
  EXPECT_EQ(describe(*task.body.find("rows")->tensor()), "float32[2, 2]");
  const float expected[] = {1, 2.5f, 3, 4};
  EXPECT_EQ(std::memcmp(task.body.find("rows")->tensor()->bytes.data, expected, sizeof expected), 0);
  EXPECT_NE(task.body.find("ragged")->list(), nullptr);
  EXPECT_NE(task.body.find("words")->list(), nullptr);
  EXPECT_EQ(element<double>(task.body.find("real")), 1.5);
  EXPECT_EQ(element<int64_t>(task.body.find("integer")), 7);
  EXPECT_EQ(element<uint8_t>(task.body.find("truth")), 1);
  EXPECT_EQ(element<float>(task.body.find("single")), 2.25f);
  EXPECT_EQ(describe(*task.body.find("inner")->map()->find("n")->tensor()), "float32[1]");
  EXPECT_EQ(task.body.find("none")->type(), FLARE_VALUE_NONE);
  const Shareable metrics = read(task_with(Dict{{"real", 1.5}}, "METRICS"));
  EXPECT_EQ(metrics.body.find("real")->number(), 1.5) << "only a model's";
}

TEST(FobsShareable, WithoutADxoHasItsOwnEntries) {
  const Shareable task = read(message_of("shareable_rc_cookie"));
  EXPECT_EQ(task.kind, "");
  EXPECT_EQ(json(task.body), R"({"x":1})");
  EXPECT_EQ(text_header(task, header::kReturnCode), "OK");
  const Shareable result{map_of({{"__rc__", "OK"}, {"__content_type__", "DXO"}}), "", map_of({{"x", 1}}), {}};
  EXPECT_EQ(show(write_shareable(result, std::nullopt, {}).message.root),
            show(shareable_of({{"__headers__", Dict{{"__rc__", "OK"}}}, {"x", 1}})))
      << "and does not say that it has one";
}

TEST(FobsShareable, IsRefusedWithAReason) {
  expect_refused([] { read(message_of("none")); }, FLARE_PROTOCOL, "is no Shareable");
  expect_refused([] { read(message_of("metric_scalar")); }, FLARE_PROTOCOL, "is no Shareable");
  expect_refused(
      [] {
        read({shareable_of({{"__headers__", Dict{{"__content_type__", "DXO"}}}}), {}});
      },
      FLARE_PROTOCOL, "has none");
  expect_refused([] { read(task_with(Dict(), 5)); }, FLARE_PROTOCOL, "a DXO of no kind");
  expect_refused([] { read(task_with(Array{1})); }, FLARE_PROTOCOL, "has WEIGHTS that are no dict by name");
  expect_refused(
      [] {
        read(task_with(Typed{std::string(type::kOrderedDict), Array{1}, "d"}));
      },
      FLARE_PROTOCOL, "has WEIGHTS that are no dict by name");
  expect_refused(
      [] {
        read({shareable_of({{"__headers__", 5}}), {}});
      },
      FLARE_PROTOCOL, "has headers that are no dict");
  const Object no_meta = Dict{{"kind", "METRICS"}, {"data", Object()}, {"meta", "text"}};
  expect_refused(
      [&] {
        read({shareable_of({{"__headers__", Dict{{"__content_type__", "DXO"}}}, {"DXO", no_meta}}), {}});
      },
      FLARE_PROTOCOL, "has metadata that are no dict");
  expect_refused([] { read(task_with(Dict{{tuple_of({1}), 1}})); }, FLARE_PROTOCOL, "whose name is no text");
  expect_refused(
      [] {
        read(task_with(Dict{{"w", Typed{"torch.Tensor", Dict{{"type", "ref"}, {"data", "T0"}}, "d"}}}));
      },
      FLARE_PROTOCOL, "'w' is a torch.Tensor, which only Python can read: let the server exchange numpy");
  expect_refused(
      [] {
        read(task_with(Dict{{"in", Dict{{"w", array_of("no bytes")}}}}));
      },
      FLARE_PROTOCOL, "'in/w' is an array without bytes");
  expect_refused(
      [] {
        read(task_with(Dict{{"w", array_of(bytes_of("no npy"))}}));
      },
      FLARE_PROTOCOL, "is no array of NumPy's");
  expect_refused(
      [] {
        read(task_with(Dict{{"w", Typed{"numpy.ndarray", Dict{{"type", "new"}, {"data", 1}}, "d"}}}));
      },
      FLARE_PROTOCOL, "neither native nor a reference");
  const Object lazy =
      Typed{std::string(type::kLazyReference), Dict{{"type", "ref"}, {"data", "T0"}, {"lazy_dot", 6}}, "d"};
  expect_refused([&] { read(task_with(Dict{{"w", lazy}})); }, FLARE_PROTOCOL, "torch.Tensor");
}

TEST(FobsShareable, UsesADatumOnce) {
  const Object text = datum_reference_of("id-1");
  Message message = task_with(Dict(), "METRICS", {{"a", text}, {"b", text}});
  expect_refused([&] { read(message); }, FLARE_PROTOCOL, "'a' refers to a datum that is missing");
  message.datums.push_back({Datum::Kind::kText, dot::kNone, "id-1", {"", bytes_of("x"), ""}});
  expect_refused([&] { read(message); }, FLARE_PROTOCOL, "'b' refers to a datum that is missing, or that something");
}

// Python's applications can send a Datum as such, or a file.
TEST(FobsShareable, TakesAnApplicationsDatumAsItsContent) {
  const auto reference = [](std::string_view id) {
    const Object fields = Dict{{"datum_id", id}, {"unwrap", false}};
    return Object(Typed{std::string(type::kDatumReference), Dict{{"data", fields}}, "d"});
  };
  Message message = task_with(Dict(), "METRICS", {{"text", reference("id-1")}, {"file", reference("id-2")}});
  message.datums.push_back({Datum::Kind::kText, dot::kNone, "id-1", {"", bytes_of("x"), ""}});
  message.datums.push_back({Datum::Kind::kFile, dot::kNone, "id-2", {"", bytes_of("abc"), ""}});
  EXPECT_EQ(json(read(message).headers), R"({"__content_type__":"DXO","text":"x","file":"<3 bytes>"})");
}

TEST(FobsShareable, HasLimits) {
  Object deep = 1;
  for (int i = 0; i < 32; ++i) deep = Array{std::move(deep)};
  expect_refused([&] { read(task_with(Dict(), "METRICS", {{"deep", deep}})); }, FLARE_TOO_LARGE, "deeper than 32");
  ReadRules rules;
  const Object array = message_of("nd_float32").root;
  const Message two = task_with(Dict{{"a", array}, {"b", array}});
  rules.limits.max_tensors = 1;
  expect_refused([&] { read(two, {}, rules); }, FLARE_TOO_LARGE, "more than 1 tensors");
  rules.limits = {};
  rules.limits.max_message_bytes = 20;
  expect_refused([&] { read(two, {}, rules); }, FLARE_TOO_LARGE, "max_message_bytes");
  rules.limits = {};
  rules.limits.max_envelope_bytes = 3 * 1001;
  const Message names = task_with(Dict{{std::string(1000, 'n'), Dict{{1, 1}, {2, 2}, {3, 3}}}}, "METRICS");
  expect_refused([&] { read(names, {}, rules); }, FLARE_TOO_LARGE, "the names are longer together");
  rules.limits = {};
  rules.limits.max_text = 20;
  expect_refused([&] { read(task_with(Dict{{std::string(21, 'n'), 1}}), {}, rules); }, FLARE_TOO_LARGE, "a name of 21");
}

TEST(FobsShareable, NamesTheTensorThatNumPyHasNoTypeFor) {
  Shareable result;
  result.kind = "WEIGHTS";
  result.body.set("layer", map_of({{"w", Tensor{FLARE_BFLOAT16, {1}, bytes_of("12")}}}));
  expect_refused([&] { write_shareable(result, std::nullopt, {}); }, FLARE_INVALID_ARGUMENT,
                 "tensor 'w': bfloat16 is no type of NumPy's");
}

TEST(FobsMetric, IsByteForByteAsNVFlareSendsIt) {
  const auto written = [](std::string_view type, std::string_view name, const Value &value, int64_t step) {
    return to_digits(encoded(write_metric(type, name, value, step, "", {})));
  };
  EXPECT_EQ(written("SCALAR", "loss", 0.25, 3), to_digits(vector_named("metric_scalar").bytes));
  EXPECT_EQ(written("SCALARS", "m", map_of({{"a", 1.0}, {"b", 2.0}}), -1),
            to_digits(vector_named("metric_scalars").bytes));
  EXPECT_THAT(
      show(write_metric("TEXT", "t", "x", -1, "p", {}).root),
      HasSubstr(show(
          Dict{{"track_key", "t"}, {"track_value", "x"}, {"path", "p"}, {"analytics_kwargs", Dict{{"path", "p"}}}})));
}

}  // namespace
}  // namespace flare::fobs
