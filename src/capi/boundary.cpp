#include "capi/boundary.h"

#include <algorithm>

#include "base/text.h"
#include "capi/handles.h"

namespace flare {

flare_status report(flare_error **error, flare_status status, const char *message) noexcept {
  if (error == nullptr) return status;
  try {
    *error = new flare_error{status, message};
  } catch (const std::bad_alloc &) {
    *error = &out_of_memory;
  }
  return status;
}

flare_status answer(flare_error **error, const Outcome &outcome) noexcept {
  if (outcome.status >= 0) return outcome.status;
  return report(error, outcome.status,
                outcome.reason.empty() ? flare_status_text(outcome.status) : outcome.reason.c_str());
}

std::string_view text(const char *text, const char *name) {
  const std::string_view view = required(text, name);
  if (!is_utf8(view)) throw Failure(FLARE_INVALID_ARGUMENT, std::string(name) + " is not UTF-8");
  return view;
}

std::string_view nonempty_text(const char *text, const char *name) {
  const std::string_view view = flare::text(text, name);
  if (view.empty()) throw Failure(FLARE_INVALID_ARGUMENT, std::string(name) + " is empty");
  return view;
}

std::string_view return_code_text(const char *code) {
  const std::string_view view = nonempty_text(code, "return code");
  if (!std::all_of(view.begin(), view.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; })) {
    throw Failure(FLARE_INVALID_ARGUMENT, "return code '" + std::string(view) +
                                              "' is not one of NVFlare's: those are capitals and underscores, for "
                                              "example EXECUTION_EXCEPTION");
  }
  return view;
}

int64_t checked_timeout(int64_t timeout_ms) {
  if (timeout_ms < FLARE_WAIT_FOREVER) {
    throw Failure(FLARE_INVALID_ARGUMENT,
                  "timeout " + std::to_string(timeout_ms) + ": milliseconds from 0, or FLARE_WAIT_FOREVER");
  }
  return timeout_ms;
}

}  // namespace flare
