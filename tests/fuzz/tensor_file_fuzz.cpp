// A file of tensors, npz or safetensors, is read or refused; what was read can be written and read again.
#include <cstdlib>
#include <map>

#include "exec/little_endian.h"
#include "exec/tensor_file.h"

namespace flare_tool {
namespace {

using Unpacked = std::vector<std::vector<std::byte>>;

void require(bool condition) {
  if (!condition) std::abort();
}

std::map<std::string, const FileTensor *> by_name(const std::vector<FileTensor> &tensors) {
  std::map<std::string, const FileTensor *> found;
  for (const FileTensor &tensor : tensors) require(found.emplace(tensor.name, &tensor).second);
  return found;
}

void check_again(TensorFormat format, const std::vector<FileTensor> &tensors) {
  std::string file;
  try {
    const FilePieces pieces = tensor_file_pieces(format, tensors);
    for (const auto piece : pieces.pieces()) file += text_of(piece);
    require(file.size() == pieces.size());
  } catch (const std::exception &) {
    return;  // a type or a name that this format does not know
  }
  Unpacked unpacked;
  const std::vector<FileTensor> again = parse_tensors(bytes_of(file), &unpacked);
  require(again.size() == tensors.size() && unpacked.empty());
  const auto found = by_name(again);
  for (const FileTensor &tensor : tensors) {
    const FileTensor &other = *found.at(tensor.name);
    require(other.dtype == tensor.dtype || tensor.dtype == FLARE_OPAQUE);
    require(other.shape == tensor.shape && text_of(other.elements) == text_of(tensor.elements));
  }
}

void check(std::span<const std::byte> file) {
  Unpacked unpacked;
  std::vector<FileTensor> tensors;
  try {
    tensors = parse_tensors(file, &unpacked);
  } catch (const BadTensorFile &) {
    return;
  }
  for (const FileTensor &tensor : tensors)
    require(tensor.elements.size() == elements_size(tensor.name, tensor.dtype, tensor.shape));
  for (const TensorFormat format : {TensorFormat::kNpz, TensorFormat::kSafetensors}) check_again(format, tensors);
}

}  // namespace
}  // namespace flare_tool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare_tool::check(std::as_bytes(std::span(bytes, size)));
  return 0;
}
