#include "base/version.h"
#include "capi/handles.h"

flare_error flare::out_of_memory{FLARE_OUT_OF_MEMORY, "out of memory"};

uint32_t flare_version(void) noexcept { return flare::library_number(); }

const char *flare_status_text(flare_status status) noexcept {
  switch (status) {
    case FLARE_OK: return "ok";
    case FLARE_TIMEOUT: return "timeout";
    case FLARE_ENDED: return "the job ended";
    case FLARE_STOPPED: return "stopped";
    case FLARE_NOT_FOUND: return "not found";
    case FLARE_INVALID_ARGUMENT: return "invalid argument";
    case FLARE_INVALID_STATE: return "invalid state";
    case FLARE_PEER_GONE: return "the peer is gone";
    case FLARE_ABORTED: return "aborted";
    case FLARE_STALLED: return "the transfer stalled";
    case FLARE_PROTOCOL: return "protocol error";
    case FLARE_IO: return "input or output error";
    case FLARE_OUT_OF_MEMORY: return "out of memory";
    case FLARE_FORKED: return "opened before fork";
    case FLARE_INTERNAL: return "internal error";
    case FLARE_REFUSED: return "refused by the peer";
    case FLARE_UNREACHABLE: return "no peer answered";
    case FLARE_TOO_LARGE: return "too large";
    default: return "unknown status";
  }
}

flare_status flare_error_status(const flare_error *error) noexcept { return error ? error->status : FLARE_OK; }

const char *flare_error_message(const flare_error *error) noexcept { return error ? error->message.c_str() : ""; }

void flare_error_free(flare_error *error) noexcept {
  if (error != &flare::out_of_memory) delete error;
}
