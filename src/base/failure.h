// What a failed operation throws inside the library; the C boundary turns it into a status and a flare_error.
// Outcomes that may well happen (timeout, ended) are return values instead.
#pragma once

#include <stdexcept>
#include <string>

#include "flare_agent.h"

namespace flare {

class Failure : public std::runtime_error {
 public:
  Failure(flare_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
  flare_status status() const { return status_; }

 private:
  flare_status status_;
};

[[noreturn]] inline void too_large(const std::string &what) { throw Failure(FLARE_TOO_LARGE, what); }

}  // namespace flare
