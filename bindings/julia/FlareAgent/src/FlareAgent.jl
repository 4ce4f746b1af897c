"""
Lets a Julia program take part in NVIDIA FLARE jobs.

    FlareAgent.open() do agent
        for task in agent
            w = tensor(task, "w", Float32)
            answer = result(task)
            put(answer, "w", train(w))
            set_steps(answer, 100)
            finish(answer)
        end
    end

Meanings and rules are those of `flare_agent.h`; each function here is the one of like name there. What is different,
everywhere: what is not `FLARE_OK` is thrown as a [`FlareError`](@ref); a wait suspends the Julia task and neither its thread
nor the garbage collector, and can be interrupted; what is closed says so; array dimensions are the wire's in reverse.
"""
module FlareAgent

using FileWatching

export Agent, FlareError, FlareResult, FlareTask, OpaqueValue, TensorInfo
export borrow, bytes, cancel, fail, finish, is_aborted, log_json, log_scalar, metric, next_log_record, next_task, progress,
    put, put_bytes, put_raw, raw_tensor, read_tensor!, receivers, result, section, set, set_json, set_kind, set_metric,
    set_return_code, set_steps, should_exit, steps, stop, submit, tensor, tensors, wait_connected, wait_progress

include("CAPI.jl")
include("errors.jl")
include("handles.jl")
include("tensors.jl")
include("tasks.jl")
include("values.jl")
include("results.jl")
include("agents.jl")

"The version of the library in use, for example \"0.1.0\"."
version() = version_text(CAPI.flare_version())

__init__() = atexit(shutdown)  # so that submitted results survive the end of the program

end
