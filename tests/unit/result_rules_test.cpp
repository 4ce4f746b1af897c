#include "model/result_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "map_of.h"

namespace flare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename T>
Tensor tensor_of(flare_dtype dtype, const std::vector<T> &elements) {
  return {dtype, {static_cast<int64_t>(elements.size())}, copy_bytes(elements.data(), elements.size() * sizeof(T))};
}

Tensor floats(const std::vector<float> &elements) { return tensor_of(FLARE_FLOAT32, elements); }

template <typename T>
std::vector<T> elements_of(const Tensor &tensor) {
  std::vector<T> elements(tensor.bytes.size / sizeof(T));
  std::memcpy(elements.data(), tensor.bytes.data, tensor.bytes.size);
  return elements;
}

Shareable model_of(std::vector<std::pair<std::string, Value>> entries, std::string_view kind = kind::kWeights) {
  Shareable shareable;
  shareable.kind = kind;
  shareable.body = map_of(std::move(entries));
  return shareable;
}

// What the act throws as FLARE_INVALID_ARGUMENT, or "".
std::string refusal(auto act) {
  try {
    act();
    return "";
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    return failure.what();
  }
}

std::string misfit(const Shareable &task, const Shareable &result) {
  return refusal([&] { check_model(task, result); });
}

std::string misfit(const Tensor &trained) {
  return misfit(model_of({{"w", Tensor{0, trained.shape, {}}}}), model_of({{"w", trained}}));
}

// ---- Headers -------------------------------------------------------------------------------------------------

TEST(CarryHeaders, WhatTheTrainerDidNotSayIsTakenFromTheTask) {
  Shareable task;
  task.headers = map_of({{"current_round", 3},
                         {"num_rounds", 9},
                         {"_validate_type", "before_train_validate"},
                         {"_model_owner_", "site-9"},
                         {"private", "p"}});
  Shareable result;
  result.headers = map_of({{"num_rounds", 7}, {"own", 1}});
  carry_headers(task, &result);
  EXPECT_EQ(value_to_json(result.headers),
            R"({"num_rounds":7,"own":1,"current_round":3,"_validate_type":"before_train_validate",)"
            R"("_model_owner_":"site-9"})");
}

TEST(CarryHeaders, WhatTheTaskDoesNotSayIsNotMadeUp) {
  Shareable result;
  carry_headers(Shareable(), &result);
  EXPECT_TRUE(result.headers.empty());
}

// ---- Which results are models --------------------------------------------------------------------------------

Value nested(std::vector<std::pair<std::string, Value>> entries) { return map_of(std::move(entries)); }

// The body of a result after a task with tensors in nested maps; tensors and bytes are shown by their description.
std::string placed(std::vector<std::pair<std::string, Value>> result) {
  const Shareable task = model_of({
      {"w", floats({0})},
      {"a", nested({{"w", floats({0})}, {"b/c", floats({0})}, {"deep", nested({{"x", copy_bytes("12", 2)}})}})},
      {"flat", nested({{"too", floats({0})}})},
      {"flat/too", floats({0})},
      {"settings", nested({{"rate", 0.5}})},
  });
  Shareable made = model_of(std::move(result));
  nest_tensors(task, &made);
  return value_to_json(made.body);
}

TEST(NestTensors, NamesOfTheTaskGoWhereItHasThem) {
  const Tensor t = floats({1, 2});
  const std::string text = value_to_json(Value(t));
  EXPECT_EQ(placed({{"w", t}, {"a/w", t}, {"z", t}, {"a/deep/x", t}, {"a/b/c", t}}),
            R"({"w":)" + text + R"(,"a":{"w":)" + text + R"(,"deep":{"x":)" + text + R"(},"b/c":)" + text +
                R"(},"z":)" + text + "}");
}

TEST(NestTensors, OtherNamesStay) {
  EXPECT_EQ(placed({{"a/v", 1}, {"flat/too", 2}, {"settings/rate", 3}, {"/", 4}, {"a/", 5}, {"a/deep", 6}}),
            R"({"a/v":1,"flat/too":2,"settings/rate":3,"/":4,"a/":5,"a/deep":6})");
  EXPECT_EQ(placed({}), "{}");
}

TEST(NestTensors, WhatTheResultItselfHasIsNotMixedWith) {
  EXPECT_EQ(placed({{"a/w", 1}, {"a", nested({{"mine", 2}})}}), R"({"a/w":1,"a":{"mine":2}})");
  EXPECT_EQ(placed({{"a", 3}, {"a/w", 1}}), R"({"a":3,"a/w":1})");
}

