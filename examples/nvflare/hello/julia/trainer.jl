# One site of an NVFlare job, in Julia: of hello, diff and crosseval.
#
#     hello_trainer_julia DATA.csv
#
# Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*), which the executor
# sets. The learning is in logreg.jl.
using FlareAgent

include("logreg.jl")

const MODEL = "numpy_key"  # what NVFlare's NPModelPersistor calls its one array

function serve(agent, train_rows, test_rows)
    weights = zeros(Float32, WEIGHTS)
    for task in agent
        reply = result(task)
        if task.kind in (:train, :validate)
            received = tensor(task, MODEL, Float32)
            score = accuracy(received, test_rows)
            set_metric(reply, "accuracy", score)
            log_scalar(agent, "accuracy", score; step = task.round)
            if task.kind == :train
                weights, loss = train(received, train_rows)
                log_scalar(agent, "loss", loss; step = task.round)
                set_steps(reply, length(train_rows))
            end
        end
        task.kind == :validate || put(reply, MODEL, weights)
        finish(reply)
    end
end

function main(arguments)
    length(arguments) == 1 || (println(stderr, "usage: hello_trainer_julia DATA.csv"); return 1)
    try
        FlareAgent.open() do agent
            wait_connected(agent)
            serve(agent, load(arguments[1], FlareAgent.info(agent, "site"))...)
        end
    catch failure
        failure isa FlareError && failure.status == :ENDED && return 0  # the job was over before this site came
        println(stderr, sprint(showerror, failure))
        return 1
    end
    return 0
end

exit(main(ARGS))
