#include "model/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "base/failure.h"

namespace flare {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

Failure failure_of(const std::function<void()> &action) {
  try {
    action();
  } catch (const Failure &failure) {
    return failure;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {FLARE_OK, ""};
}

// A flare_tensor with what it points to.
struct Source {
  flare_dtype dtype = FLARE_FLOAT32;
  const void *data = nullptr;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // none: NULL

  flare_tensor view() const {
    flare_tensor tensor = FLARE_TENSOR_INIT;
    tensor.dtype = dtype;
    tensor.ndim = static_cast<int32_t>(shape.size());
    tensor.data = data;
    tensor.shape = shape.empty() ? nullptr : shape.data();
    tensor.strides = strides.empty() ? nullptr : strides.data();
    return tensor;
  }
  Tensor copy() const { return copy_tensor("w", view(), Limits()); }
  Tensor borrow() const { return borrow_tensor("w", view(), nullptr, Limits()); }
};

template <typename T>
std::vector<T> elements(const Tensor &tensor) {
  std::vector<T> out(tensor.bytes.size / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data, tensor.bytes.size);
  return out;
}

std::vector<float> counted(size_t count) {
  std::vector<float> out(count);
  std::iota(out.begin(), out.end(), 0.f);
  return out;
}

TEST(Dtype, HasTheSizeAndNameOfEachOfTheHeader) {
  const std::vector<std::tuple<flare_dtype, size_t, std::string>> all = {
      {FLARE_INT8, 1, "int8"},
      {FLARE_INT16, 2, "int16"},
      {FLARE_INT32, 4, "int32"},
      {FLARE_INT64, 8, "int64"},
      {FLARE_UINT8, 1, "uint8"},
      {FLARE_UINT16, 2, "uint16"},
      {FLARE_UINT32, 4, "uint32"},
      {FLARE_UINT64, 8, "uint64"},
      {FLARE_FLOAT16, 2, "float16"},
      {FLARE_FLOAT32, 4, "float32"},
      {FLARE_FLOAT64, 8, "float64"},
      {FLARE_OPAQUE, 1, "opaque"},
      {FLARE_BFLOAT16, 2, "bfloat16"},
      {FLARE_COMPLEX64, 8, "complex64"},
      {FLARE_COMPLEX128, 16, "complex128"},
      {FLARE_BOOL, 1, "bool"},
      {FLARE_FLOAT8_E4M3FN, 1, "float8_e4m3fn"},
      {FLARE_FLOAT8_E5M2, 1, "float8_e5m2"},
  };
  for (const auto &[dtype, size, name] : all) {
    EXPECT_EQ(element_size(dtype), size) << name;
    EXPECT_EQ(dtype_name(dtype), name);
  }
}

TEST(Dtype, OfAnotherValueIsNotGuessedFromItsBits) {
  for (const flare_dtype dtype : {0, 0x0802, 0x0800 | 0x07, 0x2000 | 0x10000, -1, 0x1234}) {
    EXPECT_EQ(element_size(dtype), 0u) << dtype;
  }
  EXPECT_EQ(dtype_name(0x1234), "dtype 0x1234");
  EXPECT_EQ(dtype_name(0), "dtype 0x0000");
  EXPECT_EQ(dtype_name(-1), "dtype 0xffffffff");
}

TEST(Describe, ShowsTypeAndShape) {
  EXPECT_EQ(describe({FLARE_FLOAT32, {64, 32}, {}}), "float32[64, 32]");
  EXPECT_EQ(describe({FLARE_INT8, {7}, {}}), "int8[7]");
  EXPECT_EQ(describe({FLARE_BOOL, {}, {}}), "bool[]");
}

uint64_t size_of(flare_dtype dtype, const std::vector<int64_t> &shape, const Limits &limits = Limits()) {
  return tensor_bytes(dtype, shape.data(), static_cast<int32_t>(shape.size()), limits);
}

TEST(TensorBytes, MultipliesElementsAndTheirSize) {
  EXPECT_EQ(size_of(FLARE_FLOAT32, {64, 32}), 64u * 32 * 4);
  EXPECT_EQ(size_of(FLARE_COMPLEX128, {}), 16u);
  EXPECT_EQ(size_of(FLARE_INT64, {3, 0, 2}), 0u);
  EXPECT_EQ(tensor_bytes(FLARE_INT8, nullptr, 0, Limits()), 1u);
}

TEST(TensorBytes, RefusesWhatCannotBe) {
  const auto refusal = [](flare_dtype dtype, const std::vector<int64_t> &shape) {
    return failure_of([&] { size_of(dtype, shape); });
  };
  EXPECT_EQ(refusal(0x1234, {2}).status(), FLARE_INVALID_ARGUMENT);
  EXPECT_THAT(refusal(0x1234, {2}).what(), HasSubstr("dtype 0x1234"));
  EXPECT_EQ(refusal(FLARE_INT8, {2, -3}).status(), FLARE_INVALID_ARGUMENT);
  EXPECT_THAT(refusal(FLARE_INT8, {2, -3}).what(), HasSubstr("dimension 1 is -3"));
  EXPECT_EQ(refusal(FLARE_INT8, {0, -3}).status(), FLARE_INVALID_ARGUMENT);
  EXPECT_EQ(failure_of([] { tensor_bytes(FLARE_INT8, nullptr, 1, Limits()); }).status(), FLARE_INVALID_ARGUMENT);
}

TEST(TensorBytes, RefusesTooManyDimensions) {
  EXPECT_EQ(size_of(FLARE_INT8, std::vector<int64_t>(32, 1)), 1u);
  EXPECT_EQ(failure_of([] { size_of(FLARE_INT8, std::vector<int64_t>(33, 1)); }).status(), FLARE_INVALID_ARGUMENT);
  const int64_t one = 1;
  EXPECT_EQ(failure_of([&] { tensor_bytes(FLARE_INT8, &one, -1, Limits()); }).status(), FLARE_INVALID_ARGUMENT);
}

TEST(TensorBytes, FindsOverflowWhereverItHappens) {
  Limits limits;
  limits.max_tensor_bytes = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(size_of(FLARE_INT8, {kMax}, limits), static_cast<uint64_t>(kMax));
  const std::vector<std::pair<flare_dtype, std::vector<int64_t>>> overflowing = {
      {FLARE_INT16, {kMax}},                                  // of the bytes, not of the elements
      {FLARE_INT8, {int64_t{1} << 32, int64_t{1} << 32}},     // to exactly 0 in 64 bits
      {FLARE_FLOAT32, {int64_t{1} << 31, int64_t{1} << 30}},  // to a negative size
      {FLARE_INT8, {0, int64_t{1} << 32, int64_t{1} << 32}},  // beside an empty dimension
      {FLARE_INT8, {int64_t{1} << 32, int64_t{1} << 32, 0}},
  };
  for (const auto &[dtype, shape] : overflowing) {
    const Failure failure = failure_of([&, &dtype = dtype, &shape = shape] { size_of(dtype, shape, limits); });
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT) << testing::PrintToString(shape);
    EXPECT_THAT(failure.what(), HasSubstr("overflow"));
  }
}

TEST(TensorBytes, HoldsTheLimit) {
  Limits limits;
  limits.max_tensor_bytes = 40;
  EXPECT_EQ(size_of(FLARE_FLOAT32, {10}, limits), 40u);
  const Failure failure = failure_of([&] { size_of(FLARE_FLOAT32, {11}, limits); });
  EXPECT_EQ(failure.status(), FLARE_TOO_LARGE);
  EXPECT_THAT(failure.what(), AllOf(HasSubstr("44"), HasSubstr("max_tensor_bytes"), HasSubstr("40")));
}

TEST(CopyTensor, TakesCompactElementsAsTheyLie) {
  const std::vector<float> data = {1, 2, 3, 4, 5, 6};
  const Tensor tensor = Source{FLARE_FLOAT32, data.data(), {2, 3}, {}}.copy();
  EXPECT_EQ(tensor.dtype, FLARE_FLOAT32);
  EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(elements<float>(tensor), data);
  EXPECT_NE(static_cast<const void *>(tensor.bytes.data), data.data());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes.data) % 64, 0u);
}

