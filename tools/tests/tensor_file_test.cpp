// The two formats of `flare-agent exec`: what goes in comes out, and what is broken is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/crc32.h"
#include "descriptor.h"
#include "exec/little_endian.h"
#include "exec/npy.h"
#include "exec/npz.h"
#include "exec/safetensors.h"
#include "exec/tensor_file.h"
#include "private_directory.h"

namespace flare_tool {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::string joined(const FilePieces &file) {
  std::string bytes;
  for (const auto piece : file.pieces()) bytes += text_of(piece);
  return bytes;
}

std::vector<FileTensor> parse(std::string_view file) {
  static std::vector<std::vector<std::byte>> unpacked;  // lives as long as what refers to it
  return parse_tensors(bytes_of(file), &unpacked);
}

template <typename Work>
void expect_refused(const Work &work, const std::string &why) {
  EXPECT_THAT(work, ThrowsMessage<BadTensorFile>(HasSubstr(why)));
}

const std::vector<flare_dtype> kBoth = {FLARE_INT8,    FLARE_INT16,  FLARE_INT32,    FLARE_INT64,   FLARE_UINT8,
                                        FLARE_UINT16,  FLARE_UINT32, FLARE_UINT64,   FLARE_FLOAT16, FLARE_FLOAT32,
                                        FLARE_FLOAT64, FLARE_BOOL,   FLARE_COMPLEX64};
const std::vector<flare_dtype> kNpzOnly = {FLARE_COMPLEX128, FLARE_OPAQUE};
const std::vector<flare_dtype> kSafetensorsOnly = {FLARE_BFLOAT16, FLARE_FLOAT8_E4M3FN, FLARE_FLOAT8_E5M2};

using Lists = std::vector<std::vector<flare_dtype>>;

// A tensor of each type, and those of odd shapes.
class Tensors {
 public:
  explicit Tensors(const Lists &lists) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<std::byte>(i * 37 + 11);
    for (const auto &list : lists)
      for (const flare_dtype dtype : list) add("t/" + std::to_string(dtype), dtype, {2, 3});
    add("scalar", FLARE_FLOAT64, {});
    add("none", FLARE_FLOAT32, {4, 0, 2});
    add("vector", FLARE_INT8, {7});
    add("\xc3\xa4 'quoted\"", FLARE_FLOAT32, {1, 2, 1, 3});
  }
  const std::vector<FileTensor> &all() const { return tensors_; }

