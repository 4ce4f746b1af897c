"""
    Agent(; url = "zmq+ipc:///run/site-1", ...)

A session with one exchanger. What no keyword sets, the environment decides (`FLARE_AGENT_*`), a profile, or the default;
`flare-agent options` prints the table. Does not wait for the peer. [`FlareAgent.open`](@ref) closes it by itself.
"""
mutable struct Agent <: Handle
    pointer::Ptr{Cvoid}
    waiting::Int
    closing::Bool

    function Agent(; options...)
        check_version(CAPI.flare_version(), CAPI.FLARE_VERSION)
        all = CAPI.flare_options_new()
        agent = Ref{Ptr{Cvoid}}(C_NULL)
        try
            for (name, value) in options
                call(details -> CAPI.flare_options_set(all, string(name), string(value), details))
            end
            call(details -> CAPI.flare_agent_open(all, agent, details))
        finally
            CAPI.flare_options_free(all)
        end
        # A close may wait, which a finalizer must not: the close at the end of the process is left to do.
        return finalizer(forget, new(agent[], 0, false))
    end
end

forget(agent::Agent) = agent.pointer == C_NULL || CAPI.flare_agent_stop(agent.pointer)

"""
    FlareAgent.open(; options...) do agent ... end

Opens an [`Agent`](@ref), and closes it when the block is left.
"""
function open(work::Function; options...)
    agent = Agent(; options...)
    try
        return work(agent)
    finally
        close(agent)
    end
end

"Stops, lets submitted results finish and says goodbye, for at most the option `close_timeout`."
function Base.close(agent::Agent)
    agent.pointer == C_NULL || stop(agent)
    pointer = take_pointer(agent)
    pointer == C_NULL && return
    @threadcall((:flare_agent_close, CAPI.LIBRARY), Cvoid, (Ptr{Cvoid},), pointer)  # it may take its time
    return
end

Base.isopen(agent::Agent) = agent.pointer != C_NULL

"Ends every present and later wait of the agent with `:STOPPED`. Uploads go on until it is closed."
stop(agent::Agent) = CAPI.flare_agent_stop(pointer_of(agent))

"Closes every agent of this process. It runs by itself when Julia exits."
shutdown() = CAPI.flare_shutdown()

"Waits until the session is up."
function wait_connected(agent::Agent; timeout = Inf)
    wait_until(agent, CAPI.flare_agent_connected_poll_fd, timeout) do pointer, details
        CAPI.flare_agent_wait_connected(pointer, 0, details)
    end
end

"Waits for the next task with all its data. Answer or close the one before first. `:ENDED` is the normal end of a job."
function next_task(agent::Agent; timeout = Inf)
    task = Ref{Ptr{Cvoid}}(C_NULL)
    wait_until(agent, CAPI.flare_agent_poll_fd, timeout) do pointer, details
        CAPI.flare_agent_next_task(pointer, 0, task, details)
    end
    return FlareTask(task[])
end

# All tasks from now on; each is closed when the next one is asked for.
Base.IteratorSize(::Type{Agent}) = Base.SizeUnknown()
Base.eltype(::Type{Agent}) = FlareTask
function Base.iterate(agent::Agent, before = nothing)
    before === nothing || close(before)
    try
        task = next_task(agent)
        return task, task
    catch error
        error isa FlareError && error.status in (:ENDED, :STOPPED) && return nothing
        rethrow()
    end
end

"Whether a process that was launched for one task has delivered its result."
should_exit(agent::Agent) = CAPI.flare_agent_should_exit(pointer_of(agent)) != 0

const STATES = (:CONNECTING, :CONNECTED, :ENDED, :STOPPED, :ABORTED, :PEER_GONE, :REFUSED, :UNREACHABLE)

"Where the session stands: `:CONNECTING`, `:CONNECTED`, `:ENDED` and so on."
state(agent::Agent) = STATES[CAPI.flare_agent_state(pointer_of(agent)) + 1]

"What is known about the session, by name: \"url\", \"site\", \"job_id\", \"close_reason\" and so on."
function info(agent::Agent, name)
    value = Ref{Cstring}(C_NULL)
    check(CAPI.flare_agent_info(pointer_of(agent), name, value))
    return text(value[])
end

"Counters since the agent was opened."
function stats(agent::Agent)
    names = fieldnames(CAPI.AgentStats)
    raw = Ref(CAPI.AgentStats(sizeof(CAPI.AgentStats), ntuple(_ -> 0, length(names) - 1)...))
    check(CAPI.flare_agent_get_stats(pointer_of(agent), raw))
    return NamedTuple{names[3:end]}(getfield(raw[], name) for name in names[3:end])
end

step_or_none(step) = something(step, CAPI.FLARE_NO_STEP)

"Sends one number to FLARE's experiment tracking. It never waits."
log_scalar(agent::Agent, name, value; step = nothing) =
    (call(details -> CAPI.flare_agent_log_scalar(pointer_of(agent), name, value, step_or_none(step), details)); nothing)

"""
Sends any other AnalyticsDataType ("TEXT", "PARAMETERS", "IMAGE" ...); the value is JSON. `path` names the local file of an
artifact.
"""
function log_json(agent::Agent, type, name, json; step = nothing, path = nothing)
    call() do details
        CAPI.flare_agent_log_json(pointer_of(agent), type, name, json, step_or_none(step),
                                  path === nothing ? Cstring(C_NULL) : path, details)
    end
    return
end

const LOG_LEVELS = (:debug, :info, :warn, :error)

"""
The next record of the library's own log: its `level` (`:debug`, `:info`, `:warn`, `:error`) and its `text`. With the option
`log_file` set to `none` records go nowhere else. `:STOPPED`: the agent was stopped and all is read.
"""
function next_log_record(agent::Agent; timeout = Inf)
    record = Ref{Ptr{Cvoid}}(C_NULL)
    wait_until(agent, CAPI.flare_agent_log_poll_fd, timeout) do pointer, details
        CAPI.flare_agent_next_log_record(pointer, 0, record, details)
    end
    read = (level = LOG_LEVELS[CAPI.flare_log_record_level(record[])], text = text(CAPI.flare_log_record_text(record[])))
    CAPI.flare_log_record_free(record[])
    return read
end