TEST(CopyTensor, TakesAScalar) {
  const double value = 2.5;
  EXPECT_EQ(elements<double>(Source{FLARE_FLOAT64, &value, {}, {}}.copy()), std::vector<double>{2.5});
}

TEST(CopyTensor, NeedsNoDataWithoutElements) {
  const Tensor tensor = Source{FLARE_FLOAT32, nullptr, {3, 0, 2}, {7, kMax, 9}}.copy();
  EXPECT_EQ(tensor.shape, (std::vector<int64_t>{3, 0, 2}));
  EXPECT_EQ(tensor.bytes.size, 0u);
}

TEST(CopyTensor, GathersAColumnMajorMatrix) {
  const std::vector<int16_t> data = {1, 4, 2, 5, 3, 6};
  EXPECT_EQ(elements<int16_t>(Source{FLARE_INT16, data.data(), {2, 3}, {1, 2}}.copy()),
            (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
}

TEST(CopyTensor, FollowsNegativeStridesFromTheFirstElement) {
  const std::vector<float> data = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, &data[5], {6}, {-1}}.copy()), (std::vector<float>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, &data[3], {2, 3}, {-3, 1}}.copy()),
            (std::vector<float>{4, 5, 6, 1, 2, 3}));
}

TEST(CopyTensor, RepeatsElementsAlongZeroStrides) {
  const std::vector<float> data = {7, 8};
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, data.data(), {3, 2}, {0, 1}}.copy()),
            (std::vector<float>{7, 8, 7, 8, 7, 8}));
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, data.data(), {2, 3}, {1, 0}}.copy()),
            (std::vector<float>{7, 7, 7, 8, 8, 8}));
}