 private:
  void add(const std::string &name, flare_dtype dtype, const std::vector<int64_t> &shape) {
    FileTensor tensor = {name, dtype, shape, {}};
    tensor.elements = std::span(bytes_).first(elements_size(name, dtype, shape));
    tensors_.push_back(tensor);
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(256);
  std::vector<FileTensor> tensors_;
};

void expect_same(const std::vector<FileTensor> &read, const std::vector<FileTensor> &written) {
  ASSERT_EQ(read.size(), written.size());
  for (const FileTensor &tensor : written) {
    const auto same = [&](const FileTensor &other) { return other.name == tensor.name; };
    const auto found = std::find_if(read.begin(), read.end(), same);
    ASSERT_NE(found, read.end()) << tensor.name;
    EXPECT_EQ(found->dtype, tensor.dtype) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
    EXPECT_FALSE(found->first_index_fastest) << tensor.name;
    EXPECT_EQ(text_of(found->elements), text_of(tensor.elements)) << tensor.name;
  }
}

TEST(TensorFile, NpzKeepsAllThatNumpyKnows) {
  const Tensors tensors({kBoth, kNpzOnly});
  expect_same(parse(joined(npz_pieces(tensors.all()))), tensors.all());
}

TEST(TensorFile, SafetensorsKeepsAllThatItKnows) {
  const Tensors tensors({kBoth, kSafetensorsOnly});
  expect_same(parse(joined(safetensors_pieces(tensors.all()))), tensors.all());
}

TEST(TensorFile, ATypeThatAFormatDoesNotKnowNamesTheOther) {
  for (const flare_dtype dtype : kSafetensorsOnly)
    expect_refused([&] { npz_pieces(Tensors(Lists{{dtype}}).all()); }, "use --format safetensors");
  expect_refused([] { safetensors_pieces(Tensors(Lists{{FLARE_COMPLEX128}}).all()); }, "use --format npz");
}

TEST(TensorFile, ElementsBeginAtMultiplesOf64) {
  const Tensors tensors({kBoth});
  const std::string file = joined(npz_pieces(tensors.all()));
  for (const ZipEntry &entry : parse_zip(bytes_of(file)))
    EXPECT_EQ((entry.content.data() - bytes_of(file).data()) % 64, 0) << entry.name;
  EXPECT_EQ(npy_head(tensors.all().front()).size() % 64, 0u);
  const std::string other = joined(safetensors_pieces(tensors.all()));
  for (const FileTensor &tensor : parse(other)) {
    const auto at = static_cast<size_t>(tensor.elements.data() - bytes_of(other).data());
    EXPECT_EQ(at % flare_dtype_size(tensor.dtype), 0u) << tensor.name;
  }
}

TEST(TensorFile, ElementsAreNotCopied) {
  const Tensors tensors({kBoth});
  const FilePieces file = npz_pieces(tensors.all());
  for (const FileTensor &tensor : tensors.all()) {
    const auto same = [&](auto piece) { return piece.data() == tensor.elements.data(); };
    if (!tensor.elements.empty()) {
      EXPECT_TRUE(std::any_of(file.pieces().begin(), file.pieces().end(), same)) << tensor.name;
    }
  }
}

TEST(TensorFile, WithoutTensorsIsAFileAsWell) {
  EXPECT_TRUE(parse(joined(npz_pieces({}))).empty());
  EXPECT_TRUE(parse(joined(safetensors_pieces({}))).empty());
}

TEST(TensorFile, MoreEntriesThanSixteenBitsCount) {
  std::vector<FileTensor> tensors(70'000, FileTensor{"", FLARE_INT8, {0}, {}});
  for (size_t i = 0; i < tensors.size(); ++i) tensors[i].name = std::to_string(i);
  EXPECT_EQ(parse(joined(npz_pieces(tensors))).size(), tensors.size());
}

// Of memory that nobody touches, and a hole in a file.
TEST(TensorFile, MoreThanFourGibibytes) {
  constexpr size_t kLarge = (size_t{1} << 32) + 64;
  void *const zeros = ::mmap(nullptr, kLarge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  const std::string small(8, 'x');
  FileTensor large = {"large", FLARE_UINT8, {static_cast<int64_t>(kLarge)}, {}};
  large.elements = {static_cast<const std::byte *>(zeros), kLarge};
  const FilePieces file =
      npz_pieces({large, {"after", FLARE_INT64, {1}, bytes_of(small)}}, [](uint32_t, auto) { return 0u; });
  const PrivateDirectory folder("/tmp");
  const Descriptor fd(folder.path() / "large.npz", O_RDWR | O_CREAT);
  off_t at = 0;
  for (const auto piece : file.pieces()) {
    if (piece.size() < kLarge) {
      ASSERT_EQ(::pwrite(fd.get(), piece.data(), piece.size(), at), static_cast<ssize_t>(piece.size()));
    }
    at += static_cast<off_t>(piece.size());
  }
  ASSERT_EQ(static_cast<uint64_t>(at), file.size());
  const size_t size = file.size();
  void *const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  const std::vector<ZipEntry> entries = parse_zip({static_cast<const std::byte *>(map), size});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(parse_npy("large", entries[0].content).elements.size(), kLarge);
  EXPECT_EQ(text_of(parse_npy("after", entries[1].content).elements), small);
  EXPECT_EQ(entries[0].size, entries[0].content.size());
  ::munmap(map, size);
  ::munmap(zeros, kLarge);
}

TEST(TensorFile, IsReadFromDiskAsItWasWritten) {
  const Tensors tensors({kBoth});
  const PrivateDirectory folder("/tmp");
  for (const TensorFormat format : {TensorFormat::kNpz, TensorFormat::kSafetensors}) {
    const auto path = folder.path() / ("x" + file_ending(format));
    tensor_file_pieces(format, tensors.all()).write(path);
    const TensorFile file(path);
    std::filesystem::remove(path);
    expect_same(file.tensors(), tensors.all());
  }
}

TEST(TensorFile, ManyPiecesAreWrittenWhole) {
  std::vector<FileTensor> tensors(3'000, FileTensor{"", FLARE_INT8, {5}, bytes_of("01234")});
  for (size_t i = 0; i < tensors.size(); ++i) tensors[i].name = std::to_string(i);
  const PrivateDirectory folder("/tmp");
  npz_pieces(tensors).write(folder.path() / "x");
  expect_same(TensorFile(folder.path() / "x").tensors(), tensors);
}

TEST(TensorFile, AFolderThatIsNotThereIsNamed) {
  EXPECT_THAT([] { FilePieces().write("/nowhere/x"); }, ThrowsMessage<std::system_error>(HasSubstr("/nowhere/x")));
}

TEST(TensorFile, WhatIsNoFileIsRefused) {
  const PrivateDirectory folder("/tmp");
  EXPECT_THROW(TensorFile(folder.path() / "none"), std::system_error);
  expect_refused([&] { TensorFile{folder.path()}; }, "no regular file");
  std::ofstream(folder.path() / "empty");
  expect_refused([&] { TensorFile{folder.path() / "empty"}; }, "empty: is empty");
}

// ---- numpy's own files -------------------------------------------------------------------------------------------

std::string npy(const std::string &words, const std::string &elements, const std::string &version = {'\1', '\0'}) {
  std::string file = "\x93NUMPY" + version;
  if (version[0] == '\1') {
    append(&file, static_cast<uint16_t>(words.size()));
  } else {
    append(&file, static_cast<uint32_t>(words.size()));
  }
  return file + words + elements;
}

TEST(Npy, ReadsAllVersionsAndSpellings) {
  const std::string four(4, 'x');
  for (const std::string &version : {std::string{'\1', '\0'}, std::string{'\2', '\0'}, std::string{'\3', '\0'}}) {
    const std::string file = npy("{\"shape\":(2,2),'descr':'|u1' , 'fortran_order':True}\n", four, version);
    const FileTensor tensor = parse_npy("w", bytes_of(file));
    EXPECT_EQ(tensor.dtype, FLARE_UINT8);
    EXPECT_TRUE(tensor.first_index_fastest);
    EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 2}));
  }
}

TEST(Npy, RefusesWhatNoTensorHolds) {
  const auto head = [](const std::string &descr, const std::string &shape = "(2,)", const std::string &more = "") {
    const std::string file =
        npy("{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + more + "}\n", "abcd");
    (void)parse_npy("w", bytes_of(file));
  };
  head("'<i2'");  // the others differ from this one
  expect_refused([&] { head("'|O'"); }, "'w': has Python objects");
  expect_refused([&] { head("'>i2'"); }, "is big-endian");
  expect_refused([&] { head("'<U2'"); }, "a type that no tensor has (<U2)");
  expect_refused([&] { head("'|V2'"); }, "go by safetensors");
  expect_refused([&] { head("[('a', '<i2')]"); }, "records");
  expect_refused([&] { head("'<i2'", "(3,)"); }, "its shape needs 6");
  expect_refused([&] { head("'<i2'", "(-2,)"); }, "shape");
  expect_refused([&] { head("'<i2'", "(2.0,)"); }, "lacks");
  expect_refused([&] { head("'<i2'", "(9223372036854775807, 9223372036854775807)"); }, "overflows");
  expect_refused([&] { head("'<i2'", "(99999999999999999999,)"); }, "shape");
  expect_refused([&] { head("'<i2'", "(2,), 'shape': (2,)"); }, "twice");
  expect_refused([&] { head("'<i2'", "(2,), 'x': 1"); }, "entry 'x'");
  expect_refused([&] { head("'<i2'", "(2,)", "} {"); }, "not that of an array");
  std::string many = "(";
  for (int i = 0; i < 33; ++i) many += "1,";
  expect_refused([&] { head("'<i2'", many + ")"); }, "33 dimensions");
}

// np.savez_compressed("x.npz", a=np.arange(6, dtype="<i2").reshape(2, 3)), made by numpy.
std::string compressed() {
  const std::string content = npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }          \n",
                                  std::string("\0\0\1\0\2\0\3\0\4\0\5\0", 12));
  std::string packed(1000, '\0');
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = content;
  stream.next_in = reinterpret_cast<Bytef *>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef *>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  const auto say = [&](std::string *to, bool in_directory) {
    append(to, in_directory ? 0x02014b50u : 0x04034b50u);
    if (in_directory) append(to, uint16_t{20});
    for (const int number : {20, 0, 8, 0, 0x21}) append(to, static_cast<uint16_t>(number));
    append(to, flare::crc32_of(0, bytes_of(content)));
    append(to, static_cast<uint32_t>(packed.size()));
    append(to, static_cast<uint32_t>(content.size()));
    append(to, uint16_t{5});
    append(to, uint16_t{0});
    if (in_directory) to->append(14, '\0');
    *to += "a.npy";
  };
  std::string file, directory;
  say(&file, false);
  file += packed;
  say(&directory, true);
  std::string end;
  append(&end, 0x06054b50u);
  for (const int number : {0, 0, 1, 1}) append(&end, static_cast<uint16_t>(number));
  append(&end, static_cast<uint32_t>(directory.size()));
  append(&end, static_cast<uint32_t>(file.size()));
  append(&end, uint16_t{0});
  return file + directory + end;
}

