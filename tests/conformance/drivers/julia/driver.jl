# Speaks the protocol of tests/conformance/README.md through the package FlareAgent.
using FlareAgent

include("json.jl")
include("elements.jl")

mutable struct Driver
    agent::Union{Agent,Nothing}
    task::Union{FlareTask,Nothing}
    answer::Union{FlareResult,Nothing}
end

ok(; fields...) = Dict{Symbol,Any}(:status => "OK", fields...)
seconds(request) = (ms = get(request, "timeout_ms", -1); ms < 0 ? Inf : ms / 1000)
section_of(request) = Symbol(request["section"])

function drop_answer(d)
    d.answer === nothing || close(d.answer)
    d.answer = nothing
end

function drop_task(d)
    d.answer !== nothing && d.answer.submitted || (d.answer = nothing)  # it goes with its task
    d.task === nothing || close(d.task)
    d.task = nothing
    drop_answer(d)
end

function close_all(d)
    d.agent === nothing || stop(d.agent)  # or elements that nobody fetches would hold the close up
    drop_task(d)
    d.agent === nothing || close(d.agent)
    d.agent = nothing
end

function take_task(d, task)
    drop_task(d)
    d.task = task
    return ok(task = Dict(
        "id" => task.id, "name" => task.name, "kind" => task.kind, "round" => something(task.round, -1),
        "total_rounds" => something(task.total_rounds, -1), "attempt" => task.attempt, "site" => task.site,
        "job_id" => task.job_id))
end

function interrupted_wait(d, request)
    waiting = @async next_task(d.agent)
    sleep(request["after_ms"] / 1000)
    schedule(waiting, InterruptException(); error = true)  # what Ctrl-C does
    try
        return take_task(d, fetch(waiting))
    catch failure
        failure isa TaskFailedException && failure.task.exception isa InterruptException || rethrow()
        return Dict(:status => "INTERRUPTED")
    end
end

function cycles(d, count)
    for _ in 1:count
        drop_task(d)
        d.task = next_task(d.agent)
        d.answer = result(d.task)
        echo(d.task, d.answer)
        finish(d.answer)
    end
    return ok(done = count)
end

function wait_for_abort(d, request)
    deadline = time() + seconds(request)
    while !is_aborted(d.task) && time() < deadline
        sleep(0.005)
    end
    return ok(aborted = is_aborted(d.task))
end

plain(value) = value
plain(value::Dict) = Dict(key => plain(child) for (key, child) in value)
plain(value::Vector{Any}) = map(plain, value)
plain(value::Vector{UInt8}) = Dict("\$bytes" => bytes2hex(value))
plain(value::TensorInfo) = Dict("\$tensor" => value.dtype)
plain(value::OpaqueValue) = Dict("\$opaque" => value.type)

set_any(answer, in, name, value::Union{Integer,AbstractFloat,AbstractString}) = set(answer, in, name, value)
set_any(answer, in, name, value) = set_json(answer, in, name, Json.text(value))
set_any(answer, in, name, value::Bool) = set_json(answer, in, name, Json.text(value))

const ON_NOTHING = Dict{String,Function}(
    "version" => (d, r) -> ok(version = FlareAgent.version()),
    "open" => function (d, r)
        agent = Agent(; (Symbol(name) => value for (name, value) in r["options"])...)
        close_all(d)
        d.agent = agent
        ok()
    end,
)

const ON_AGENT = Dict{String,Function}(
    "close" => (d, r) -> (close_all(d); ok()),
    "wait_connected" => (d, r) -> (wait_connected(d.agent; timeout = seconds(r)); ok()),
    "info" => (d, r) -> ok(value = FlareAgent.info(d.agent, r["name"])),
    "state" => (d, r) -> ok(state = FlareAgent.state(d.agent)),
    "next_task" => (d, r) -> take_task(d, next_task(d.agent; timeout = seconds(r))),
    "stop" => (d, r) -> (stop(d.agent); ok()),
    "log_scalar" => (d, r) -> (log_scalar(d.agent, r["name"], r["value"]; step = r["step"]); ok()),
    "log_json" => (d, r) -> (log_json(d.agent, r["type"], r["name"], Json.text(r["value"]); step = r["step"]); ok()),
    "log_burst" => (d, r) -> (foreach(n -> log_scalar(d.agent, r["name"], n; step = n), 0:r["count"]-1); ok()),
    "interrupt_next_task" => interrupted_wait,
    "cycles" => (d, r) -> cycles(d, r["count"]),
)