TEST(CopyTensor, IgnoresTheStrideOfADimensionOfOne) {
  const std::vector<float> data = {1, 2, 3};
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, data.data(), {1, 3, 1}, {kMax, 1, kMin}}.copy()), data);
}

// All layouts of a padded block of 4 dimensions, for every size of an element: the wanted element is found by
// arithmetic of its own.
template <typename T>
void gathers_every_order(flare_dtype dtype) {
  const std::vector<int64_t> shape = {2, 3, 1, 5};
  std::vector<T> data(2 * 3 * 5 * 8);
  for (size_t i = 0; i < data.size(); ++i) std::memset(&data[i], static_cast<int>(i + 1), sizeof(T));
  std::vector<int> order = {0, 1, 2, 3};
  do {
    for (const int64_t padding : {0, 1}) {
      std::vector<int64_t> strides(4);
      int64_t step = 1;
      for (const int dimension : order) {  // from the fastest
        strides[static_cast<size_t>(dimension)] = step;
        step *= shape[static_cast<size_t>(dimension)] + padding;
      }
      std::vector<T> wanted;
      for (int64_t i = 0; i < shape[0]; ++i) {
        for (int64_t j = 0; j < shape[1]; ++j) {
          for (int64_t k = 0; k < shape[3]; ++k) {
            wanted.push_back(data[static_cast<size_t>(i * strides[0] + j * strides[1] + k * strides[3])]);
          }
        }
      }
      const Tensor tensor = Source{dtype, data.data(), shape, strides}.copy();
      ASSERT_EQ(tensor.bytes.size, wanted.size() * sizeof(T));
      ASSERT_EQ(std::memcmp(tensor.bytes.data, wanted.data(), tensor.bytes.size), 0)
          << sizeof(T) << testing::PrintToString(strides);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(CopyTensor, GathersEveryOrderOfDimensionsAndEverySize) {
  struct Sixteen {
    char bytes[16];
  };
  gathers_every_order<int8_t>(FLARE_UINT8);
  gathers_every_order<int16_t>(FLARE_BFLOAT16);
  gathers_every_order<int32_t>(FLARE_FLOAT32);
  gathers_every_order<int64_t>(FLARE_COMPLEX64);
  gathers_every_order<Sixteen>(FLARE_COMPLEX128);
}

TEST(CopyTensor, TakesUnalignedMemory) {
  const std::vector<float> data = {1, 2, 3, 4};
  std::vector<char> shifted(1 + sizeof(float) * data.size());
  std::memcpy(shifted.data() + 1, data.data(), sizeof(float) * data.size());
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, shifted.data() + 1, {2, 2}, {1, 2}}.copy()),
            (std::vector<float>{1, 3, 2, 4}));
}

