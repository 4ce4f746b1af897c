#include <algorithm>
#include <set>

#include "exec/little_endian.h"
#include "exec/npy.h"
#include "exec/npz.h"
#include "exec/zip_format.h"

namespace flare_tool {

namespace {

using namespace zip;

constexpr uint64_t kAlignment = 64;
constexpr uint16_t kDate = 0x21;  // 1980-01-01: the same model is the same file

class Writer {
 public:
  explicit Writer(Checksum checksum) : checksum_(checksum) {}

  void add(const FileTensor &tensor) {
    const std::string name = tensor.name + ".npy";
    if (name.size() > kNameMax || !names_.insert(name).second)
      throw BadTensorFile("'" + tensor.name + "' cannot be a name in an archive: it is there twice, or too long");
    const std::string head = npy_head(tensor);
    const uint64_t size = head.size() + tensor.elements.size();
    const uint32_t crc = checksum_(checksum_(0, bytes_of(head)), tensor.elements);
    const uint64_t offset = file_.size();
    file_.add(local(name, size, crc) + head);
    file_.refer_to(tensor.elements);
    enter(name, size, crc, offset);
    ++count_;
  }

  FilePieces finish() {
    const uint64_t begin = file_.size(), length = directory_.size();
    std::string end = std::move(directory_);
    if (count_ >= kElsewhere16 || begin + length >= kElsewhere32) {
      append(&end, kEnd64Magic);
      append(&end, uint64_t{kEnd64Size - 12});
      append(&end, kVersion64);
      append(&end, kVersion64);
      append(&end, uint64_t{0});  // the first disk of the first disk
      append(&end, count_);
      append(&end, count_);
      append(&end, length);
      append(&end, begin);
      append(&end, kLocator64Magic);
      append(&end, uint32_t{0});
      append(&end, begin + length);
      append(&end, uint32_t{1});
    }
    append(&end, kEndMagic);
    append(&end, uint32_t{0});
    append(&end, static_cast<uint16_t>(std::min<uint64_t>(count_, kElsewhere16)));
    append(&end, static_cast<uint16_t>(std::min<uint64_t>(count_, kElsewhere16)));
    append(&end, static_cast<uint32_t>(std::min<uint64_t>(length, kElsewhere32)));
    append(&end, static_cast<uint32_t>(std::min<uint64_t>(begin, kElsewhere32)));
    append(&end, uint16_t{0});
    file_.add(std::move(end));
    return std::move(file_);
  }

 private:
  static constexpr size_t kNameMax = 60'000;

  static void say(std::string *to, uint16_t version, uint64_t size, uint32_t crc) {
    const bool large = size >= kElsewhere32;
    append(to, version);
    append(to, kUtf8);
    append(to, kStored);
    append(to, uint16_t{0});  // the time
    append(to, kDate);
    append(to, crc);
    append(to, large ? kElsewhere32 : static_cast<uint32_t>(size));
    append(to, large ? kElsewhere32 : static_cast<uint32_t>(size));
  }

  // What stands before the content, which it leads to a multiple of 64.
  std::string local(const std::string &name, uint64_t size, uint32_t crc) const {
    const bool large = size >= kElsewhere32;
    std::string extra;
    if (large) {
      append(&extra, kExtra64);
      append(&extra, uint16_t{16});
      append(&extra, size);
      append(&extra, size);
    }
    constexpr uint64_t kHead = 6;
    const uint64_t unaligned = file_.size() + kLocalSize + name.size() + extra.size() + kHead;
    const uint64_t zeros = (kAlignment - unaligned % kAlignment) % kAlignment;
    append(&extra, kExtraAlignment);
    append(&extra, static_cast<uint16_t>(zeros + 2));
    append(&extra, static_cast<uint16_t>(kAlignment));
    extra.append(zeros, '\0');
    std::string text;
    append(&text, kLocalMagic);
    say(&text, large ? kVersion64 : kVersion, size, crc);
    append(&text, static_cast<uint16_t>(name.size()));
    append(&text, static_cast<uint16_t>(extra.size()));
    return text + name + extra;
  }

  void enter(const std::string &name, uint64_t size, uint32_t crc, uint64_t offset) {
    const bool large = size >= kElsewhere32, far = offset >= kElsewhere32;
    std::string extra;
    if (large || far) {
      append(&extra, kExtra64);
      append(&extra, static_cast<uint16_t>((large ? 16 : 0) + (far ? 8 : 0)));
      if (large) append(&extra, size);
      if (large) append(&extra, size);
      if (far) append(&extra, offset);
    }
    append(&directory_, kEntryMagic);
    append(&directory_, kVersion64);  // that made it
    say(&directory_, large || far ? kVersion64 : kVersion, size, crc);
    append(&directory_, static_cast<uint16_t>(name.size()));
    append(&directory_, static_cast<uint16_t>(extra.size()));
    append(&directory_, uint16_t{0});  // comment
    append(&directory_, uint16_t{0});  // disk
    append(&directory_, uint16_t{0});  // attributes inside
    append(&directory_, uint32_t{0});  // and outside
    append(&directory_, far ? kElsewhere32 : static_cast<uint32_t>(offset));
    directory_ += name + extra;
  }

  const Checksum checksum_;
  FilePieces file_;
  std::string directory_;
  std::set<std::string> names_;
  uint64_t count_ = 0;
};

}  // namespace

FilePieces npz_pieces(const std::vector<FileTensor> &tensors, Checksum checksum) {
  Writer writer(checksum);
  for (const FileTensor &tensor : tensors) writer.add(tensor);
  return writer.finish();
}

}  // namespace flare_tool
