// How often this process called mmap() or munmap(), or asked the allocator for a block of at least 128 KiB, which it
// may map each time: this program's own symbols stand before those of the C library for all libraries in it.
#pragma once

namespace flare::bench {

double mappings();
double large_blocks();

}  // namespace flare::bench
