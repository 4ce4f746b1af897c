# Runs the blocks of docs/julia.md. Usage: docs.jl SOURCE_DIR
using FlareAgent

const SOURCE = ARGS[1]
include(joinpath(SOURCE, "bindings/julia/FlareAgent/test/peer.jl"))
using .Peers: Peer, reply, send

const PAGE = read(joinpath(SOURCE, "docs/julia.md"), String)
blocks(language) = [m.captures[1] for m in eachmatch(Regex("^```$language\n(.*?)^```", "ms"), PAGE)]
length(blocks("julia")) + length(blocks("sh")) == count("\n```\n", PAGE) || error("a block that nothing runs")

# The first block is a trainer: it is run by itself, in the environment that an executor makes.
trainer, functions = Iterators.peel(blocks("julia"))
peer = Peer()
ENV["FLARE_AGENT_URL"] = peer.url
running = @async Base.include_string(Main, trainer, "trainer of docs/julia.md")
reply(send(peer, Float32[1, 2])).w == [1, 2] || error("another result")
Peers.finish(peer)
fetch(running)
close(peer)

foreach(block -> Base.include_string(Main, block, "docs/julia.md"), functions)
peer = Peer()
agent = Peers.agent(peer; check_results = "false", log_file = "none", log_level = "info")
function with_answer(use)
    request = send(peer, Float32[1, 2])
    task = next_task(agent; timeout = 10)
    use(task, result(task))
    back = reply(request)
    close(task)
    return back
end
Base.invokelatest() do
    with_answer((task, answer) -> (tensors_of(task, answer); finish(answer))).w == [1, 2] || error("tensors_of")
    with_answer((task, answer) -> submit_and_go_on(agent, answer)).return_code == "OK" || error("submit_and_go_on")
    with_answer((task, answer) -> send_without_a_copy(answer, Float32[3])).w == [3] || error("send_without_a_copy")
    steps = Ref(0)
    with_answer((task, answer) -> (train_until_aborted(task, () -> steps[] += 1, 3); finish(answer)))
    steps[] == 3 || error("train_until_aborted")
    Peers.finish(peer)
    classify(try next_task(agent; timeout = 10) catch failure; failure end) == "the job is over" || error("classify")
    stop(agent)
    classify(try print_log(agent) catch failure; failure end) != "not of the library" || error("print_log")
end
close(agent)
close(peer)
println("all blocks ran")
