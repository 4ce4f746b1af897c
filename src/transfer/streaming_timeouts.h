// How long a transfer may make no progress, and how long a peer may be silent (TRK-17).
#pragma once

#include <optional>

namespace flare {

inline constexpr double kDefaultStreamingIdleTimeout = 600;
inline constexpr double kDefaultMaxPeerSilence = 900;

struct StreamingTimeouts {
  double idle = kDefaultStreamingIdleTimeout;
  double max_silence = kDefaultMaxPeerSilence;
};

struct GivenTimeouts {
  std::optional<double> idle;
  std::optional<double> max_silence;
};

// What the caller gave beats what the configuration gave, which beats the default. A silence that nobody gave grows
// with a given idle timeout beyond the default one. Throws Failure(FLARE_INVALID_ARGUMENT) as checked_seconds().
StreamingTimeouts resolve_timeouts(const GivenTimeouts &call, const GivenTimeouts &configuration);

}  // namespace flare