TEST(IsModel, WeightsWithReturnCodeOk) {
  for (const std::string_view kind : {"WEIGHTS", "WEIGHT_DIFF"}) EXPECT_TRUE(is_model(model_of({}, kind)));
  for (const std::string_view kind : {"", "METRICS", "COLLECTION"}) EXPECT_FALSE(is_model(model_of({}, kind)));
  Shareable result = model_of({});
  result.headers.set(header::kReturnCode, "OK");
  EXPECT_TRUE(is_model(result));
  result.headers.set(header::kReturnCode, "EXECUTION_EXCEPTION");
  EXPECT_FALSE(is_model(result));
}

// ---- Models that fit -----------------------------------------------------------------------------------------

TEST(CheckModel, AModelThatFits) {
  const Shareable task = model_of({{"w", floats({1, 2})}, {"n", map_of({{"b", floats({3})}})}});
  EXPECT_EQ(misfit(task, task), "");
  EXPECT_EQ(misfit(task, model_of({{"more", floats({kNan})}, {"n/b", floats({0})}, {"w", floats({0, 0})}})), "")
      << "by name, in any order; what the task has not is the trainer's own matter";
  EXPECT_EQ(misfit(model_of({}), model_of({{"w", floats({kNan})}})), "") << "nothing to compare with";
}

TEST(CheckModel, WhatDoesNotFitIsNamed) {
  const Shareable task = model_of({{"a", floats({1, 2, 3, 4})}, {"n", map_of({{"b", floats({1, 2})}})}});
  EXPECT_EQ(misfit(task, model_of({{"a", floats({1, 2, 3})}})),
            "the result does not fit the model: tensor 'a' has the shape [3], not [4]; tensor 'n/b' is missing");
  EXPECT_EQ(misfit(task, model_of({{"a", floats({1, kNan, -kInfinity, 4})}, {"n/b", floats({1, 2})}})),
            "the result does not fit the model: tensor 'a' has 2 of 4 elements that are NaN or infinite");
  EXPECT_THAT(misfit(task, model_of({{"a", Tensor{FLARE_FLOAT32, {2, 2}, {}}}})), HasSubstr("shape [2, 2], not [4]"));
  EXPECT_THAT(misfit(task, model_of({{"a", Tensor{FLARE_FLOAT32, {}, {}}}})), HasSubstr("shape [], not [4]"));
  EXPECT_THAT(misfit(task, model_of({{"a", 1.5}})), HasSubstr("tensor 'a' is missing"));
}

TEST(CheckModel, WhatIsNotFiniteIsFoundWhereverItIs) {
  for (const size_t at : {0u, 1023u, 1024u, 1500u, 4095u, 4096u, 4999u}) {
    std::vector<float> elements(5000, 1);
    elements[at] = kInfinity;
    EXPECT_THAT(misfit(floats(elements)), HasSubstr("has 1 of 5000 elements")) << at;
    elements[4998] = kNan;
    EXPECT_THAT(misfit(floats(elements)), HasSubstr("has 2 of 5000 elements")) << at;
    std::vector<double> pairs(10000, 1);  // real and imaginary parts
    pairs[2 * at + 1] = std::numeric_limits<double>::quiet_NaN();
    Tensor complex = tensor_of(FLARE_COMPLEX128, pairs);
    complex.shape = {5000};
    EXPECT_THAT(misfit(complex), HasSubstr("has 1 of 5000 elements")) << at;
  }
}

TEST(CheckModel, TenAreNamed) {
  std::vector<std::pair<std::string, Value>> tensors;
  for (int i = 0; i < 12; ++i) tensors.emplace_back("t" + std::to_string(i), floats({1}));
  const std::string said = misfit(model_of(std::move(tensors)), model_of({}));
  EXPECT_THAT(said, HasSubstr("'t9' is missing"));
  EXPECT_THAT(said, testing::Not(HasSubstr("'t10'")));
}

