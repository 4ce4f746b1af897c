// numpy's file of one array: a few words about it, then its elements. Pure.
#pragma once

#include <string>
#include <string_view>

#include "exec/file_tensor.h"

namespace flare_tool {

// What stands before the elements; a multiple of 64 bytes. Throws BadTensorFile when numpy has no such type.
std::string npy_head(const FileTensor &tensor);

// The array in `file`, which it goes on to refer to. Throws BadTensorFile naming `name`.
FileTensor parse_npy(const std::string &name, std::span<const std::byte> file);

}  // namespace flare_tool
