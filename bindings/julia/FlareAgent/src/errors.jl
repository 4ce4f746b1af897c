const STATUSES = Dict(
    CAPI.FLARE_TIMEOUT => :TIMEOUT, CAPI.FLARE_ENDED => :ENDED, CAPI.FLARE_STOPPED => :STOPPED,
    CAPI.FLARE_NOT_FOUND => :NOT_FOUND, CAPI.FLARE_INVALID_ARGUMENT => :INVALID_ARGUMENT,
    CAPI.FLARE_INVALID_STATE => :INVALID_STATE, CAPI.FLARE_PEER_GONE => :PEER_GONE, CAPI.FLARE_ABORTED => :ABORTED,
    CAPI.FLARE_STALLED => :STALLED, CAPI.FLARE_PROTOCOL => :PROTOCOL, CAPI.FLARE_IO => :IO,
    CAPI.FLARE_OUT_OF_MEMORY => :OUT_OF_MEMORY, CAPI.FLARE_FORKED => :FORKED, CAPI.FLARE_INTERNAL => :INTERNAL,
    CAPI.FLARE_REFUSED => :REFUSED, CAPI.FLARE_UNREACHABLE => :UNREACHABLE, CAPI.FLARE_TOO_LARGE => :TOO_LARGE,
)

"""
What happened and what to do, in the library's own words. `status` is the C status without `FLARE_`: `:TIMEOUT`,
`:ENDED`, `:PEER_GONE` and so on.
"""
struct FlareError <: Exception
    status::Symbol
    message::String
end

Base.showerror(io::IO, error::FlareError) = print(io, "FlareError ", error.status, ": ", error.message)

# A text of C; empty for NULL.
text(pointer::Cstring) = pointer == C_NULL ? "" : unsafe_string(pointer)

# Calls `f` with a place for the error details; gives OK and TIMEOUT back and throws all else.
function call(f)
    details = Ref{Ptr{Cvoid}}(C_NULL)
    status = f(details)
    (status == CAPI.FLARE_OK || status == CAPI.FLARE_TIMEOUT) && return status
    message = text(details[] == C_NULL ? CAPI.flare_status_text(status) : CAPI.flare_error_message(details[]))
    CAPI.flare_error_free(details[])
    throw(FlareError(get(STATUSES, status, :UNKNOWN), message))
end

# For functions that give no details.
check(status) = call(_ -> status)

version_text(version) = "$(version >> 16).$(version >> 8 & 0xff).$(version & 0xff)"

# While the major version is 0 a new minor version may change the interface.
function check_version(library, header)
    library >> 8 == header >> 8 && return
    throw(FlareError(:INVALID_STATE, "the library libflare_agent found is version $(version_text(library)), but this " *
                     "package is written for $(version_text(header)): take the package or the library of that version"))
end
