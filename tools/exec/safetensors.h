// The safetensors format: the length of a header, the header in JSON, the elements. Pure.
#pragma once

#include <vector>

#include "exec/file_pieces.h"
#include "exec/file_tensor.h"

namespace flare_tool {

// The elements begin at a multiple of 64 bytes; those of larger types come first, so that all are aligned. Opaque bytes
// become U8. Throws BadTensorFile for complex128, which the format does not know.
FilePieces safetensors_pieces(const std::vector<FileTensor> &tensors);

bool looks_like_safetensors(std::span<const std::byte> file);

// The tensors in `file`, which they go on to refer to. Throws BadTensorFile.
std::vector<FileTensor> parse_safetensors(std::span<const std::byte> file);

}  // namespace flare_tool
