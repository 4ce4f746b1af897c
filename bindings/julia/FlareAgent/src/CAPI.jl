# The C interface as it is: flare_agent.h and flare_exchanger.h say what it means.
module CAPI

using Libdl

const LIBRARY = "libflare_agent.so.0"
const FLARE_WAIT_FOREVER = Int64(-1)
const FLARE_NO_STEP = Int64(-1)

include("generated.jl")

const FLARE_VERSION = UInt32(FLARE_VERSION_MAJOR << 16 | FLARE_VERSION_MINOR << 8 | FLARE_VERSION_PATCH)

# Read when the program starts, not when the package is precompiled. A library that is loaded already is found by its
# name alone.
function __init__()
    path = get(ENV, "FLARE_AGENT_LIBRARY", LIBRARY)
    try
        Libdl.dlopen(path)
    catch
        error("FlareAgent: the library $path cannot be loaded. Install libflare_agent $FLARE_VERSION_MAJOR." *
              "$FLARE_VERSION_MINOR where the loader looks, or set FLARE_AGENT_LIBRARY to the path of libflare_agent.so")
    end
end

end
