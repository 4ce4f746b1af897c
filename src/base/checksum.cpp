#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace flare {

uint64_t checksum(const void *data, size_t size) { return XXH3_64bits(data, size); }

}  // namespace flare