TEST(CopyTensor, IsIndependentOfItsSource) {
  std::vector<float> data = {1, 2};
  const Tensor tensor = Source{FLARE_FLOAT32, data.data(), {2}, {}}.copy();
  data = {8, 9};
  EXPECT_EQ(elements<float>(tensor), (std::vector<float>{1, 2}));
}

TEST(BorrowTensor, RefersToTheCallersMemoryAndHoldsTheLease) {
  const std::vector<float> data = {1, 2, 3};
  const auto lease = std::make_shared<int>(0);
  {
    const Tensor tensor = borrow_tensor("w", Source{FLARE_FLOAT32, data.data(), {3}, {}}.view(), lease, Limits());
    EXPECT_EQ(static_cast<const void *>(tensor.bytes.data), data.data());
    EXPECT_EQ(tensor.bytes.size, 12u);
    EXPECT_EQ(tensor.shape, std::vector<int64_t>{3});
    EXPECT_EQ(tensor.dtype, FLARE_FLOAT32);
    EXPECT_EQ(lease.use_count(), 2);
  }
  EXPECT_EQ(lease.use_count(), 1);
}

TEST(BorrowTensor, TakesStridesThatSayCompact) {
  const std::vector<float> data = counted(6);
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, data.data(), {2, 1, 3}, {3, 99, 1}}.borrow()), data);
  EXPECT_EQ(elements<float>(Source{FLARE_FLOAT32, data.data(), {1, 6}, {-5, 1}}.borrow()), data);
  EXPECT_EQ((Source{FLARE_FLOAT32, nullptr, {3, 0, 2}, {5, 5, 5}}.borrow().bytes.size), 0u);
  EXPECT_EQ((Source{FLARE_FLOAT32, nullptr, {3, 0, 2}, {}}.borrow().bytes.size), 0u);
}

TEST(BorrowTensor, RefusesWhatIsNotCompact) {
  const std::vector<float> data = counted(12);
  for (const std::vector<int64_t> &strides :
       std::vector<std::vector<int64_t>>{{1, 2}, {4, 1}, {3, 2}, {0, 1}, {3, 0}, {-3, 1}, {3, -1}}) {
    const Failure failure = failure_of([&] { Source{FLARE_FLOAT32, &data[6], {2, 3}, strides}.borrow(); });
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT) << testing::PrintToString(strides);
    EXPECT_THAT(failure.what(), AllOf(HasSubstr("\"w\""), HasSubstr("not compact")));
  }
}

// What is wrong with a tensor is refused by both, with the tensor's name.
class RefusedTensor : public testing::Test {
 protected:
  void expect_refused(const flare_tensor &tensor, flare_status status, const std::string &words) {
    for (const Failure &failure : {failure_of([&] { copy_tensor("layer/weight", tensor, limits_); }),
                                   failure_of([&] { borrow_tensor("layer/weight", tensor, nullptr, limits_); })}) {
      EXPECT_EQ(failure.status(), status) << failure.what();
      EXPECT_THAT(failure.what(), AllOf(HasSubstr("tensor \"layer/weight\": "), HasSubstr(words)));
    }
  }

  const std::vector<float> data_ = counted(4);
  Source source_{FLARE_FLOAT32, data_.data(), {4}, {}};
  Limits limits_;
};

