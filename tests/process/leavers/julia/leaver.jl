# Submits one result and leaves without waiting for it, in the ways of docs/julia.md.
#
#     process_leaver_julia block | exit | end | throw | raise
using FlareAgent

const SIGTERM = 15

function submit_one(agent)
    task = next_task(agent)
    w = tensor(task, "w", Float32) .+ 1.0f0
    answer = result(task)
    put(answer, "w", w)
    submit(answer)
    println("submitted")
    flush(stdout)
end

const way = ARGS[1]
if way == "block"
    FlareAgent.open(submit_one)
    exit(7)
end
const agent = FlareAgent.Agent()
submit_one(agent)
way == "exit" && exit(7)
way == "throw" && error("nobody catches it")
if way == "raise"
    ccall(:kill, Cint, (Cint, Cint), getpid(), SIGTERM)
    sleep(10)  # Julia has a thread of its own that takes signals
end
