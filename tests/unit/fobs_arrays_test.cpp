// NumPy's files of one array and of several, against NumPy's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "base/crc32.h"
#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/npy.h"
#include "fobs/npz.h"
#include "fobs_samples.h"

namespace flare::fobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string words_of(const std::function<void()> &act, flare_status status) {
  try {
    act();
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), status) << failure.what();
    return failure.what();
  }
  return "";
}

// The file that is in a vector's message.
Bytes npy_of(const char *name) {
  const Message message = decode(bytes_of(vector_named(name).bytes), {});
  return *array_place(message.root).value().native->bytes();
}

template <typename T>
std::vector<T> elements_of(const Tensor &tensor) {
  std::vector<T> elements(tensor.bytes.size / sizeof(T));
  if (!elements.empty()) std::memcpy(elements.data(), tensor.bytes.data, tensor.bytes.size);
  return elements;
}

Tensor tensor_in(const char *name) { return tensor_of(read_npy(npy_of(name), {}), {}).value(); }

// As NumPy writes an array whose head is `words`.
Bytes npy(std::string words, std::string_view elements, char version = 1) {
  std::string file = "\x93NUMPY";
  file += {version, '\0', static_cast<char>(words.size() & 0xff), static_cast<char>(words.size() >> 8)};
  if (version > 1) file += {'\0', '\0'};
  return bytes_of(file + words + std::string(elements));
}

TEST(FobsNpy, AreWrittenAsNumPyWritesThem) {
  size_t count = 0;
  for (const Vector &vector : vectors()) {
    if (!vector.name.starts_with("nd_") || vector.bytes.empty()) continue;
    const Message message = decode(bytes_of(vector.bytes), {});
    const auto place = array_place(message.root);
    if (!place || !place->native) continue;
    const NpyArray array = read_npy(*place->native->bytes(), {});
    const auto tensor = tensor_of(array, {});
    if (!tensor || array.head.first_index_fastest || array.head.descr.front() == '>') continue;
    const Message written{array_of(Joined{npy_head(*tensor), tensor->bytes, ""}), {}};
    EXPECT_EQ(to_digits(encoded(written)), to_digits(vector.bytes)) << vector.name;
    ++count;
  }
  EXPECT_EQ(count, 22u);
}

// Here the words end where padding to 64 bytes would add none, and NumPy adds 64.
TEST(FobsNpy, ArePaddedAsNumPyPadsThem) {
  const Tensor tensor{FLARE_COMPLEX128, {3, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10}, {}};
  const std::string words =
      "{'descr': '<c16', 'fortran_order': False, 'shape': (3, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10), }";
  EXPECT_EQ(npy_head(tensor), std::string("\x93NUMPY\1\0\xb6\0", 10) + words + std::string(84, ' ') + '\n');
}

TEST(FobsNpy, AreReadWhereTheyAre) {
  const Bytes file = npy_of("nd_float32");
  const Tensor tensor = tensor_of(read_npy(file, {}), {}).value();
  EXPECT_EQ(tensor.dtype, FLARE_FLOAT32);
  EXPECT_THAT(tensor.shape, ElementsAre(3));
  EXPECT_THAT(elements_of<float>(tensor), ElementsAre(0, 1, 2));
  EXPECT_EQ(tensor.bytes.owner, file.owner);
  EXPECT_EQ(tensor.bytes.data, file.data + file.size - 12);
}

TEST(FobsNpy, KnowTheTypesOfTensors) {
  const std::pair<const char *, flare_dtype> expected[] = {
      {"nd_float16", FLARE_FLOAT16}, {"nd_float64", FLARE_FLOAT64},
      {"nd_int8", FLARE_INT8},       {"nd_int16", FLARE_INT16},
      {"nd_int32", FLARE_INT32},     {"nd_int64", FLARE_INT64},
      {"nd_uint8", FLARE_UINT8},     {"nd_uint16", FLARE_UINT16},
      {"nd_uint32", FLARE_UINT32},   {"nd_uint64", FLARE_UINT64},
      {"nd_bool", FLARE_BOOL},       {"nd_complex64", FLARE_COMPLEX64},
      {"nd_0d", FLARE_FLOAT32},      {"nd_complex128", FLARE_COMPLEX128}};
  for (const auto &[name, dtype] : expected) EXPECT_EQ(tensor_in(name).dtype, dtype) << name;
  for (const char *name : {"nd_unicode", "nd_bytes_S3", "nd_datetime64", "nd_structured"})
    EXPECT_FALSE(tensor_of(read_npy(npy_of(name), {}), {})) << name;
  EXPECT_EQ(read_npy(npy_of("nd_structured"), {}).head.descr, "[('i', '<i4'), ('f', '<f8')]");
}