TEST(CheckModel, EveryTypeThatHasNanIsLookedAt) {
  const double infinity = kInfinity;
  const auto complex = [](float real, float imaginary) { return std::complex<float>(real, imaginary); };
  EXPECT_THAT(misfit(tensor_of<uint8_t>(FLARE_FLOAT8_E4M3FN, {0x7e, 0x7f, 0xff})), HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(tensor_of<uint8_t>(FLARE_FLOAT8_E5M2, {0x7b, 0x7c, 0xfe})), HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(tensor_of<uint16_t>(FLARE_FLOAT16, {0x7bff, 0x7c00, 0xfe00})), HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(tensor_of<uint16_t>(FLARE_BFLOAT16, {0x7f7f, 0xff80, 0x7fc0})), HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(floats({3e38f, kInfinity, -kNan})), HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(tensor_of<double>(FLARE_FLOAT64, {1e308, infinity, kNan})), HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(tensor_of<std::complex<float>>(FLARE_COMPLEX64, {{1, 2}, complex(kNan, 0), complex(0, kNan)})),
              HasSubstr("2 of 3"));
  EXPECT_THAT(misfit(tensor_of<std::complex<double>>(FLARE_COMPLEX128, {{1, 2}, {kNan, kNan}, {0, infinity}})),
              HasSubstr("2 of 3"));
}

TEST(CheckModel, OtherTypesHaveNoNan) {
  const std::vector<uint8_t> ones(8, 0xff);
  for (const flare_dtype dtype : {FLARE_INT8, FLARE_UINT8, FLARE_INT64, FLARE_UINT64, FLARE_BOOL, FLARE_OPAQUE}) {
    EXPECT_EQ(misfit(tensor_of(dtype, ones)), "") << dtype_name(dtype);
  }
  EXPECT_EQ(misfit(floats({})), "");
}

TEST(CheckModel, ElementsNeedNoAlignment) {
  std::vector<std::byte> memory(9);
  std::memcpy(memory.data() + 1, std::vector<float>{1, kNan}.data(), 8);
  EXPECT_THAT(misfit(Tensor{FLARE_FLOAT32, {2}, {nullptr, memory.data() + 1, 8}}), HasSubstr("1 of 2"));
}

// ---- Differences ---------------------------------------------------------------------------------------------

Tensor difference(const Tensor &trained, const Tensor &base) {
  Shareable result = model_of({{"w", trained}});
  subtract_model(model_of({{"w", base}}), &result);
  return *result.body.find("w")->tensor();
}

std::string no_difference(const Value &trained, const Tensor &base) {
  Shareable result = model_of({{"w", trained}});
  const std::string said = refusal([&] { subtract_model(model_of({{"w", base}}), &result); });
  EXPECT_EQ(result.kind, "WEIGHTS") << "as it was";
  return said;
}

TEST(SubtractModel, MakesAWeightDiffInItsOwnMemory) {
  const std::vector<float> lent{3, 5};
  Shareable result =
      model_of({{"w", Tensor{FLARE_FLOAT32, {2, 1}, {nullptr, reinterpret_cast<const std::byte *>(lent.data()), 8}}},
                {"n", map_of({{"b", floats({0.5f})}})}});
  result.meta.set("own", 1);
  const Shareable task =
      model_of({{"w", Tensor{FLARE_FLOAT32, {2, 1}, floats({1, 7}).bytes}}, {"n/b", floats({0.25f})}});
  subtract_model(task, &result);
  EXPECT_EQ(result.kind, "WEIGHT_DIFF");
  EXPECT_EQ(result.meta.find("own")->integer(), 1);
  const Tensor &made = *result.body.find("w")->tensor();
  EXPECT_THAT(made.shape, ElementsAre(2, 1));
  EXPECT_THAT(elements_of<float>(made), ElementsAre(2, -2));
  EXPECT_THAT(elements_of<float>(*result.body.find("n")->map()->find("b")->tensor()), ElementsAre(0.25f));
  EXPECT_NE(made.bytes.owner, nullptr);
  EXPECT_THAT(lent, ElementsAre(3, 5));
}

TEST(SubtractModel, OfPartOfAModelIsThatPart) {
  Shareable result = model_of({{"b", floats({2})}});
  subtract_model(model_of({{"a", floats({1})}, {"b", floats({1})}}), &result);
  EXPECT_EQ(result.body.size(), 1u);
}

template <typename T>
void expect_differences(flare_dtype dtype) {
  constexpr T kLeast = std::numeric_limits<T>::lowest();
  constexpr T kMost = std::numeric_limits<T>::max();
  const std::vector<T> made =
      elements_of<T>(difference(tensor_of<T>(dtype, {7, kMost, 0}), tensor_of<T>(dtype, {4, kMost, 0})));
  EXPECT_THAT(made, ElementsAre(T{3}, T{0}, T{0})) << dtype_name(dtype);
  if constexpr (std::is_integral_v<T>) {
    EXPECT_EQ(elements_of<T>(difference(tensor_of<T>(dtype, {kLeast}), tensor_of<T>(dtype, {1})))[0], kMost);
  }
}

