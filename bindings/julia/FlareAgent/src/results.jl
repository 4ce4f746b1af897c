"The answer to a task, made by [`result`](@ref). Fill it in one Julia task at a time; submitted, any number may wait for it."
mutable struct FlareResult <: Handle
    pointer::Ptr{Cvoid}
    waiting::Int
    closing::Bool
    submitted::Bool
    borrowed::Vector{Any}  # what C reads until the upload is settled

    FlareResult(pointer) = finalizer(free, new(pointer, 0, false, false, []))
end

free(result::FlareResult) = (CAPI.flare_result_free(result.pointer); result.pointer = C_NULL)

# Submitted results with borrowed arrays, which stay until they are settled even when their user forgets them: a release
# would wait, which a finalizer must not.
const IN_FLIGHT = Dict{Ptr{Cvoid},FlareResult}()

is_settled(result) = CAPI.flare_result_wait(result.pointer, CAPI.FLARE_DELIVERED, 0, C_NULL) != CAPI.FLARE_TIMEOUT

function sweep()
    for (pointer, result) in collect(IN_FLIGHT)
        is_settled(result) && delete!(IN_FLIGHT, pointer)
    end
end

"Makes the one result of the task."
function result(task::FlareTask)
    sweep()
    made = Ref{Ptr{Cvoid}}(C_NULL)
    call(details -> CAPI.flare_result_new(pointer_of(task), made, details))
    return task.result = FlareResult(made[])
end

"""
Before the submit it drops the result. After it the upload goes on; with borrowed arrays the close waits until it is
settled.
"""
function Base.close(result::FlareResult)
    pointer = take_pointer(result)
    pointer == C_NULL && return
    delete!(IN_FLIGHT, pointer)
    if isempty(result.borrowed)
        CAPI.flare_result_free(pointer)
    else
        GC.@preserve result @threadcall((:flare_result_free, CAPI.LIBRARY), Cvoid, (Ptr{Cvoid},), pointer)
    end
    return
end

data_of(result::FlareResult) = CAPI.flare_result_shareable(pointer_of(result))

# The shape of the wire is row-major.
function put_elements(f, result, name, dtype, array, dims)
    shape = Int64[reverse(dims)...]
    GC.@preserve array shape begin
        view = Ref(CAPI.Tensor(sizeof(CAPI.Tensor), DTYPES[dtype], length(shape), 0, pointer(array), pointer(shape),
                               C_NULL))
        call(details -> f(data_of(result), name, view, details))
    end
    return result
end

"""
    put(result, name, array)

Copies an array into the result. The wire's shape is the array's size in reverse; an array without dimensions is a scalar.
"""
put(result::FlareResult, name, array::Array{T}) where {T<:Element} =
    put_elements(CAPI.flare_shareable_copy_tensor, result, name, DTYPE_NAMES[DTYPE_OF[T]], array, size(array))

"""
    borrow(result, name, array)

[`put`](@ref) without a copy. Leave the elements alone until [`finish`](@ref), or `wait` for `:delivered`, has returned or
failed with anything but a timeout. The array is kept from the garbage collector as long.
"""
function borrow(result::FlareResult, name, array::Array{T}) where {T<:Element}
    put_elements(CAPI.flare_shareable_borrow_tensor, result, name, DTYPE_NAMES[DTYPE_OF[T]], array, size(array))
    push!(result.borrowed, array)
    return result
end

"""
    put_raw(result, name, :bfloat16, bytes, dims)

Copies a tensor of any type, given as the bytes of its elements and the dimensions of a Julia array.
"""
function put_raw(result::FlareResult, name, dtype::Symbol, bytes::Vector{UInt8}, dims)
    info = TensorInfo(name, dtype, Int64[dims...])
    if all(>=(0), info.dims) && byte_count(info) != length(bytes)
        throw(FlareError(:INVALID_ARGUMENT, "tensor '$name': the dimensions $dims need $(byte_count(info)) bytes, but " *
                         "there are $(length(bytes))"))
    end
    return put_elements(CAPI.flare_shareable_copy_tensor, result, name, dtype, bytes, info.dims)
end

"Copies opaque bytes into the result."
function put_bytes(result::FlareResult, name, content::Vector{UInt8})
    GC.@preserve content call() do details
        CAPI.flare_shareable_copy_bytes(data_of(result), name, pointer(content), length(content), details)
    end
    return result
end

"The DXO's data kind, which otherwise follows from the content."
set_kind(result::FlareResult, kind) =
    (call(details -> CAPI.flare_shareable_set_kind(data_of(result), kind, details)); result)

