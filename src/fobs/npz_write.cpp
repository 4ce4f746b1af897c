#include <algorithm>
#include <span>

#include "base/crc32.h"
#include "base/failure.h"
#include "fobs/npy.h"
#include "fobs/npz.h"
#include "fobs/npz_format.h"

namespace flare::fobs {
namespace {

constexpr uint16_t kVersion64 = 45;
constexpr uint16_t kUnix = 3 << 8;             // the system that made it
constexpr uint16_t kDate = 0x21;               // 1980-01-01: the same array is the same archive
constexpr uint32_t kAttributes = 0600u << 16;  // of the file, for its owner only
constexpr uint64_t kMax32 = 0x7fffffff;        // above this Python writes 64 bits
constexpr size_t kMaxName = 1024;

uint32_t short_of(uint64_t number) { return number > kMax32 ? zip::kElsewhere : static_cast<uint32_t>(number); }

// What the local head and the directory have in common, from the version on.
void put_common(uint32_t crc, uint32_t size, const std::string &name, size_t extra_size, Pieces *to) {
  to->little_endian(kVersion64);
  to->little_endian(uint16_t{0});  // flags
  to->little_endian(uint16_t{0});  // stored
  to->little_endian(uint16_t{0});  // time
  to->little_endian(kDate);
  to->little_endian(crc);
  to->little_endian(size);
  to->little_endian(size);
  to->little_endian(static_cast<uint16_t>(name.size()));
  to->little_endian(static_cast<uint16_t>(extra_size));
}

void put_extra64(uint64_t size, Pieces *to) {
  to->little_endian(zip::kExtra64);
  to->little_endian(uint16_t{16});
  to->little_endian(size);
  to->little_endian(size);
}

constexpr size_t kExtra64Size = 20;

void put_end64(uint64_t begin, uint64_t size, Pieces *to) {
  to->little_endian(zip::kEnd64Magic);
  to->little_endian(uint64_t{zip::kEnd64Size - 12});
  to->little_endian(kVersion64);
  to->little_endian(kVersion64);
  to->little_endian(uint64_t{0});  // disks
  to->little_endian(uint64_t{1});
  to->little_endian(uint64_t{1});
  to->little_endian(size);
  to->little_endian(begin);
  to->little_endian(zip::kLocator64Magic);
  to->little_endian(uint32_t{0});
  to->little_endian(begin + size);
  to->little_endian(uint32_t{1});
}

// `begin` is where it begins.
void put_directory(uint64_t begin, uint32_t crc, uint64_t size, const std::string &name, Pieces *to) {
  to->little_endian(zip::kCentralMagic);
  to->little_endian(static_cast<uint16_t>(kUnix | kVersion64));
  put_common(crc, short_of(size), name, size > kMax32 ? kExtra64Size : 0, to);
  to->little_endian(uint16_t{0});  // comment
  to->little_endian(uint32_t{0});  // disk, and attributes inside
  to->little_endian(kAttributes);
  to->little_endian(uint32_t{0});  // where the local head is
  to->write(name);
  if (size > kMax32) put_extra64(size, to);
  const uint64_t directory_size = to->size();
  if (begin > kMax32) put_end64(begin, directory_size, to);
  to->little_endian(zip::kEndMagic);
  to->little_endian(uint32_t{0});  // disks
  to->little_endian(uint16_t{1});
  to->little_endian(uint16_t{1});
  to->little_endian(static_cast<uint32_t>(directory_size));
  to->little_endian(static_cast<uint32_t>(std::min<uint64_t>(begin, zip::kElsewhere)));
  to->little_endian(uint16_t{0});
}

}  // namespace

Joined write_npz(std::string_view array_name, const Tensor &tensor) {
  if (array_name.size() > kMaxName) throw Failure(FLARE_INVALID_ARGUMENT, "the name of an array is too long");
  const std::string name = std::string(array_name) + ".npy";
  const std::string npy = npy_head(tensor);
  const uint64_t size = npy.size() + tensor.bytes.size;
  const uint32_t crc = crc32_of(crc32_of(0, std::as_bytes(std::span(npy))), {tensor.bytes.data, tensor.bytes.size});
  Pieces local, directory;
  local.little_endian(zip::kLocalMagic);
  put_common(crc, zip::kElsewhere, name, kExtra64Size, &local);
  local.write(name);
  put_extra64(size, &local);
  local.write(npy);
  put_directory(local.size() + tensor.bytes.size, crc, size, name, &directory);
  return {std::string(local.join().text()), tensor.bytes, std::string(directory.join().text())};
}

}  // namespace flare::fobs