TEST(FobsNpy, ComeInOurOrder) {
  EXPECT_THAT(elements_of<int32_t>(tensor_in("nd_bigendian")), ElementsAre(1, 2));
  EXPECT_THAT(tensor_in("nd_2d_f").shape, ElementsAre(2, 3));
  EXPECT_THAT(elements_of<float>(tensor_in("nd_2d_f")), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(elements_of<float>(tensor_in("nd_2d_c")), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(elements_of<int32_t>(tensor_in("nd_strided")), ElementsAre(0, 3, 6, 9));
  const Tensor three = tensor_in("nd_transposed3d");
  EXPECT_THAT(three.shape, ElementsAre(4, 2, 3));
  EXPECT_THAT(elements_of<int16_t>(three),
              ElementsAre(0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23));
  // What numpy.asfortranarray(numpy.arange(12).reshape(2, 3, 2)) has in its file.
  const std::string_view fortran("\0\6\2\10\4\12\1\7\3\11\5\13", 12);
  const Tensor turned =
      tensor_of(read_npy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }", fortran), {}), {})
          .value();
  EXPECT_THAT(turned.shape, ElementsAre(2, 3, 2));
  EXPECT_THAT(elements_of<char>(turned), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(tensor_in("nd_empty2d").shape, ElementsAre(0, 3));
  EXPECT_EQ(tensor_in("nd_0d").shape.size(), 0u);
  EXPECT_THAT(elements_of<float>(tensor_in("nd_0d")), ElementsAre(3.5f));
  // A complex number is two that are turned around.
  const char big[] = "\x3f\x80\0\0\x40\0\0\0";
  const Tensor complex =
      tensor_of(read_npy(npy("{'descr': '>c8', 'fortran_order': False, 'shape': (1,), }", {big, 8}), {}), {}).value();
  EXPECT_EQ(complex.dtype, FLARE_COMPLEX64);
  EXPECT_THAT(elements_of<float>(complex), ElementsAre(1, 2));
}

TEST(FobsNpy, AreReadInAllVersionsOfTheFormat) {
  for (const char version : {'\1', '\2', '\3'}) {
    const Bytes file = npy("{'shape': (), 'fortran_order': True, 'descr': \"|u1\"}", "x", version);
    EXPECT_THAT(elements_of<char>(tensor_of(read_npy(file, {}), {}).value()), ElementsAre('x'));
  }
}

TEST(FobsNpy, AreRefusedWhenTheyAreNone) {
  const auto expect = [](const Bytes &file, const char *words, flare_status status = FLARE_PROTOCOL) {
    EXPECT_THAT(words_of([&] { read_npy(file, {}); }, status), HasSubstr(words)) << file.text();
  };
  const auto head = [](const std::string &words, const char *said, flare_status status = FLARE_PROTOCOL) {
    EXPECT_THAT(words_of([&] { read_npy(npy(words, ""), {}); }, status), HasSubstr(said)) << words;
  };
  const std::string rest = ", 'fortran_order': False, 'shape': (0,)}";
  expect(bytes_of(""), "is no array of NumPy's");
  expect(bytes_of("\x93NUMPX\1\0\0\0\0\0"), "is no array of NumPy's");
  expect(bytes_of(std::string_view("\x93NUMPY\4\0\0\0\0\0\0\0", 14)), "unknown version 4");
  expect(bytes_of(std::string_view("\x93NUMPY\1\0\xff\0\0\0\0\0", 14)), "cut off or too long");
  expect(bytes_of(std::string_view("\x93NUMPY\2\0\xff\xff\xff\xff", 12)), "cut off or too long");
  expect(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234"),
         "4 bytes of elements, and its shape needs 8");
  expect(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "12345"), "5 bytes of elements");
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "overflows");
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 0, 2097152, 4194304)}", "overflows");
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", "max_tensor_bytes", FLARE_TOO_LARGE);
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "its shape is none");
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "its shape is none");
  std::string dimensions;
  for (int i = 0; i < 33; ++i) dimensions += "1,";
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (" + dimensions + ")}", "33 dimensions");
  head("{'descr': '|O'" + rest, "Python's objects (|O)");
  head("{'descr': [('a', '<i4'), ('b', '|O')]" + rest, "Python's objects");
  head("{'descr': [('a', '<i4'" + rest, "lacks");
  head("{'descr': " + std::string(40, '[') + rest, "nested too deep");
  head("{'descr': '<f4'", "lacks");
  head("{'descr': '<f4'}", "not that of an array");
  head("{'descr': '<f4', 'descr': '<f4'" + rest, "twice");
  head("{'other': '<f4'" + rest, "'other'");
  head("{'descr': <f4" + rest, "a word in quotes");
  head("{'descr': '<f4", "a word in quotes");
  head("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (0,)}", "True or False");
  head("{'descr': '<f4', 'fortran_order': False, 'shape': (0,)} x", "not that of an array");
}

