#include <bit>
#include <cstring>
#include <initializer_list>

#include "base/crc32.h"
#include "base/failure.h"
#include "base/text.h"
#include "fobs/npz.h"
#include "fobs/npz_format.h"

namespace flare::fobs {
namespace {

static_assert(std::endian::native == std::endian::little);

[[noreturn]] void refuse_npz(const std::string &what) {
  throw Failure(FLARE_PROTOCOL, "an archive of arrays in NVFlare's encoding: " + what);
}

// The caller has checked that it is there.
template <typename Number>
Number number_at(const Bytes &bytes, size_t at) {
  Number number;
  std::memcpy(&number, bytes.data + at, sizeof number);
  return number;
}

Bytes part(const Bytes &bytes, size_t at, size_t size) { return {bytes.owner, bytes.data + at, size}; }

struct Directory {
  uint64_t entries, size, offset;
};

// It ends with the archive: NumPy writes no comment behind it.
Directory find_directory(const Bytes &archive) {
  if (archive.size < zip::kEndSize) refuse_npz("it is too short");
  const size_t end = archive.size - zip::kEndSize;
  if (number_at<uint32_t>(archive, end) != zip::kEndMagic || number_at<uint16_t>(archive, end + 20) != 0)
    refuse_npz("it is cut off");
  Directory directory = {number_at<uint16_t>(archive, end + 10), number_at<uint32_t>(archive, end + 12),
                         number_at<uint32_t>(archive, end + 16)};
  size_t limit = end;
  if (end >= zip::kLocator64Size && number_at<uint32_t>(archive, end - zip::kLocator64Size) == zip::kLocator64Magic) {
    const size_t locator = end - zip::kLocator64Size;
    const auto at = number_at<uint64_t>(archive, locator + 8);
    if (at > locator || locator - at < zip::kEnd64Size || number_at<uint32_t>(archive, at) != zip::kEnd64Magic)
      refuse_npz("the end of its directory is not where it says");
    directory = {number_at<uint64_t>(archive, at + 32), number_at<uint64_t>(archive, at + 40),
                 number_at<uint64_t>(archive, at + 48)};
    limit = at;
  }
  if (directory.offset > limit || directory.size > limit - directory.offset)
    refuse_npz("its directory lies outside of it");
  return directory;
}

// Replaces the numbers that are said to stand in the extra field, in their order there.
void read_extra64(Bytes extra, std::initializer_list<uint64_t *> numbers) {
  while (extra.size >= 4) {
    const auto id = number_at<uint16_t>(extra, 0), size = number_at<uint16_t>(extra, 2);
    if (size > extra.size - 4) refuse_npz("an extra field is cut off");
    if (id != zip::kExtra64) {
      extra = part(extra, 4 + size_t{size}, extra.size - 4 - size);
      continue;
    }
    size_t at = 4;
    for (uint64_t *number : numbers) {
      if (*number != zip::kElsewhere) continue;
      if (at + 8 > size_t{size} + 4) refuse_npz("a large number is missing");
      *number = number_at<uint64_t>(extra, at);
      at += 8;
    }
    return;
  }
}

class NpzReader {
 public:
  NpzReader(const Bytes &archive, const Limits &limits)
      : archive_(archive), directory_(find_directory(archive)), limits_(limits), unread_(directory_.offset) {}

  std::vector<NpzMember> read() {
    if (directory_.entries > limits_.max_tensors) too_large("an archive of arrays: it has too many");
    std::vector<NpzMember> members;
    Bytes left = part(archive_, directory_.offset, directory_.size);
    for (uint64_t i = 0; i < directory_.entries; ++i) members.push_back(next(&left));
    if (left.size > 0) refuse_npz("there is more in its directory than it says");
    return members;
  }

 private:
  NpzMember next(Bytes *left) {
    if (left->size < zip::kCentralSize || number_at<uint32_t>(*left, 0) != zip::kCentralMagic)
      refuse_npz("its directory is cut off");
    const size_t name_size = number_at<uint16_t>(*left, 28), extra_size = number_at<uint16_t>(*left, 30);
    const size_t more = name_size + extra_size + number_at<uint16_t>(*left, 32);
    if (left->size - zip::kCentralSize < more) refuse_npz("its directory is cut off");
    std::string_view name = part(*left, zip::kCentralSize, name_size).text();
    if (!is_utf8(name)) refuse_npz("a name is not UTF-8");
    if ((number_at<uint16_t>(*left, 8) & zip::kEncrypted) != 0) refuse_npz("it is encrypted");
    if (number_at<uint16_t>(*left, 10) != 0) refuse_npz("it is compressed");
    uint64_t size = number_at<uint32_t>(*left, 24), packed = number_at<uint32_t>(*left, 20);
    uint64_t offset = number_at<uint32_t>(*left, 42);
    read_extra64(part(*left, zip::kCentralSize + name_size, extra_size), {&size, &packed, &offset});
    if (size != packed) refuse_npz("an array has two sizes");
    const auto crc = number_at<uint32_t>(*left, 16);
    *left = part(*left, zip::kCentralSize + more, left->size - zip::kCentralSize - more);
    const Bytes npy = content(offset, size);
    if (crc32_of(0, {npy.data, npy.size}) != crc) refuse_npz("its checksum is wrong: it was damaged");
    if (name.ends_with(".npy")) name.remove_suffix(4);
    return {std::string(name), npy};
  }

  // No byte belongs to two arrays: the checksums could take for ever.
  Bytes content(uint64_t offset, uint64_t size) {
    const uint64_t end = directory_.offset;
    if (offset > end || end - offset < zip::kLocalSize || number_at<uint32_t>(archive_, offset) != zip::kLocalMagic)
      refuse_npz("an array is not where it should be");
    const uint64_t head = zip::kLocalSize + uint64_t{number_at<uint16_t>(archive_, offset + 26)} +
                          number_at<uint16_t>(archive_, offset + 28);
    if (end - offset < head || end - offset - head < size || size > unread_) refuse_npz("an array is cut off");
    unread_ -= size;
    return part(archive_, offset + head, size);
  }

  const Bytes &archive_;
  const Directory directory_;
  const Limits &limits_;
  uint64_t unread_;
};

}  // namespace

std::vector<NpzMember> read_npz(const Bytes &archive, const Limits &limits) {
  return NpzReader(archive, limits).read();
}

}  // namespace flare::fobs
