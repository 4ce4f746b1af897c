// What every function of the C API does around its own work: what comes in is checked, no exception goes out, and
// outputs fit the caller's version of a struct.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "capi/process_id.h"
#include "flare_agent.h"
#include "pipe/outcome.h"

namespace flare {

// Gives the caller an error with this message, if it wants one, and returns the status.
flare_status report(flare_error **error, flare_status status, const char *message) noexcept;

// What a body returned: expected outcomes are for the caller as they are, failures get an error.
inline flare_status answer(flare_error **, flare_status status) noexcept { return status; }
flare_status answer(flare_error **error, const Outcome &outcome) noexcept;

// Runs the body of a function, which returns a flare_status or an Outcome, or throws.
template <typename Body>
flare_status guarded(flare_error **error, Body &&body) noexcept {
  try {
    return answer(error, std::forward<Body>(body)());
  } catch (const Failure &failure) {
    return report(error, failure.status(), failure.what());
  } catch (const std::bad_alloc &) {
    return report(error, FLARE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception &unexpected) {
    return report(error, FLARE_INTERNAL, unexpected.what());
  } catch (...) {
    return report(error, FLARE_INTERNAL, "unknown exception");
  }
}

// Gives the caller what `next` put into a new handle. That is made first, so that nothing taken gets lost.
template <typename Handle, typename Next>
Outcome hand_out(Handle **out, Next next) {
  auto handle = std::make_unique<Handle>();
  Outcome outcome = next(handle.get());
  if (outcome.status == FLARE_OK) *out = handle.release();
  return outcome;
}

template <typename Pointer>
Pointer required(Pointer pointer, const char *name) {
  if (pointer == nullptr) throw Failure(FLARE_INVALID_ARGUMENT, std::string(name) + " is NULL");
  return pointer;
}

// Whether a handle can be used at all, where there is no way to say why not. In a forked child it cannot: the thread
// behind it and whoever holds its locks are in the parent.
template <typename Handle>
bool is_usable(const Handle *handle) {
  return handle != nullptr && handle->pid == process_id();
}

template <typename Handle>
Handle *usable(Handle *handle, const char *name) {
  if (!is_usable(required(handle, name))) {
    throw Failure(FLARE_FORKED, std::string(name) + " was opened before fork(): open one in this process");
  }
  return handle;
}

// Text that comes in.
std::string_view text(const char *text, const char *name);
std::string_view nonempty_text(const char *text, const char *name);
// A return code as NVFlare writes them.
std::string_view return_code_text(const char *code);

int64_t checked_timeout(int64_t timeout_ms);

// Gives the caller what was found.
template <typename T>
flare_status give(const std::optional<T> &found, T *out) noexcept {
  if (out == nullptr) return FLARE_INVALID_ARGUMENT;
  if (!found) return FLARE_NOT_FOUND;
  *out = *found;
  return FLARE_OK;
}

// Writes the fields that the caller's version of the struct has.
template <typename Struct>
void write_tagged(Struct *out, Struct value) {
  const size_t size = out->struct_size;
  if (size < 2 * sizeof(uint32_t)) {
    throw Failure(FLARE_INVALID_ARGUMENT, "struct_size is not set: begin with the FLARE_*_INIT macro");
  }
  value.struct_size = out->struct_size;
  std::memcpy(out, &value, std::min(size, sizeof value));
}

}  // namespace flare
