"""
What the peer wants to be done, with the data for it. Fields: `id`, `name`, `kind` (`:train`, `:validate`,
`:submit_model`, `:other`), `attempt` (from 1), `round` and `total_rounds` (`nothing` when the peer did not say), `job_id`,
`site`; of the data `data_kind` (the DXO's), `params_type` (`:none`, `:full`, `:diff`), `return_code` and `reason`.

A task that is closed without a submitted result is answered with a failure.
"""
mutable struct FlareTask <: Handle
    pointer::Ptr{Cvoid}
    waiting::Int
    closing::Bool
    result::Any  # the newest FlareResult made of it
    id::String
    name::String
    kind::Symbol
    attempt::Int64
    round::Union{Int64,Nothing}
    total_rounds::Union{Int64,Nothing}
    job_id::String
    site::String
    data_kind::String
    params_type::Symbol
    return_code::String
    reason::String

    function FlareTask(p::Ptr{Cvoid})
        data = CAPI.flare_task_shareable(p)
        said(number) = number < 0 ? nothing : number
        return finalizer(free, new(
            p, 0, false, nothing, text(CAPI.flare_task_id(p)), text(CAPI.flare_task_name(p)),
            (:other, :train, :validate, :submit_model)[CAPI.flare_task_get_kind(p) + 1], CAPI.flare_task_attempt(p),
            said(CAPI.flare_task_round(p)), said(CAPI.flare_task_total_rounds(p)), text(CAPI.flare_task_job_id(p)),
            text(CAPI.flare_task_site(p)), text(CAPI.flare_shareable_kind(data)),
            (:none, :full, :diff)[CAPI.flare_shareable_params_type(data) + 1],
            text(CAPI.flare_shareable_return_code(data)), text(CAPI.flare_shareable_reason(data))))
    end
end

free(task::FlareTask) = (CAPI.flare_task_free(task.pointer); task.pointer = C_NULL)

"Releases the task and its data, and its result unless that is submitted. It may be called more than once."
function Base.close(task::FlareTask)
    result = task.result
    result === nothing || result.submitted || close(result)
    task.result = nothing
    task.pointer == C_NULL || free(task)
    return
end

data_of(task::FlareTask) = CAPI.flare_task_shareable(pointer_of(task))

"Whether nobody wants the result any more. It is cheap: ask it in the training loop."
is_aborted(task::FlareTask) = CAPI.flare_task_is_aborted(pointer_of(task)) != 0

"The tensors of the task as [`TensorInfo`](@ref), in the order of the sender. Opaque bytes count as tensors."
function tensors(task::FlareTask)
    data, name, view = data_of(task), Ref{Cstring}(C_NULL), Ref(empty_tensor())
    return map(1:CAPI.flare_shareable_tensor_count(data)) do i
        CAPI.flare_shareable_tensor_at(data, i - 1, name, view)
        describe(text(name[]), view[])
    end
end

# The view of C, or the error of a read, which says what there is instead.
function find(task::FlareTask, name)
    view = Ref(empty_tensor())
    CAPI.flare_shareable_find_tensor(data_of(task), name, view) == CAPI.FLARE_OK && return view[]
    call(details -> CAPI.flare_shareable_read_tensor(data_of(task), name, 0, C_NULL, 0, details))
    throw(FlareError(:NOT_FOUND, "no such tensor"))
end

"""
    tensor(task, name, Float32)

A copy of a tensor as an `Array` of that element type. Its dimensions are the wire's in reverse: a numpy array of shape
(2, 3) comes as one of size (3, 2), with the same elements in memory. `:INVALID_ARGUMENT`: the elements are of another type.
"""
function tensor(task::FlareTask, name, ::Type{T}) where {T<:Element}
    array = Array{T}(undef, describe(name, find(task, name)).dims...)
    read_tensor!(array, task, name)
    return array
end

"Copies a tensor into an array that has as many elements."
function read_tensor!(array::Array{T}, task::FlareTask, name) where {T<:Element}
    GC.@preserve array call() do details
        CAPI.flare_shareable_read_tensor(data_of(task), name, DTYPE_OF[T], pointer(array), length(array), details)
    end
    if T === Bool && any(byte -> byte > 1, reinterpret(UInt8, array))
        throw(FlareError(:INVALID_ARGUMENT, "tensor '$name' has a bool that is neither 0 nor 1"))
    end
    return array
end

"A tensor of any type: its [`TensorInfo`](@ref) and a copy of its bytes."
function raw_tensor(task::FlareTask, name)
    view = find(task, name)
    info = describe(name, view)
    bytes = Vector{UInt8}(undef, byte_count(info))
    GC.@preserve bytes unsafe_copyto!(pointer(bytes), Ptr{UInt8}(view.data), length(bytes))
    return info, bytes
end

function copy_bytes(data, size)
    bytes = Vector{UInt8}(undef, size)
    GC.@preserve bytes unsafe_copyto!(pointer(bytes), Ptr{UInt8}(data), size)
    return bytes
end

"A copy of an entry of opaque bytes, an XGBoost model for example."
function bytes(task::FlareTask, name)
    data, size = Ref{Ptr{Cvoid}}(C_NULL), Ref{Csize_t}(0)
    check(CAPI.flare_shareable_find_bytes(data_of(task), name, data, size))
    return copy_bytes(data[], size[])
end

"A metric by name, wherever the data's kind puts it."
function metric(task::FlareTask, name)
    value = Ref{Cdouble}(0)
    check(CAPI.flare_shareable_metric(data_of(task), name, value))
    return value[]
end

"NUM_STEPS_CURRENT_ROUND of the meta, the weight in averaging; `nothing` when absent."
function steps(task::FlareTask)
    value = Ref{Int64}(0)
    return CAPI.flare_shareable_steps(data_of(task), value) == CAPI.FLARE_OK ? value[] : nothing
end

"""
Answers the task with a failure instead of a result: a return code of NVFlare ("EXECUTION_EXCEPTION", "BAD_TASK_DATA",
"TASK_UNSUPPORTED" ...) and a reason for its log.
"""
function fail(task::FlareTask, return_code, reason)
    call(details -> CAPI.flare_task_fail(pointer_of(task), return_code, reason, details))
    return
end