TEST(FobsNpy, HaveNoTypeForSomeTensors) {
  const Tensor tensor{FLARE_BFLOAT16, {1}, bytes_of("12")};
  EXPECT_THAT(words_of([&] { npy_head(tensor); }, FLARE_INVALID_ARGUMENT), HasSubstr("bfloat16 is no type of NumPy's"));
}

TEST(FobsNpz, IsReadAndWrittenAsNumPysOwn) {
  const std::string item = vector_named("npz_item").raw;
  const auto members = read_npz(bytes_of(item), {});
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].name, "T0");
  const Tensor tensor = tensor_of(read_npy(members[0].npy, {}), {}).value();
  EXPECT_THAT(elements_of<float>(tensor), ElementsAre(0, 1, 2));
  EXPECT_EQ(to_digits(join(write_npz("T0", tensor)).text()), to_digits(item));
}

TEST(FobsNpz, LeavesLargeArraysWhereTheyAre) {
  const std::string elements(100'000, 'x');
  const Tensor tensor{FLARE_UINT8, {100'000}, bytes_of(elements)};
  EXPECT_EQ(write_npz("T17", tensor).bytes.data, tensor.bytes.data);
  const Bytes archive = join(write_npz("T17", tensor));
  const Bytes npy = read_npz(archive, {})[0].npy;
  EXPECT_GE(npy.data, archive.data);
  EXPECT_EQ(tensor_of(read_npy(npy, {}), {})->bytes.text(), elements);
}

TEST(FobsNpz, IsRefusedWithAnyByteDamaged) {
  const std::string item = vector_named("npz_item").raw;
  size_t harmless = 0;
  for (size_t i = 0; i < item.size(); ++i) {
    std::string damaged = item;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    try {
      const auto members = read_npz(bytes_of(damaged), {});
      // Only dates, attributes, versions and the name may be anything; and what stands in the local head as well.
      ASSERT_EQ(members.size(), 1u);
      EXPECT_EQ(members[0].npy.text(), read_npz(bytes_of(item), {})[0].npy.text());
      ++harmless;
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_PROTOCOL);
    }
  }
  EXPECT_LT(harmless, 90u);
  for (size_t size = 0; size < item.size(); ++size)
    EXPECT_NE(words_of([&] { read_npz(bytes_of(std::string_view(item).substr(0, size)), {}); }, FLARE_PROTOCOL), "");
}

TEST(FobsNpz, SaysWhatItCannotRead) {
  const std::string item = vector_named("npz_item").raw;
  const size_t directory = item.find("PK\1\2");
  const auto expect = [&](size_t at, char value, const char *words) {
    std::string changed = item;
    changed[at] = value;
    EXPECT_THAT(words_of([&] { read_npz(bytes_of(changed), {}); }, FLARE_PROTOCOL), HasSubstr(words));
  };
  expect(directory + 8, 1, "encrypted");
  expect(directory + 10, 8, "compressed");
  expect(directory + 16, 1, "its checksum is wrong");
  expect(directory + 20, 1, "two sizes");
  expect(directory + 42, 1, "not where it should be");
  expect(item.size() - 12, 3, "its directory is cut off");
  expect(item.size() - 1, 1, "cut off");
  Limits limits;
  limits.max_tensors = 0;
  EXPECT_THAT(words_of([&] { read_npz(bytes_of(item), limits); }, FLARE_TOO_LARGE), HasSubstr("too many"));
}

TEST(FobsNpz, MayHaveNumbersOf64Bits) {
  const std::string item = vector_named("npz_item").raw;
  const size_t at = item.find("PK\1\2"), end = item.find("PK\5\6");
  const auto number = [](uint64_t value, size_t size = 8) {
    return std::string(reinterpret_cast<const char *>(&value), size);
  };
  std::string entry = item.substr(at, end - at);
  entry.replace(20, 8, number(UINT64_MAX));
  entry.replace(30, 2, number(28, 2));
  entry.replace(42, 4, number(UINT32_MAX, 4));
  const uint64_t size = 140, offset = 0;
  const auto archive = [&](const std::string &extra) {
    const std::string directory = entry + extra;
    const std::string end64 = "PK\6\6" + number(44) + number(45, 2) + number(45, 2) + number(0) + number(1) +
                              number(1) + number(directory.size()) + number(at);
    const std::string locator = "PK\6\7" + number(0, 4) + number(at + directory.size()) + number(1, 4);
    const std::string last = "PK\5\6" + number(0, 4) + number(UINT64_MAX) + number(UINT32_MAX, 4) + number(0, 2);
    return item.substr(0, at) + directory + end64 + locator + last;
  };
  const std::string extra = number(1, 2) + number(24, 2) + number(size) + number(size) + number(offset);
  const auto members = read_npz(bytes_of(archive(extra)), {});
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].npy.text(), read_npz(bytes_of(item), {})[0].npy.text());
  entry.replace(30, 2, number(20, 2));
  const std::string two = number(1, 2) + number(16, 2) + number(size) + number(size);
  EXPECT_THAT(words_of([&] { read_npz(bytes_of(archive(two)), {}); }, FLARE_PROTOCOL), HasSubstr("number is missing"));
}