TEST(SubtractModel, OfEveryPlainType) {
  expect_differences<int8_t>(FLARE_INT8);
  expect_differences<int16_t>(FLARE_INT16);
  expect_differences<int32_t>(FLARE_INT32);
  expect_differences<int64_t>(FLARE_INT64);
  expect_differences<uint8_t>(FLARE_UINT8);
  expect_differences<uint16_t>(FLARE_UINT16);
  expect_differences<uint32_t>(FLARE_UINT32);
  expect_differences<uint64_t>(FLARE_UINT64);
  expect_differences<float>(FLARE_FLOAT32);
  expect_differences<double>(FLARE_FLOAT64);
  EXPECT_EQ(difference(floats({}), floats({})).bytes.size, 0u);
}

TEST(SubtractModel, OfComplexNumbers) {
  using Single = std::complex<float>;
  using Double = std::complex<double>;
  EXPECT_THAT(elements_of<Single>(difference(tensor_of<Single>(FLARE_COMPLEX64, {{5, 1}, {0, 2}}),
                                             tensor_of<Single>(FLARE_COMPLEX64, {{2, 2}, {0, 1}}))),
              ElementsAre(Single(3, -1), Single(0, 1)));
  EXPECT_THAT(elements_of<Double>(difference(tensor_of<Double>(FLARE_COMPLEX128, {{5, 1}}),
                                             tensor_of<Double>(FLARE_COMPLEX128, {{2, 2}}))),
              ElementsAre(Double(3, -1)));
}

uint16_t half_difference(flare_dtype dtype, uint16_t trained, uint16_t base) {
  return elements_of<uint16_t>(
      difference(tensor_of<uint16_t>(dtype, {trained}), tensor_of<uint16_t>(dtype, {base})))[0];
}

TEST(SubtractModel, OfHalfPrecision) {
  const auto minus = [](uint16_t trained, uint16_t base) { return half_difference(FLARE_FLOAT16, trained, base); };
  EXPECT_EQ(minus(0x4200, 0x3c00), 0x4000) << "3 - 1";
  EXPECT_EQ(minus(0x3c00, 0x4200), 0xc000) << "1 - 3";
  EXPECT_EQ(minus(0x0001, 0x8001), 0x0002) << "the smallest numbers";
  EXPECT_EQ(minus(0x0400, 0x0001), 0x03ff) << "from a normal number to a subnormal one";
  EXPECT_EQ(minus(0x6801, 0x3c00), 0x6800) << "2050 - 1: halfway, to the even one";
  EXPECT_EQ(minus(0x7bff, 0xfbff), 0x7c00) << "too large";
  EXPECT_EQ(minus(0x7c00, 0x7bff), 0x7c00) << "infinity stays";
  EXPECT_EQ(minus(0x7c00, 0x7c00) & 0x7fff, 0x7e00) << "infinity - infinity is no number";
}

// Every number of the type minus 0 is itself, and minus itself is 0.
TEST(SubtractModel, KeepsEveryHalfPrecisionNumber) {
  for (const auto &[dtype, infinity] : {std::pair{FLARE_FLOAT16, 0x7c00}, std::pair{FLARE_BFLOAT16, 0x7f80}}) {
    std::vector<uint16_t> all;
    for (int bits = 0; bits < 0x10000; ++bits) {
      if ((bits & 0x7fff) <= infinity) all.push_back(static_cast<uint16_t>(bits));
    }
    const std::vector<uint16_t> zeros(all.size());
    EXPECT_EQ(elements_of<uint16_t>(difference(tensor_of(dtype, all), tensor_of(dtype, zeros))), all);
    std::erase_if(all, [infinity = infinity](uint16_t bits) { return (bits & 0x7fff) == infinity; });
    EXPECT_EQ(elements_of<uint16_t>(difference(tensor_of(dtype, all), tensor_of(dtype, all))),
              std::vector<uint16_t>(all.size()));
  }
}

