# The peer of an agent, by the C interface.
module Peers

using FlareAgent
using FlareAgent: CAPI, FlareError

const NUMBER = Ref(0)

mutable struct Peer
    pointer::Ptr{Cvoid}
    url::String
end

function check(status)
    status == CAPI.FLARE_OK || error("exchanger: ", unsafe_string(CAPI.flare_status_text(status)))
end

function Peer(url = "memory://julia-$(NUMBER[] += 1)")
    options, exchanger = CAPI.flare_options_new(), Ref{Ptr{Cvoid}}(C_NULL)
    check(CAPI.flare_options_set(options, "url", url, C_NULL))
    check(CAPI.flare_exchanger_open(options, exchanger, C_NULL))
    CAPI.flare_options_free(options)
    return Peer(exchanger[], url)
end

agent(peer::Peer; options...) = Agent(; url = peer.url, log_level = "error", options...)
finish(peer::Peer) = check(CAPI.flare_exchanger_end(peer.pointer, "done", C_NULL))
abort(peer::Peer, reason) = check(CAPI.flare_exchanger_abort(peer.pointer, reason, C_NULL))
Base.close(peer::Peer) =
    @threadcall((:flare_exchanger_close, CAPI.LIBRARY), Cvoid, (Ptr{Cvoid},), peer.pointer)

# A task with the tensor "w" of this wire shape, and more receivers than the peer when they are named.
function send(peer::Peer, w::Vector{Float32} = Float32[1]; shape = Int64[length(w)], receivers = String[], task = "train")
    request = Ref{Ptr{Cvoid}}(C_NULL)
    check(CAPI.flare_request_new(peer.pointer, task, request, C_NULL))
    data = CAPI.flare_request_shareable(request[])
    GC.@preserve w shape begin
        view = Ref(CAPI.Tensor(sizeof(CAPI.Tensor), CAPI.FLARE_FLOAT32, length(shape), 0, pointer(w), pointer(shape),
                               C_NULL))
        check(CAPI.flare_shareable_copy_tensor(data, "w", view, C_NULL))
    end
    check(CAPI.flare_shareable_set_json(data, CAPI.FLARE_HEADERS, "extra", "{\"a\": [1, \"b\", null, true, 2.5]}", C_NULL))
    check(CAPI.flare_request_set_round(request[], 3, 10, C_NULL))
    foreach(name -> check(CAPI.flare_request_add_receiver(request[], name, C_NULL)), receivers)
    check(CAPI.flare_request_send(request[], C_NULL))
    return request[]
end

# What came back, without blocking this thread; `confirm` is a receiver who then has it.
function reply(request; timeout = 60, confirm = "")
    reply, deadline = Ref{Ptr{Cvoid}}(C_NULL), time() + timeout
    while (status = CAPI.flare_request_wait(request, 0, reply, C_NULL)) == CAPI.FLARE_TIMEOUT && time() < deadline
        sleep(0.002)
    end
    check(status)
    data, view = CAPI.flare_reply_shareable(reply[]), Ref(FlareAgent.empty_tensor())
    w, shape = Float32[], Int64[]
    if CAPI.flare_shareable_find_tensor(data, "w", view) == CAPI.FLARE_OK
        shape = [unsafe_load(view[].shape, i) for i in 1:view[].ndim]
        w = [unsafe_load(Ptr{Float32}(view[].data), i) for i in 1:prod(shape)]
    end
    text(pointer) = unsafe_string(pointer)
    all = (return_code = text(CAPI.flare_shareable_return_code(data)), reason = text(CAPI.flare_shareable_reason(data)),
           w = w, shape = shape)
    confirm == "" || check(CAPI.flare_reply_confirm(reply[], confirm, 1, C_NULL, C_NULL))
    CAPI.flare_reply_free(reply[])
    CAPI.flare_request_free(request)
    return all
end

end
