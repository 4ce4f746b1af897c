// Copies of large memory that is not read again soon.
#pragma once

#include <cstddef>

namespace flare {

// As memcpy(), but what is written does not go through the caches: it is not read from memory before it is overwritten,
// and drives nothing else out.
void copy_past_caches(std::byte *to, const std::byte *from, size_t size);

}  // namespace flare
