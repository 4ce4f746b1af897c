// Keys of CURVE, the encryption of ZeroMQ, and the files that hold them. `flare-agent keys` makes these: lines
// "secret KEY" or "public KEY NAME", where KEY is 40 characters of Z85 and nobody reads NAME; empty lines, and those
// that begin with #, are skipped.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "config/settings.h"

namespace flare {

// What one end needs. Keys are in Z85, as libzmq takes them.
struct CurveKeys {
  std::string secret;              // of this end
  std::string exchanger;           // an agent's: the public key of its exchanger
  std::set<std::string> admitted;  // an exchanger's: public keys of agents
};

// A key in Z85: 40 characters that stand for 32 bytes.
bool is_curve_key(std::string_view text);

// By the options curve_*; nullopt when none of those that concern this end is set. Throws
// Failure(FLARE_INVALID_ARGUMENT) when one of them is missing, a file is none of those above, others may use a secret
// or change a list of who is admitted; FLARE_IO when a file cannot be read. No message shows a key.
std::optional<CurveKeys> curve_keys_of_agent(const Settings &settings);
std::optional<CurveKeys> curve_keys_of_exchanger(const Settings &settings);

}  // namespace flare