"NVFlare's return code; \"OK\" without a call."
set_return_code(result::FlareResult, code) =
    (call(details -> CAPI.flare_shareable_set_return_code(data_of(result), code, details)); result)

"A metric; the library puts it where the kind wants it."
set_metric(result::FlareResult, name, value) =
    (call(details -> CAPI.flare_shareable_set_metric(data_of(result), name, value, details)); result)

"The weight in averaging."
set_steps(result::FlareResult, count) =
    (call(details -> CAPI.flare_shareable_set_steps(data_of(result), count, details)); result)

"""
    set(result, :meta, name, value)

Writes an entry of a section: an integer, a float or a text as it is.
"""
set(result::FlareResult, in::Symbol, name, value::Integer) =
    (call(details -> CAPI.flare_shareable_set_int(data_of(result), SECTIONS[in], name, value, details)); result)
set(result::FlareResult, in::Symbol, name, value::AbstractFloat) =
    (call(details -> CAPI.flare_shareable_set_double(data_of(result), SECTIONS[in], name, value, details)); result)
set(result::FlareResult, in::Symbol, name, value::AbstractString) =
    (call(details -> CAPI.flare_shareable_set_text(data_of(result), SECTIONS[in], name, value, details)); result)

"Writes an entry of a section that is nested, as JSON."
set_json(result::FlareResult, in::Symbol, name, json) =
    (call(details -> CAPI.flare_shareable_set_json(data_of(result), SECTIONS[in], name, json, details)); result)

"""
Starts sending and returns; the next task may be taken meanwhile. `:INVALID_ARGUMENT` names the tensors that do not fit the
task: correct them and submit again.
"""
function submit(result::FlareResult)
    call(details -> CAPI.flare_result_submit(pointer_of(result), details))
    result.submitted = true
    isempty(result.borrowed) || (IN_FLIGHT[result.pointer] = result)
    return
end

const LEVELS = Dict(:accepted => CAPI.FLARE_ACCEPTED, :delivered => CAPI.FLARE_DELIVERED)

"""
    wait(result, :delivered; timeout = Inf)

Waits for a submitted result. A timeout ends the wait and not the upload: that is [`cancel`](@ref).
"""
function Base.wait(result::FlareResult, level::Symbol = :delivered; timeout = Inf)
    wait_until(result, pointer -> CAPI.flare_result_poll_fd(pointer, LEVELS[level]), timeout) do pointer, details
        CAPI.flare_result_wait(pointer, LEVELS[level], 0, details)
    end
end

"Submits and waits until delivered. `:ENDED` means that the job ended before the result was safe."
function finish(result::FlareResult; timeout = Inf)
    submit(result)
    wait(result, :delivered; timeout = timeout)
end

"Gives a submitted result up. Its waits end with `:ABORTED`."
cancel(result::FlareResult) = CAPI.flare_result_cancel(pointer_of(result))

const UPLOADS = (:WAITING, :ACTIVE, :DELIVERED, :FAILED)

raw_progress(changes) = Ref(CAPI.Progress(sizeof(CAPI.Progress), 0, 0, 0, 0, 0, 0, changes))
named(p::CAPI.Progress) =
    (state = UPLOADS[p.state + 1], bytes_total = p.bytes_total, bytes_done = p.bytes_done, items_total = p.items_total,
     items_done = p.items_done, bytes_per_second = p.bytes_per_second, changes = p.changes)

"How far the upload is: `state` (`:WAITING`, `:ACTIVE`, `:DELIVERED`, `:FAILED`), `bytes_done` of `bytes_total` and so on."
function progress(result::FlareResult)
    raw = raw_progress(0)
    check(CAPI.flare_result_progress(pointer_of(result), raw))
    return named(raw[])
end

"""
    wait_progress(result, seen = nothing; timeout = Inf)

Waits until there is more to see than `seen`, the progress before, shows, or the upload is settled; gives the new progress.
"""
function wait_progress(result::FlareResult, seen = nothing; timeout = Inf)
    raw = raw_progress(seen === nothing ? 0 : seen.changes)
    wait_until(result, CAPI.flare_result_progress_poll_fd, timeout) do pointer, details
        CAPI.flare_result_wait_progress(pointer, 0, raw, details)
    end
    return named(raw[])
end

"Each receiver's part, as [`progress`](@ref) with its `name`, which is empty when the peer alone is the receiver."
function receivers(result::FlareResult)
    all, name, raw = NamedTuple[], Ref{Cstring}(C_NULL), raw_progress(0)
    while CAPI.flare_result_receiver_at(pointer_of(result), length(all), name, raw) == CAPI.FLARE_OK
        push!(all, merge((name = text(name[]),), named(raw[])))
    end
    return all
end
