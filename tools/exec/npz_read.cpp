#include <zlib.h>

#include <algorithm>
#include <set>

#include "exec/little_endian.h"
#include "exec/npz.h"
#include "exec/zip_format.h"

namespace flare_tool {

namespace {

using namespace zip;
using Bytes = std::span<const std::byte>;

constexpr uint64_t kInflationMax = 1032;  // deflate's own

[[noreturn]] void broken(const std::string &what) { throw BadTensorFile("is no whole npz file: " + what); }

// Where the directory lies.
struct Directory {
  uint64_t entries, size, offset;
};

// The end of the archive stands at the end of the file, before a comment of at most 64 KiB.
size_t find_end(Bytes file) {
  if (file.size() < kEndSize) broken("it is too short");
  const size_t last = file.size() - kEndSize;
  const size_t first = last - std::min<size_t>(last, 0xffff);
  for (size_t at = last + 1; at-- > first;)
    if (load_at<uint32_t>(file, at) == kEndMagic && load_at<uint16_t>(file, at + 20) == last - at) return at;
  broken("its directory is missing; was it still being written?");
}

Directory find_directory(Bytes file) {
  const size_t end = find_end(file);
  Directory directory = {load_at<uint16_t>(file, end + 10), load_at<uint32_t>(file, end + 12),
                         load_at<uint32_t>(file, end + 16)};
  size_t limit = end;
  if (end >= kLocator64Size && load_at<uint32_t>(file, end - kLocator64Size) == kLocator64Magic) {
    const auto at = load_at<uint64_t>(file, end - kLocator64Size + 8);
    if (at > end - kLocator64Size || end - kLocator64Size - at < kEnd64Size ||
        load_at<uint32_t>(file, at) != kEnd64Magic)
      broken("the end of its directory is not where it says");
    directory = {load_at<uint64_t>(file, at + 32), load_at<uint64_t>(file, at + 40), load_at<uint64_t>(file, at + 48)};
    limit = at;
  }
  if (directory.offset > limit || directory.size > limit - directory.offset ||
      directory.entries > directory.size / kEntrySize)
    broken("its directory lies beyond its end");
  return directory;
}

// Replaces the numbers that are said to stand in the extra field, in their order there.
void read_extra64(Bytes extra, std::initializer_list<uint64_t *> numbers) {
  while (extra.size() >= 4) {
    const auto id = load_at<uint16_t>(extra, 0), size = load_at<uint16_t>(extra, 2);
    extra = extra.subspan(4);
    if (size > extra.size()) broken("an extra field is cut off");
    if (id == kExtra64) {
      Bytes field = extra.first(size);
      for (uint64_t *const number : numbers) {
        if (*number != kElsewhere32) continue;
        if (field.size() < sizeof *number) broken("a large number is missing");
        *number = load_at<uint64_t>(field, 0);
        field = field.subspan(sizeof *number);
      }
      return;
    }
    extra = extra.subspan(size);
  }
}

class Reader {
 public:
  explicit Reader(Bytes file) : file_(file), directory_(find_directory(file)) {}

  std::vector<ZipEntry> read() {
    std::vector<ZipEntry> entries;
    Bytes left = file_.subspan(directory_.offset, directory_.size);
    for (uint64_t i = 0; i < directory_.entries; ++i) entries.push_back(next(&left));
    if (!left.empty()) broken("there is more in its directory than it says");
    return entries;
  }

 private:
  ZipEntry next(Bytes *left) {
    if (left->size() < kEntrySize || load_at<uint32_t>(*left, 0) != kEntryMagic) broken("its directory is cut off");
    const Bytes head = left->first(kEntrySize);
    const size_t name = load_at<uint16_t>(head, 28), extra = load_at<uint16_t>(head, 30);
    const size_t more = name + extra + load_at<uint16_t>(head, 32);
    if (left->size() - kEntrySize < more) broken("its directory is cut off");
    ZipEntry entry;
    entry.name = text_of(left->subspan(kEntrySize, name));
    entry.crc = load_at<uint32_t>(head, 16);
    entry.size = load_at<uint32_t>(head, 24);
    uint64_t packed = load_at<uint32_t>(head, 20), offset = load_at<uint32_t>(head, 42);
    read_extra64(left->subspan(kEntrySize + name, extra), {&entry.size, &packed, &offset});
    *left = left->subspan(kEntrySize + more);
    if (!names_.insert(entry.name).second) broken("'" + entry.name + "' is there twice");
    const auto method = load_at<uint16_t>(head, 10);
    if ((load_at<uint16_t>(head, 8) & kEncrypted) != 0) broken("'" + entry.name + "' is encrypted");
    if (method != kStored && method != kDeflated)
      broken("'" + entry.name + "' is compressed by method " + std::to_string(method) + "; only deflate is known");
    entry.deflated = method == kDeflated;
    entry.content = content(entry, packed, offset);
    return entry;
  }

  Bytes content(const ZipEntry &entry, uint64_t packed, uint64_t offset) {
    const uint64_t end = directory_.offset;
    if (offset > end || end - offset < kLocalSize || load_at<uint32_t>(file_, offset) != kLocalMagic)
      broken("'" + entry.name + "' is not where it should be");
    const uint64_t head =
        kLocalSize + uint64_t{load_at<uint16_t>(file_, offset + 26)} + load_at<uint16_t>(file_, offset + 28);
    if (end - offset < head || end - offset - head < packed) broken("'" + entry.name + "' is cut off");
    // No entry is in another: what can come of a file has its size as a measure.
    if (file_.size() - used_ < packed) broken("its entries are more than the file");
    used_ += packed;
    if (entry.deflated ? entry.size / kInflationMax > packed : entry.size != packed)
      broken("'" + entry.name + "' cannot have the size that it says");
    return file_.subspan(offset + head, packed);
  }

  const Bytes file_;
  const Directory directory_;
  std::set<std::string> names_;
  uint64_t used_ = 0;
};

}  // namespace

std::vector<ZipEntry> parse_zip(Bytes file) { return Reader(file).read(); }

std::vector<std::byte> inflate(const ZipEntry &entry) {
  constexpr size_t kStep = size_t{1} << 30;  // zlib counts in 32 bits
  constexpr uint64_t kFirst = uint64_t{1} << 20;
  std::vector<std::byte> out;
  z_stream stream = {};
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  size_t taken = 0, made = 0;
  int status = Z_OK;
  std::byte none{};  // zlib wants a place even for nothing
  do {
    // It grows with what comes, not by what a file says of itself.
    if (made == out.size()) out.resize(std::min(entry.size, std::max<uint64_t>(kFirst, 2 * out.size())));
    const size_t in = std::min(kStep, entry.content.size() - taken), room = std::min(kStep, out.size() - made);
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<std::byte *>(entry.content.data() + taken));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef *>(room > 0 ? out.data() + made : &none);
    stream.avail_out = static_cast<uInt>(room);
    status = ::inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    made += room - stream.avail_out;
  } while (status == Z_OK);
  ::inflateEnd(&stream);
  if (status != Z_STREAM_END || made != entry.size || taken != entry.content.size())
    broken("'" + entry.name + "' does not unpack to what it says");
  return out;
}

void check_crc(const ZipEntry &entry, Bytes content) {
  if (flare::crc32_of(0, content) != entry.crc) broken("the checksum of '" + entry.name + "' is wrong");
}

}  // namespace flare_tool
