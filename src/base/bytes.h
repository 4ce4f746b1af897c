// Bytes with shared ownership: how tensor elements travel inside the library without being copied.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace flare {

// Immutable bytes and whatever keeps them alive. An empty owner means that somebody else guarantees the life time.
struct Bytes {
  std::shared_ptr<const void> owner;
  const std::byte *data = nullptr;
  size_t size = 0;

  std::string_view text() const { return {reinterpret_cast<const char *>(data), size}; }
};

// A writable block aligned to 64 bytes, to be filled once and then shared as Bytes.
class Block {
 public:
  Block() = default;
  explicit Block(size_t size);  // uninitialised; throws std::bad_alloc
  Block(std::shared_ptr<std::byte> data, size_t size) : data_(std::move(data)), size_(size) {}  // somebody else's

  std::byte *data() { return data_.get(); }
  size_t size() const { return size_; }
  Bytes share() const { return {data_, data_.get(), size_}; }

 private:
  std::shared_ptr<std::byte> data_;
  size_t size_ = 0;
};

Bytes copy_bytes(const void *data, size_t size);

}  // namespace flare
