#include "exec/tensor_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "descriptor.h"
#include "exec/npy.h"
#include "exec/npz.h"
#include "exec/safetensors.h"

namespace flare_tool {

namespace {

std::span<const std::byte> map_file(const std::filesystem::path &path) {
  const Descriptor file(path, O_RDONLY | O_NONBLOCK);  // a pipe without a writer waits for none
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw std::system_error(errno, std::generic_category(), path.string());
  if (!S_ISREG(status.st_mode)) throw BadTensorFile("is no regular file");
  if (status.st_size == 0) throw BadTensorFile("is empty");
  const auto size = static_cast<size_t>(status.st_size);
  void *const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (map == MAP_FAILED) throw std::system_error(errno, std::generic_category(), path.string());
  return {static_cast<const std::byte *>(map), size};
}

void unmap(std::span<const std::byte> map) { ::munmap(const_cast<std::byte *>(map.data()), map.size()); }

std::vector<FileTensor> parse_npz(std::span<const std::byte> file, std::vector<std::vector<std::byte>> *unpacked) {
  constexpr std::string_view kEnding = ".npy";
  std::vector<FileTensor> tensors;
  for (const ZipEntry &entry : parse_zip(file)) {
    if (!entry.name.ends_with(kEnding)) throw BadTensorFile("has '" + entry.name + "' in it, which is no .npy");
    std::span<const std::byte> content = entry.content;
    if (entry.deflated) content = unpacked->emplace_back(inflate(entry));
    check_crc(entry, content);
    tensors.push_back(parse_npy(entry.name.substr(0, entry.name.size() - kEnding.size()), content));
  }
  return tensors;
}

}  // namespace

std::string file_ending(TensorFormat format) { return format == TensorFormat::kNpz ? ".npz" : ".safetensors"; }

FilePieces tensor_file_pieces(TensorFormat format, const std::vector<FileTensor> &tensors) {
  return format == TensorFormat::kNpz ? npz_pieces(tensors) : safetensors_pieces(tensors);
}

std::vector<FileTensor> parse_tensors(std::span<const std::byte> file, std::vector<std::vector<std::byte>> *unpacked) {
  return looks_like_safetensors(file) ? parse_safetensors(file) : parse_npz(file, unpacked);
}

TensorFile::TensorFile(const std::filesystem::path &path) {
  try {
    map_ = map_file(path);
    tensors_ = parse_tensors(map_, &unpacked_);
  } catch (const BadTensorFile &error) {
    if (!map_.empty()) unmap(map_);
    throw BadTensorFile(path.filename().string() + ": " + error.what());
  } catch (...) {
    if (!map_.empty()) unmap(map_);
    throw;
  }
}

TensorFile::~TensorFile() { unmap(map_); }

}  // namespace flare_tool
