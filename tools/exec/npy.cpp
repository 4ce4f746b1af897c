#include "exec/npy.h"

#include <array>
#include <stdexcept>

#include "base/npy_head.h"
#include "exec/little_endian.h"

namespace flare_tool {

namespace {

struct Kind {
  flare_dtype dtype;
  std::string_view descr;
};

constexpr std::array<Kind, 15> kKinds = {{{FLARE_BOOL, "|b1"},
                                          {FLARE_INT8, "|i1"},
                                          {FLARE_INT16, "<i2"},
                                          {FLARE_INT32, "<i4"},
                                          {FLARE_INT64, "<i8"},
                                          {FLARE_UINT8, "|u1"},
                                          {FLARE_UINT16, "<u2"},
                                          {FLARE_UINT32, "<u4"},
                                          {FLARE_UINT64, "<u8"},
                                          {FLARE_FLOAT16, "<f2"},
                                          {FLARE_FLOAT32, "<f4"},
                                          {FLARE_FLOAT64, "<f8"},
                                          {FLARE_COMPLEX64, "<c8"},
                                          {FLARE_COMPLEX128, "<c16"},
                                          {FLARE_OPAQUE, "|V1"}}};

flare_dtype dtype_of(const flare::NpyHead &head, const std::string &name) {
  const auto fail = [&](const std::string &what) { throw BadTensorFile("'" + name + "': " + what); };
  if (head.has_records()) fail("has records of several fields; a tensor has numbers of one type");
  for (const Kind &kind : kKinds)
    if (kind.descr == head.descr) return kind.dtype;
  const std::string word = " (" + head.descr + ")";
  if (head.descr.find('O') != std::string::npos)
    fail("has Python objects" + word + ", which only Python can read: make it an array of numbers");
  if (head.descr.starts_with('>')) fail("is big-endian" + word + ": save it little-endian");
  if (head.descr.starts_with("|V"))
    fail("has a type that numpy does not know" + word + ": bfloat16 and float8 go by safetensors");
  throw BadTensorFile("'" + name + "': has a type that no tensor has" + word);
}

}  // namespace

std::string npy_head(const FileTensor &tensor) {
  std::string_view descr;
  for (const Kind &kind : kKinds)
    if (kind.dtype == tensor.dtype) descr = kind.descr;
  if (descr.empty())
    throw BadTensorFile("'" + tensor.name +
                        "' has a type that numpy does not know (bfloat16 or float8): use --format "
                        "safetensors");
  return flare::write_npy_head(descr, tensor.shape);
}

FileTensor parse_npy(const std::string &name, std::span<const std::byte> file) {
  const auto fail = [&](const std::string &what) { throw BadTensorFile("'" + name + "': " + what); };
  flare::NpyHead head;
  try {
    head = flare::read_npy_head(text_of(file));
  } catch (const std::invalid_argument &bad) {
    fail(bad.what());
  }
  FileTensor tensor{name, dtype_of(head, name), head.shape, file.subspan(head.size), head.first_index_fastest};
  const uint64_t size = elements_size(name, tensor.dtype, tensor.shape);
  if (tensor.elements.size() != size)
    fail("has " + std::to_string(tensor.elements.size()) + " bytes of elements, its shape needs " +
         std::to_string(size));
  return tensor;
}

}  // namespace flare_tool
