#include "transfer/progress_text.h"

namespace flare {

std::string duration_text(Duration duration) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000) + " s";
  return std::to_string(milliseconds) + " ms";
}

std::string bytes_text(int64_t done, int64_t total) {
  constexpr int64_t kMebibyte = 1 << 20;
  if (total < 10 * kMebibyte) return std::to_string(done) + " of " + std::to_string(total) + " bytes";
  return std::to_string(done / kMebibyte) + " of " + std::to_string(total / kMebibyte) + " MiB";
}

}  // namespace flare
