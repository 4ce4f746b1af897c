#include "base/bytes.h"

#include <cstdint>
#include <cstring>
#include <new>

namespace flare {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

Block::Block(size_t size) : size_(size) {
  if (size == 0) return;
  // The aligned operator new of libstdc++ rounds the size up without looking for overflow.
  if (size > PTRDIFF_MAX) throw std::bad_alloc();
  data_.reset(static_cast<std::byte *>(::operator new(size, kAlignment)),
              [](std::byte *data) { ::operator delete(data, kAlignment); });
}

Bytes copy_bytes(const void *data, size_t size) {
  Block block(size);
  if (size > 0) std::memcpy(block.data(), data, size);
  return block.share();
}

}  // namespace flare