TEST_F(RefusedTensor, WithoutStructSize) {
  flare_tensor tensor = source_.view();
  tensor.struct_size = 0;
  expect_refused(tensor, FLARE_INVALID_ARGUMENT, "FLARE_TENSOR_INIT");
  tensor.struct_size = sizeof(flare_tensor) - 1;
  expect_refused(tensor, FLARE_INVALID_ARGUMENT, "FLARE_TENSOR_INIT");
  tensor.struct_size = sizeof(flare_tensor) + 8;  // of a later version of the header
  EXPECT_EQ(copy_tensor("w", tensor, limits_).bytes.size, 16u);
}

TEST_F(RefusedTensor, OnAnotherDevice) {
  for (const int32_t device : {2, 13, -1}) {
    flare_tensor tensor = source_.view();
    tensor.device_type = device;
    expect_refused(tensor, FLARE_INVALID_ARGUMENT, "device type " + std::to_string(device) + ": copy it to the host");
  }
  for (const int32_t host : {0, 1}) {
    flare_tensor tensor = source_.view();
    tensor.device_type = host;
    EXPECT_EQ(copy_tensor("w", tensor, limits_).bytes.size, 16u);
  }
}

TEST_F(RefusedTensor, OfAnUnknownType) {
  source_.dtype = 0x2006;
  expect_refused(source_.view(), FLARE_INVALID_ARGUMENT, "dtype 0x2006");
}

TEST_F(RefusedTensor, WithABadShape) {
  flare_tensor tensor = source_.view();
  tensor.shape = nullptr;
  expect_refused(tensor, FLARE_INVALID_ARGUMENT, "shape is NULL");
  source_.shape = {-1};
  expect_refused(source_.view(), FLARE_INVALID_ARGUMENT, "dimension 0 is -1");
  source_.shape = {kMax, 8};
  expect_refused(source_.view(), FLARE_INVALID_ARGUMENT, "overflow");
  tensor.ndim = -1;
  expect_refused(tensor, FLARE_INVALID_ARGUMENT, "-1 dimensions");
}

TEST_F(RefusedTensor, WithoutData) {
  source_.data = nullptr;
  expect_refused(source_.view(), FLARE_INVALID_ARGUMENT, "data is NULL");
}

TEST_F(RefusedTensor, BeyondTheLimit) {
  limits_.max_tensor_bytes = 15;
  expect_refused(source_.view(), FLARE_TOO_LARGE, "16 bytes");
}

TEST_F(RefusedTensor, WithStridesThatOverflow) {
  const std::vector<std::vector<int64_t>> overflowing = {
      {kMax, 1, 1},                          // a step in bytes
      {kMin, 1, 1},                          //
      {kMax / 8, 1, 1},                      // from the first element to the last one of a dimension
      {1, kMax / 16, kMax / 16},             // of two dimensions together
      {1, -(kMax / 16), -(kMax / 16)},       // in the other direction
      {kMax / 16, -(kMax / 16), kMax / 16},  // the same, though the sum of all is small
  };
  source_.shape = {4, 4, 4};
  for (const auto &strides : overflowing) {
    source_.strides = strides;
    expect_refused(source_.view(), FLARE_INVALID_ARGUMENT, "the strides overflow");
  }
}

// Only distances between elements count: what the strides would reach one step further may be anything.
TEST(BorrowTensor, FindsNoOverflowInTheLargestStrides) {
  const float value = 0;
  const Failure failure = failure_of([&] { Source{FLARE_FLOAT32, &value, {2, 2}, {kMax / 4, kMin / 4}}.borrow(); });
  EXPECT_THAT(failure.what(), HasSubstr("not compact"));
}

// Sanitizers end the process instead.
#ifndef FLARE_SANITIZED
TEST_F(RefusedTensor, ThatNoMemoryIsEnoughFor) {
  limits_.max_tensor_bytes = std::numeric_limits<uint64_t>::max();
  source_.shape = {int64_t{1} << 60};
  source_.strides = {0};
  const Failure failure = failure_of([&] { copy_tensor("w", source_.view(), limits_); });
  EXPECT_EQ(failure.status(), FLARE_OUT_OF_MEMORY);
  EXPECT_THAT(failure.what(), HasSubstr("\"w\""));
}
#endif

}  // namespace
}  // namespace flare
