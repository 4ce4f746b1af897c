// numpy's file of several arrays: a zip archive of npy files. What is written is stored, not compressed, and each array
// begins at a multiple of 64 bytes; what is read may be deflated as well. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/crc32.h"
#include "exec/file_pieces.h"
#include "exec/file_tensor.h"

namespace flare_tool {

using Checksum = uint32_t (*)(uint32_t, std::span<const std::byte>);

FilePieces npz_pieces(const std::vector<FileTensor> &tensors, Checksum checksum = flare::crc32_of);

// One file in an archive.
struct ZipEntry {
  std::string name;
  std::span<const std::byte> content;  // as it lies there
  uint64_t size = 0;                   // of what was packed
  uint32_t crc = 0;
  bool deflated = false;
};

// The entries of an archive, which they go on to refer to; together they are no larger than it. Throws BadTensorFile.
std::vector<ZipEntry> parse_zip(std::span<const std::byte> file);

// The content of a deflated entry. Throws BadTensorFile when it does not fit what the archive says of it.
std::vector<std::byte> inflate(const ZipEntry &entry);

// Throws BadTensorFile when the content has another checksum.
void check_crc(const ZipEntry &entry, std::span<const std::byte> content);

}  // namespace flare_tool
