#include "mappings.h"

#include <atomic>
#include <cstddef>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

std::atomic<long> maps{0};
std::atomic<long> blocks{0};

void note(size_t size) {
  if (size >= size_t{128} << 10) blocks.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

// The allocator behind these; glibc exports it for such uses.
void *__libc_malloc(size_t size);                      // NOLINT
void *__libc_memalign(size_t alignment, size_t size);  // NOLINT

void *malloc(size_t size) noexcept {
  note(size);
  return __libc_malloc(size);
}

void *aligned_alloc(size_t alignment, size_t size) noexcept {
  note(size);
  return __libc_memalign(alignment, size);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  maps.fetch_add(1, std::memory_order_relaxed);
  return reinterpret_cast<void *>(::syscall(SYS_mmap, address, size, protection, flags, fd, offset));
}

int munmap(void *address, size_t size) noexcept {
  maps.fetch_add(1, std::memory_order_relaxed);
  return static_cast<int>(::syscall(SYS_munmap, address, size));
}
}

namespace flare::bench {

double mappings() { return static_cast<double>(maps.load(std::memory_order_relaxed)); }
double large_blocks() { return static_cast<double>(blocks.load(std::memory_order_relaxed)); }

}  // namespace flare::bench