TEST(Npz, ReadsWhatIsCompressed) {
  const std::string file = compressed();
  const std::vector<FileTensor> tensors = parse(file);
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(load_at<int16_t>(tensors[0].elements, 10), 5);
}

// ---- What is broken ----------------------------------------------------------------------------------------------

// Reads it or refuses it; nothing else can happen.
void try_to_read(std::string_view file) {
  try {
    for (const FileTensor &tensor : parse(file))
      EXPECT_EQ(tensor.elements.size(), elements_size(tensor.name, tensor.dtype, tensor.shape));
  } catch (const BadTensorFile &) {
    // as it should be
  }
}

std::vector<std::string> samples() {
  const Tensors tensors({kBoth});
  return {joined(npz_pieces(tensors.all())), joined(safetensors_pieces(tensors.all())), compressed()};
}

TEST(BrokenTensorFile, CutOffAnywhere) {
  for (const std::string &file : samples())
    for (size_t size = 0; size < file.size(); ++size) {
      const std::string cut(file, 0, size);  // of its own size, so that a sanitizer sees what reads beyond it
      EXPECT_THROW(parse(cut), BadTensorFile) << size << " of " << file.size();
    }
}

TEST(BrokenTensorFile, AnyByteChanged) {
  for (std::string file : samples())
    for (char &byte : file) {
      const char before = byte;
      for (const char other : {'\0', '\1', '\xff', static_cast<char>(before ^ 0x10)}) {
        byte = other;
        try_to_read(file);
      }
      byte = before;
    }
}

