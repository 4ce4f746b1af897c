using FlareAgent, Test

include("peer.jl")
using .Peers: Peer, abort, reply, send

status_of(f) = try
    f()
    :OK
catch failure
    failure isa FlareError ? failure.status : rethrow()
end
message_of(f) = try
    f()
    ""
catch failure
    failure.message
end

# A peer and an agent in this process.
function pair(test; options...)
    peer = Peer()
    agent = Peers.agent(peer; options...)
    try
        test(peer, agent)
    finally
        close(agent)
        close(peer)
    end
end

@testset "a job runs to its end" begin
    pair() do peer, agent
        rounds = @async begin
            replies = [reply(send(peer, Float32[round, 1])) for round in 1:3]
            Peers.finish(peer)
            replies
        end
        count = 0
        for task in agent
            @test (task.kind, task.round, task.total_rounds, task.attempt) == (:train, 3, 10, 1)
            answer = result(task)
            put(answer, "w", tensor(task, "w", Float32) .+ 1)
            set_steps(answer, 7)
            finish(answer)
            count += 1
        end
        @test count == 3
        @test [answer.w for answer in fetch(rounds)] == [Float32[round + 1, 2] for round in 1:3]
        @test FlareAgent.state(agent) == :ENDED
        @test FlareAgent.stats(agent).results_delivered == 3
    end
end

@testset "dimensions are the wire's in reverse" begin
    for shape in ([2, 3], [2, 3, 4], [6], Int64[])
        pair(check_results = "false") do peer, agent
            w = Float32[1:reduce(*, shape; init = 1);]
            request = send(peer, w; shape = Int64[shape...])
            task = next_task(agent; timeout = 10)
            array = tensor(task, "w", Float32)
            @test size(array) == Tuple(reverse(shape))
            @test vec(array) == w  # the same elements in memory
            @test only(tensors(task)).dims == reverse(shape)
            length(shape) == 2 && @test array[3, 1] == w[3]  # row 0, column 2 of the wire
            answer = result(task)
            put(answer, "w", array)
            finish(answer)
            back = reply(request)
            @test (back.w, back.shape) == (w, shape)
            close(task)
        end
    end
end

@testset "what goes wrong in a turn gives the task back" begin
    pair() do peer, agent
        for mistake in (task -> nothing, task -> result(task), task -> (result(task); error("a mistake")))
            request = send(peer)
            task = next_task(agent; timeout = 10)
            try
                mistake(task)
            catch
            finally
                close(task)
            end
            answer = reply(request)
            @test answer.return_code != "OK" && answer.reason != ""
        end
    end
end

@testset "wrong reads and writes say what is wrong" begin
    pair() do peer, agent
        send(peer, Float32[1, 2])
        task = next_task(agent; timeout = 10)
        @test status_of(() -> tensor(task, "v", Float32)) == :NOT_FOUND
        @test occursin("'w'", message_of(() -> tensor(task, "v", Float32)))
        @test status_of(() -> tensor(task, "w", Float64)) == :INVALID_ARGUMENT
        @test occursin("float32", message_of(() -> tensor(task, "w", Float64)))
        @test status_of(() -> read_tensor!(zeros(Float32, 3), task, "w")) == :INVALID_ARGUMENT
        @test section(task, :headers)["extra"]["a"] == Any[1, "b", nothing, true, 2.5]
        answer = result(task)
        @test status_of(() -> set_json(answer, :meta, "a", "{")) == :INVALID_ARGUMENT
        @test status_of(() -> put_raw(answer, "w", :float32, UInt8[1], (1,))) == :INVALID_ARGUMENT
        @test status_of(() -> wait(answer)) == :INVALID_STATE
        @test status_of(() -> result(task)) == :INVALID_STATE
        fail(task, "BAD_TASK_DATA", "too small")
        @test status_of(() -> submit(answer)) != :OK
        close(answer)
        close(task)
        close(task)
        @test status_of(() -> tensors(task)) == :INVALID_STATE
        @test status_of(() -> put(answer, "w", Float32[1])) == :INVALID_STATE
    end
    @test occursin("heartbeat_interval", message_of(() -> Agent(heartbeat_intervall = 1)))
end

@testset "waits let other Julia tasks run, and end when they are told to" begin
    pair() do peer, agent
        wait_connected(agent; timeout = 10)
        @test status_of(() -> next_task(agent; timeout = 0.01)) == :TIMEOUT
        waiting = @async status_of(() -> next_task(agent))
        ticks = 0
        for _ in 1:10
            sleep(0.01)
            GC.gc(false)
            ticks += 1
        end
        @test ticks == 10 && !istaskdone(waiting)
        interrupted = @async next_task(agent)
        sleep(0.01)
        schedule(interrupted, InterruptException(); error = true)
        @test_throws Exception fetch(interrupted)
        @test !istaskdone(waiting)  # two wait for the same, and one of them was interrupted
        stop(agent)
        @test fetch(waiting) == :STOPPED
        @test collect(agent) == []
    end
    pair() do peer, agent
        waiting = @async status_of(() -> next_task(agent))
        sleep(0.01)
        close(agent)
        @test fetch(waiting) in (:STOPPED, :INVALID_STATE)
        @test status_of(() -> next_task(agent)) == :INVALID_STATE
        @test !isopen(agent)
    end
