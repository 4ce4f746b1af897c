# A trainer that waits for Ctrl-C: runtests.jl sends it. In a script Julia ends then, unless that is switched off.
using FlareAgent

function caught(agent)
    Base.exit_on_sigint(false)
    try
        println("waiting")
        next_task(agent)
    catch failure
        failure isa InterruptException || rethrow()
        println("interrupted")
    end
    for task in agent
        answer = result(task)
        put(answer, "w", tensor(task, "w", Float32))
        finish(answer)
    end
end

function not_caught(agent)
    answer = result(next_task(agent))
    put(answer, "w", fill(1.0f0, 1 << 20))
    submit(answer)
    wait(answer, :accepted)
    println("waiting")
    next_task(agent)
end

ARGS == ["caught"] ? FlareAgent.open(caught) : FlareAgent.open(not_caught; check_results = false)