const ON_TASK = Dict{String,Function}(
    "is_aborted" => wait_for_abort,
    "data" => (d, r) -> ok(kind = d.task.data_kind, params_type = uppercase(string(d.task.params_type)),
                           return_code = d.task.return_code, reason = d.task.reason, steps = steps(d.task)),
    "metric" => (d, r) -> ok(value = metric(d.task, r["name"])),
    "section" => (d, r) -> ok(value = plain(section(d.task, section_of(r)))),
    "tensors" => (d, r) -> ok(tensors = [describe_tensor(d.task, info) for info in tensors(d.task)]),
    "read" => (d, r) -> merge(Dict("status" => "OK"), read_typed(d.task, r["name"], r["dtype"])),
    "result" => (d, r) -> (made = result(d.task); drop_answer(d); d.answer = made; ok()),
    "fail" => (d, r) -> (fail(d.task, r["return_code"], r["reason"]); ok()),
    "drop_task" => (d, r) -> (drop_task(d); ok()),
    "panic" => function (d, r)
        try
            try
                error("a mistake of the user's own")
            finally
                drop_task(d)
            end
        catch
        end
        ok()
    end,
)

const ON_RESULT = Dict{String,Function}(
    "put" => (d, r) -> (put_tensor(d.answer, r); ok()),
    "echo" => (d, r) -> (echo(d.task, d.answer); ok()),
    "put_bytes" => (d, r) -> (put_bytes(d.answer, r["name"], hex2bytes(r["hex"])); ok()),
    "set" => (d, r) -> (set_any(d.answer, section_of(r), r["name"], r["value"]); ok()),
    "set_metric" => (d, r) -> (set_metric(d.answer, r["name"], r["value"]); ok()),
    "set_steps" => (d, r) -> (set_steps(d.answer, r["value"]); ok()),
    "set_kind" => (d, r) -> (set_kind(d.answer, r["value"]); ok()),
    "set_return_code" => (d, r) -> (set_return_code(d.answer, r["value"]); ok()),
    "submit" => (d, r) -> (submit(d.answer); ok()),
    "wait" => (d, r) -> (wait(d.answer, Symbol(r["level"]); timeout = seconds(r)); ok()),
    "finish" => (d, r) -> (finish(d.answer; timeout = seconds(r)); ok()),
    "progress" => (d, r) -> (p = progress(d.answer);
                             ok(state = p.state, bytes_total = p.bytes_total, bytes_done = p.bytes_done)),
    "cancel" => (d, r) -> (cancel(d.answer); ok()),
    "drop_result" => (d, r) -> (drop_answer(d); ok()),
)

const GROUPS = ((ON_NOTHING, d -> true), (ON_AGENT, d -> d.agent !== nothing), (ON_TASK, d -> d.task !== nothing),
                (ON_RESULT, d -> d.answer !== nothing))

# What was closed last, for after_close.
const PAST = Ref(Driver(nothing, nothing, nothing))

function answer(d, request)
    op = request["op"]
    if op == "after_close"
        return answer(PAST[], merge(request, Dict("op" => request["after_close"])))
    end
    before = Driver(d.agent, d.task, d.answer)
    for (operations, is_open) in GROUPS
        haskey(operations, op) || continue
        is_open(d) || return Dict(:status => "INVALID_STATE", :message => "nothing is open that this is done with")
        try
            return operations[op](d, request)
        catch failure
            failure isa FlareError && return Dict(:status => failure.status, :message => failure.message)
            failure isa ArgumentError || failure isa InexactError || rethrow()
            return Dict(:status => "INVALID_ARGUMENT", :message => sprint(showerror, failure))
        finally
            past = PAST[]
            PAST[] = Driver(something(before.agent, past.agent, Some(nothing)), something(before.task, past.task, Some(nothing)),
                            something(before.answer, past.answer, Some(nothing)))
        end
    end
    return Dict(:status => "UNKNOWN")
end

function main()
    driver = Driver(nothing, nothing, nothing)
    for line in eachline(stdin)
        Json.write(stdout, answer(driver, Json.read(line)))
        println()
        flush(stdout)
    end
    close_all(driver)
end

main()
