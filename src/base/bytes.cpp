#include "base/bytes.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace flare {
namespace {

constexpr size_t kAlignment = 64;

}  // namespace

Block::Block(size_t size) : size_(size) {
  if (size == 0) return;
  if (size > PTRDIFF_MAX - kAlignment) throw std::bad_alloc();
  // Aligned by hand: up to 2.37 glibc does not find what it has aligned, and was freed, for the next one of its size
  // (its bug 14581), so that the memory of a program with many tensors grows from round to round.
  const std::shared_ptr<void> room(::operator new(size + kAlignment), [](void *data) { ::operator delete(data); });
  void *place = room.get();
  size_t space = size + kAlignment;
  data_ = std::shared_ptr<std::byte>(room, static_cast<std::byte *>(std::align(kAlignment, size, place, space)));
}

Bytes copy_bytes(const void *data, size_t size) {
  Block block(size);
  if (size > 0) std::memcpy(block.data(), data, size);
  return block.share();
}

}  // namespace flare
