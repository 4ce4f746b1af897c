# An object of C. It is released once, by `close` or, as a net, by the garbage collector; what is closed says so.
abstract type Handle end

const CLOSED = FlareError(:INVALID_STATE, "it is closed")

function pointer_of(handle::Handle)
    handle.pointer == C_NULL && throw(CLOSED)
    return handle.pointer
end

# How soon a wait notices that what it waits for was closed by another Julia task, which no descriptor tells.
const CLOSING_SECONDS = 0.2

# Suspends this Julia task, and neither its thread nor the garbage collector, until `look` gives anything but TIMEOUT.
function wait_until(look, handle::Handle, descriptor, timeout)
    deadline = time() + timeout
    handle.waiting += 1
    try
        while true
            status = call(details -> look(pointer_of(handle), details))
            status == CAPI.FLARE_OK && return
            left = deadline - time()
            left <= 0 && throw(FlareError(:TIMEOUT, "nothing happened in the given time"))
            fd = descriptor(pointer_of(handle))
            FileWatching.poll_fd(RawFD(fd), min(left, CLOSING_SECONDS); readable = true)
            handle.closing && throw(CLOSED)
        end
    finally
        handle.waiting -= 1
    end
end

# Takes the pointer out of the handle when no Julia task waits with it any more; NULL when somebody else has done so.
function take_pointer(handle::Handle)
    handle.closing = true
    while handle.waiting > 0
        sleep(0.005)
    end
    pointer, handle.pointer = handle.pointer, C_NULL
    return pointer
end
