// Memory of which every page was written to, so that no page fault is measured with what uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace flare::bench {

class WarmMemory {
 public:
  explicit WarmMemory(size_t mib) : size_(mib << 20), data_(static_cast<std::byte *>(std::aligned_alloc(64, size_))) {
    if (!data_) throw std::bad_alloc();
    std::memset(data_.get(), 1, size_);
    // Numbers that differ, so that a piece in another's place would be noticed.
    for (size_t at = 0; at < size_; at += 4096) std::memcpy(data_.get() + at, &at, sizeof at);
  }

  std::byte *data() { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte *data) const { std::free(data); }
  };
  size_t size_;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace flare::bench
