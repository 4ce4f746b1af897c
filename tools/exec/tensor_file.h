// A file of tensors in either format, mapped into memory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "exec/file_pieces.h"
#include "exec/file_tensor.h"

namespace flare_tool {

enum class TensorFormat { kNpz, kSafetensors };

std::string file_ending(TensorFormat format);  // ".npz"

FilePieces tensor_file_pieces(TensorFormat format, const std::vector<FileTensor> &tensors);

// Elements lie in the mapping, those that were compressed in memory of their own. The file may be removed meanwhile;
// cut short it must not be, as its missing pages would end the process.
class TensorFile {
 public:
  // The format is seen from the content. Throws BadTensorFile with the path, or std::system_error.
  explicit TensorFile(const std::filesystem::path &path);
  ~TensorFile();
  TensorFile(const TensorFile &) = delete;
  TensorFile &operator=(const TensorFile &) = delete;

  const std::vector<FileTensor> &tensors() const { return tensors_; }

 private:
  std::span<const std::byte> map_;
  std::vector<std::vector<std::byte>> unpacked_;
  std::vector<FileTensor> tensors_;
};

// The tensors of a file's bytes, in either format; what had to be unpacked is added to `unpacked`. Pure.
std::vector<FileTensor> parse_tensors(std::span<const std::byte> file, std::vector<std::vector<std::byte>> *unpacked);

}  // namespace flare_tool
