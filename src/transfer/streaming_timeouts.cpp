#include "transfer/streaming_timeouts.h"

#include <algorithm>

#include "transfer/transfer_record.h"

namespace flare {

namespace {

constexpr double kSilencePerIdle = 1.5;

std::optional<double> first_of(std::optional<double> a, std::optional<double> b) { return a ? a : b; }

}  // namespace

StreamingTimeouts resolve_timeouts(const GivenTimeouts &call, const GivenTimeouts &configuration) {
  StreamingTimeouts timeouts;
  const auto idle = first_of(call.idle, configuration.idle);
  if (idle) timeouts.idle = checked_seconds(*idle, "streaming_idle_timeout");
  if (const auto silence = first_of(call.max_silence, configuration.max_silence)) {
    timeouts.max_silence = checked_seconds(*silence, "max_peer_silence");
  } else if (idle) {
    timeouts.max_silence = std::max(kDefaultMaxPeerSilence, kSilencePerIdle * *idle);
  }
  return timeouts;
}

}  // namespace flare