TEST(SubtractModel, RoundsToTheNearestTiesToTheEven) {
  const auto half = [](float exact) {
    const Tensor trained = tensor_of<uint16_t>(FLARE_FLOAT16, {0});
    return elements_of<uint16_t>(difference(trained, floats({-exact})))[0];
  };
  EXPECT_EQ(half(2049.0f), 0x6800);
  EXPECT_EQ(half(2049.5f), 0x6801);
  EXPECT_EQ(half(2051.0f), 0x6802);
  EXPECT_EQ(half(65519.0f), 0x7bff);
  EXPECT_EQ(half(65520.0f), 0x7c00);
  EXPECT_EQ(half(0x1.8p-24f), 0x0002);
  EXPECT_EQ(half(0x1p-25f), 0x0000);
  EXPECT_EQ(half(0x1.ffap-15f), 0x03ff);
  EXPECT_EQ(half(0x1.ffcp-15f), 0x0400);
  const auto brain = [](uint32_t exact) {
    const Tensor trained = tensor_of<uint16_t>(FLARE_BFLOAT16, {0});
    return elements_of<uint16_t>(difference(trained, floats({-std::bit_cast<float>(exact)})))[0];
  };
  EXPECT_EQ(brain(0x3f808000), 0x3f80);
  EXPECT_EQ(brain(0x3f808001), 0x3f81);
  EXPECT_EQ(brain(0x3f818000), 0x3f82);
  EXPECT_EQ(brain(0x7f7fffff), 0x7f80);
  EXPECT_EQ(brain(0x7f800001) & 0x7fff, 0x7fc0) << "no number does not become infinity";
}

TEST(SubtractModel, MayMixFloatingTypes) {
  const Tensor made = difference(tensor_of<double>(FLARE_FLOAT64, {1 + 0x1p-40}), floats({1}));
  EXPECT_EQ(made.dtype, FLARE_FLOAT64);
  EXPECT_EQ(elements_of<double>(made)[0], 0x1p-40);
  EXPECT_EQ(elements_of<float>(difference(floats({1}), tensor_of<double>(FLARE_FLOAT64, {1 - 0x1p-40})))[0], 0x1p-40f);
  EXPECT_EQ(elements_of<float>(difference(floats({3}), tensor_of<uint16_t>(FLARE_BFLOAT16, {0x3f80})))[0], 2.0f);
}

TEST(SubtractModel, WhatHasNoDifferenceIsRefusedWithTheRemedy) {
  for (const flare_dtype dtype : {FLARE_BOOL, FLARE_OPAQUE, FLARE_FLOAT8_E4M3FN, FLARE_FLOAT8_E5M2}) {
    const Tensor tensor = tensor_of<uint8_t>(dtype, {1});
    EXPECT_EQ(no_difference(tensor, tensor),
              "tensor 'w' is of " + dtype_name(dtype) + ", which has no difference: use params_transfer_type FULL");
  }
  EXPECT_EQ(no_difference(copy_bytes("123", 3), floats({1})),
            "tensor 'w' is of opaque, which has no difference: use params_transfer_type FULL");
  EXPECT_EQ(no_difference(1.5, floats({1})),
            "'w' is no tensor, so it has no difference: use params_transfer_type FULL");
  EXPECT_EQ(no_difference(floats({1}), tensor_of<int32_t>(FLARE_INT32, {1})),
            "tensor 'w' is of float32, but of int32 in the task's model, which has no difference: use "
            "params_transfer_type FULL");
  EXPECT_THAT(no_difference(tensor_of<int32_t>(FLARE_INT32, {1}), floats({1})), HasSubstr("int32, but of float32"));
  EXPECT_THAT(no_difference(tensor_of<int32_t>(FLARE_INT32, {1}), tensor_of<uint32_t>(FLARE_UINT32, {1})),
              HasSubstr("int32, but of uint32"));
  EXPECT_THAT(no_difference(tensor_of<std::complex<float>>(FLARE_COMPLEX64, {{1, 1}}), floats({1})),
              HasSubstr("complex64, but of float32"));
}

TEST(SubtractModel, WhatIsNotInTheModelIsRefusedByName) {
  Shareable result = model_of({{"w", floats({1})}, {"n", map_of({{"new", floats({1})}})}});
  EXPECT_EQ(refusal([&] {
              subtract_model(model_of({{"w", floats({1})}}), &result);
            }),
            "tensor 'n/new' is not in the task's model, so it has no difference: use params_transfer_type FULL");
  EXPECT_EQ(no_difference(floats({1, 2, 3}), floats({1, 2, 3, 4})), "tensor 'w' has the shape [3], not [4]");
}

}  // namespace
}  // namespace flare