TEST(BrokenTensorFile, AnotherChecksum) {
  const Tensors tensors({});
  std::string file = joined(npz_pieces(tensors.all()));
  file[file.find("\x93NUMPY") + 128] ^= 1;  // an element
  expect_refused([&] { parse(file); }, "checksum of 'scalar.npy'");
}

TEST(BrokenTensorFile, TheSameNameTwice) {
  const FileTensor one = {"w", FLARE_INT8, {0}, {}}, other = {"v", FLARE_INT8, {0}, {}};
  std::string file = joined(npz_pieces({one, other}));
  for (size_t at = file.find("v.npy"); at != std::string::npos; at = file.find("v.npy")) file[at] = 'w';
  expect_refused([&] { parse(file); }, "'w.npy' is there twice");
  expect_refused([&] { npz_pieces({one, one}); }, "there twice");
  expect_refused([&] { safetensors_pieces({one, one}); }, "there twice");
}

std::string safetensors(const std::string &header, const std::string &elements) {
  std::string file;
  append(&file, uint64_t{header.size()});
  return file + header + elements;
}

TEST(BrokenTensorFile, NumbersThatLie) {
  const auto read = [](const std::string &entry, const std::string &elements = "abcd") {
    (void)parse(safetensors("{\"w\":{\"dtype\":\"I16\"," + entry + "}}", elements));
  };
  read(R"("shape":[2],"data_offsets":[0,4])");  // the others differ from this one
  expect_refused([&] { read(R"("shape":[3],"data_offsets":[0,4])"); }, "its shape needs 6");
  expect_refused([&] { read(R"("shape":[2],"data_offsets":[0,5])"); }, "beyond its end");
  expect_refused([&] { read(R"("shape":[2],"data_offsets":[4,0])"); }, "beyond its end");
  expect_refused([&] { read(R"("shape":[1],"data_offsets":[0,2])"); }, "belong to no tensor");
  expect_refused([&] { read(R"("shape":[1],"data_offsets":[2,4])"); }, "belong to none");
  expect_refused([&] { read(R"("shape":[-2],"data_offsets":[0,4])"); }, "number that is none");
  expect_refused([&] { read(R"("shape":[1e9],"data_offsets":[0,4])"); }, "number that is none");
  expect_refused([&] { read(R"("shape":[18446744073709551615],"data_offsets":[0,4])"); }, "shape that is none");
  expect_refused([&] { read(R"("shape":[4611686018427387904,4],"data_offsets":[0,4])"); }, "overflows");
  expect_refused([&] { read(R"("shape":[2])"); }, "lacks");
  expect_refused([&] { (void)parse(safetensors("{" + std::string(100, '['), "")); }, "safetensors");
  expect_refused([&] { (void)parse(safetensors("{\"a\":" + std::string(50, '[') + std::string(50, ']') + "}", "")); },
                 "nested too deeply");
  expect_refused([&] { (void)parse(safetensors(R"({"w":{"dtype":"F4","shape":[],"data_offsets":[0,0]}})", "")); },
                 "(F4)");
}

TEST(Crc32, IsThatOfZlib) {
  std::vector<std::byte> bytes(5'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 3);
  for (const size_t size : {0u, 1u, 15u, 63u, 64u, 65u, 79u, 80u, 127u, 128u, 129u, 1'000u, 4'999u})
    for (const uint32_t begun : {0u, 0x12345678u}) {
      const auto part = std::span(bytes).subspan(1, size);
      EXPECT_EQ(flare::crc32_of(begun, part),
                ::crc32_z(begun, reinterpret_cast<const Bytef *>(part.data()), part.size()))
          << size;
    }
}

}  // namespace
}  // namespace flare_tool