end

@testset "an abort ends the loop with an error" begin
    pair() do peer, agent
        wait_connected(agent; timeout = 10)
        abort(peer, "no more money")
        @test status_of(() -> collect(agent)) == :ABORTED
    end
end

@testset "borrowed arrays live as long as they are read" begin
    pair(check_results = "false") do peer, agent
        request = send(peer)
        task = next_task(agent; timeout = 10)
        let answer = result(task)
            borrow(answer, "w", fill(7.0f0, 1 << 20))
            submit(answer)
        end
        close(task)
        task = nothing
        for _ in 1:5  # would take the array's place if it were freed
            GC.gc()
            fill(1.0f0, 1 << 20)
        end
        back = reply(request)
        @test length(back.w) == 1 << 20 && all(==(7.0f0), back.w)
        sleep(0.1)
        FlareAgent.sweep()  # which the next result does: it lets go of what is settled
        @test isempty(FlareAgent.IN_FLIGHT)
    end
end

@testset "what is forgotten is released" begin
    pair() do peer, agent
        request = send(peer)
        (() -> (result(next_task(agent; timeout = 10)); nothing))()
        answer = @async reply(request)
        for _ in 1:1000
            istaskdone(answer) && break
            GC.gc()
            sleep(0.01)
        end
        @test fetch(answer).return_code != "OK"
    end
end

@testset "an upload shows how far it is" begin
    pair(check_results = "false", log_file = "none", log_level = "info") do peer, agent
        record = next_log_record(agent; timeout = 10)
        @test record.level == :info && record.text != ""
        request = send(peer; receivers = ["server", "slow"])
        task = next_task(agent; timeout = 10)
        answer = result(task)
        put(answer, "w", fill(7.0f0, 1 << 20))
        submit(answer)
        wait(answer, :accepted; timeout = 10)
        reply(request)
        seen = wait_progress(answer; timeout = 10)
        while seen.bytes_done < 4 << 20
            seen = wait_progress(answer, seen; timeout = 10)
        end
        @test (seen.state, seen.bytes_total) == (:ACTIVE, 2 * 4 << 20)
        @test [receiver.name for receiver in receivers(answer)] == ["server", "slow"]
        @test status_of(() -> wait_progress(answer, seen; timeout = 0.01)) == :TIMEOUT
        @test status_of(() -> wait(answer; timeout = 0.01)) == :TIMEOUT
        cancel(answer)
        @test status_of(() -> wait(answer; timeout = 10)) == :ABORTED
        @test progress(answer).state == :FAILED
        close(answer)
        close(task)
    end
end

const INTERRUPTED = joinpath(@__DIR__, "interrupted.jl")

# A trainer of its own that is sent a real SIGINT when it says so; `use` gets it and what it says.
function interrupt(use, url, mode)
    command = `$(Base.julia_cmd()) --startup-file=no $INTERRUPTED $mode`
    trainer = open(setenv(command, merge(copy(ENV), Dict("FLARE_AGENT_URL" => url))))
    try
        readline(trainer) == "waiting" || error("the trainer of the test does not wait")
        sleep(0.3)
        kill(trainer, Base.SIGINT)
        use(trainer)
    finally
        process_running(trainer) && kill(trainer, Base.SIGKILL)
    end
end

@testset "Ctrl-C" begin
    mktempdir() do folder
        peer = Peer("zmq+ipc://$folder/s")
        interrupt(peer.url, "caught") do trainer
            @test readline(trainer) == "interrupted"
            @test reply(send(peer, Float32[1, 2])).w == [1, 2]  # its agent is as good as before
            Peers.finish(peer)
            @test success(trainer)
        end
        close(peer)
        peer = Peer("zmq+ipc://$folder/s")
        request = send(peer; receivers = ["server", "slow"])
        interrupt(peer.url, "not caught") do trainer
            sleep(0.5)
            @test process_running(trainer)  # it waits for the receiver of what it has submitted
            @test length(reply(request; confirm = "slow").w) == 1 << 20
            wait(trainer)
            @test trainer.exitcode == 130
        end
        close(peer)
    end
end

@testset "no name hides one of Julia" begin
    @test isempty(intersect(names(FlareAgent), union(names(Base), names(Core))))
end

@testset "another version is refused" begin
    @test FlareAgent.check_version(0x000107, 0x000100) === nothing
    message = message_of(() -> FlareAgent.check_version(0x000200, 0x000100))
    @test occursin("0.2.0", message) && occursin("0.1.0", message)
end
