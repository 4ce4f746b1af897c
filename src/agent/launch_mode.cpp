#include "agent/launch_mode.h"

#include <utility>

namespace flare {

bool LaunchMode::arrange_cleanup() { return launch_once_ && !std::exchange(arranged_, true); }

bool LaunchMode::begin_cleanup() { return launch_once_ && !std::exchange(cleaned_up_, true); }

void LaunchMode::submitted(bool gated, bool success) { should_exit_ |= !launch_once_ && gated && success; }

}  // namespace flare
