# One site of the digits_by_label job, in Julia.
#
#     digits_trainer_julia DATA.csv SITES
#
# Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*). Taking part in the job
# is what stands between the two marked lines; the network is in mlp.jl.
using FlareAgent

include("mlp.jl")
include("digits.jl")

# ==== federation: from here ===========================================================================================

# `local_model` is what training made of the shared model here; gives the new one back.
function answer(agent, task, local_model, epochs, train_rows, test_rows)
    task.kind == :other && (fail(task, "TASK_UNSUPPORTED", "not a task of this trainer"); return local_model)
    reply = result(task)
    if task.kind != :submit_model
        received = zero_model()
        foreach(((name, values),) -> read_tensor!(values, task, name), parts(received))
        score = accuracy(received, test_rows)
        set_metric(reply, "accuracy", score)
        log_scalar(agent, "accuracy", score; step = task.round)
        if task.kind == :train
            local_model = train(received, train_rows, epochs)
            set_steps(reply, length(train_rows))
        end
    end
    task.kind == :validate || foreach(((name, values),) -> put(reply, name, values), parts(local_model))
    finish(reply)
    return local_model
end

# What goes wrong with a task ends that task only.
function serve(agent, epochs, train_rows, test_rows)
    local_model = start_model()
    for task in agent
        try
            local_model = answer(agent, task, local_model, epochs, train_rows, test_rows)
        catch failure
            failure isa InterruptException && rethrow()
            reason = sprint(showerror, failure)
            println(stderr, "task ", task.id, ": ", reason)
            try
                fail(task, "EXECUTION_EXCEPTION", reason)
            catch  # too late: the result was submitted
            end
        end
    end
end

# ==== federation: to here =============================================================================================

function main(arguments)
    length(arguments) == 2 || (println(stderr, "usage: digits_trainer_julia DATA.csv SITES"); return 1)
    try
        FlareAgent.open() do agent
            wait_connected(agent)
            sites = parse(Int, arguments[2])
            serve(agent, epochs_for(sites), load(arguments[1], FlareAgent.info(agent, "site"), sites)...)
        end
    catch failure
        failure isa FlareError && failure.status == :ENDED && return 0  # the job was over before this site came
        println(stderr, sprint(showerror, failure))
        return 1
    end
    return 0
end

exit(main(ARGS))
