#include "base/time.h"

namespace flare {

TimePoint Clock::now() { return std::chrono::steady_clock::now(); }

}  // namespace flare