// No byte is read twice, or a few could take an hour.
TEST(FobsNpz, HasNoArrayInTwoEntries) {
  const std::string item = vector_named("npz_item").raw;
  const size_t at = item.find("PK\1\2"), end = item.find("PK\5\6");
  const std::string entry = item.substr(at, end - at);
  std::string twice = item.substr(0, end) + entry + item.substr(end);
  const size_t last = twice.size() - 22;
  twice[last + 10] = 2;
  twice[last + 12] = static_cast<char>(2 * entry.size());
  EXPECT_THAT(words_of([&] { read_npz(bytes_of(twice), {}); }, FLARE_PROTOCOL), HasSubstr("cut off"));
}

TEST(Crc32, IsTheSameInPartsAndAtAnyPlace) {
  std::string text(1000, ' ');
  std::iota(text.begin(), text.end(), '\0');
  const auto crc = [&](std::string_view part, uint32_t begun = 0) {
    return crc32_of(begun, std::as_bytes(std::span(part)));
  };
  EXPECT_EQ(crc("123456789"), 0xcbf43926u);
  EXPECT_EQ(crc(""), 0u);
  const std::string_view view = text;
  for (size_t begin = 0; begin < 20; ++begin) {
    for (size_t cut = begin; cut < text.size(); cut += 37)
      EXPECT_EQ(crc(view.substr(cut), crc(view.substr(begin, cut - begin))), crc(view.substr(begin)));
  }
}

}  // namespace
}  // namespace flare::fobs
