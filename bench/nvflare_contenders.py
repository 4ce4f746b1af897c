"""NVFlare's own ways as contenders: its Python agent over a CellPipe, and a shim around a program. Both ways of a model
are compared with both of ours, and the shim with flare-agent exec."""
import contextlib
import json
import os
import shlex
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from figures import Case, Skipped

HERE = Path(__file__).resolve().parent
VERSION = "2.8.3"
SHIM = "npz files and a program, client API"
FAST = "FlareAgent, CellPipe, polls of 1 ms"


def python_of(build, version=VERSION):
    """Of the venv that scripts/nvflare-job --install --nvflare VERSION makes."""
    python = build / f"venv-nvflare-{version}" / "bin" / "python"
    if not python.exists():
        raise Skipped(f"NVFlare {version} is not installed: scripts/nvflare-job --install --nvflare {version}")
    return python


def script(build, name, *arguments, version=VERSION):
    done = subprocess.run([python_of(build, version), HERE / name, *map(str, arguments)], capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Skipped(f"{name} failed: {lines[-1] if lines else done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def cell_pipe(build, mib, rounds, *how):
    def once():
        figures = script(build, "nvflare_cellpipe.py", "--mib", mib, "--rounds", rounds, *how)
        counters = {"start_ms": figures["start_ms"], "trainer_peak_mib": figures["peak_mib"],
                    "agent_cpu_s": figures["agent_cpu_s"]}
        if "there_s" in figures:
            counters["there_s"] = statistics.median(figures["there_s"])
        return statistics.median(figures["round_s"]), counters

    return once


def cell_pipe_ours(build, mib, rounds):
    """Our agent in the place of NVFlare's, everything else as it was."""
    return cell_pipe(build, mib, rounds, "--fast", "--trainer", build / "bin" / "flare_bench_echo")


def ours(bench, mib):
    """A round: the model there as a task, and back as a result."""

    def once():
        if not mib:
            times = bench.run("latency", "--contender", "flare", "--transport", "ipc", "--rounds", 200)["here"]["us"]
            return statistics.median(times) / 1e6, {}
        seconds = 0
        for direction in ("task", "result"):
            figures = bench.run("model", "--contender", "flare", "--transport", "ipc", "--direction", direction,
                                "--mib", mib, "--rounds", 3)
            pairs = zip(figures["here"]["at_us"], figures["other"]["at_us"])
            seconds += statistics.median(abs(a - b) for a, b in pairs) / 1e6
        return seconds, {}

    return once


def program_behind_exec(bench, build, mib, rounds, *command):
    """A program that copies the file, as the shim's does."""

    def once():
        words = shlex.join(map(str, [build / "bin" / "flare-agent", "exec", *command]))
        figures = bench.run("language", "--command", words, "--mib", mib, "--warm-up", 1, "--rounds", rounds)["here"]
        return statistics.median(figures["us"]) / 1e6, {"start_ms": figures["start_ms"][0],
                                                        "trainer_peak_mib": figures["peak_mib"][0]}

    return once


def left_by_kill(command):
    """How many processes of a program go on when what called it is killed: `command` makes the call from the program."""

    def once():
        with tempfile.TemporaryDirectory() as folder:
            begun = Path(folder) / "begun"
            program = f"echo $$ > {begun}.new; sleep 60 & echo $! >> {begun}.new; mv {begun}.new {begun}; wait"
            run = subprocess.Popen([str(word) for word in command(f"sh -c '{program}'")], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                end = time.monotonic() + 60
                while not begun.exists():
                    if run.poll() is not None or time.monotonic() > end:
                        raise Skipped("the program was not called")
                    time.sleep(0.05)
                pids = [int(line) for line in begun.read_text().split()]
                os.kill(parent_of(pids[0]), signal.SIGKILL)
                time.sleep(3)
                left = [pid for pid in pids if is_alive(pid)]
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
            finally:
                with contextlib.suppress(ProcessLookupError):  # it has ended, and was waited for
                    os.killpg(run.pid, signal.SIGKILL)
                run.wait()
        return len(left), {}

    return once


def stat_of(pid):
    """State and parent."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]


def parent_of(pid):
    return int(stat_of(pid)[1])


def is_alive(pid):
    try:
        return stat_of(pid)[0] != "Z"
    except OSError:
        return False


def cases(bench, build, quick):
    found = []
    for mib in (0,) if quick else (0, 256):
        group = f"NVFlare {VERSION}: a model of {mib} MiB there and back" if mib else f"NVFlare {VERSION}: a tiny round"

        def add(name, once, to="zmq+ipc"):
            found.append(Case("nvflare", group, name, "ms", once, to=to, scale=1e3, repetitions=1))

        add("zmq+ipc", ours(bench, mib), to=None)
        rounds = 2 if quick or mib else 10
        add("FlareAgent, CellPipe, as shipped", cell_pipe(build, mib, rounds))
        add(FAST, cell_pipe(build, mib, rounds, "--fast"))
        add("our agent, CellPipe, polls of 1 ms", cell_pipe_ours(build, mib, rounds), to=FAST)
        add(SHIM, cell_pipe(build, mib, rounds, "--shim"))
        rounds = 2 if quick else 5 if mib else 50
        add("flare-agent exec, a process each", program_behind_exec(bench, build, mib, rounds, "--", "cp", "{task}",
                                                                     "{result}"), to=SHIM)
        add("flare-agent exec --resident", program_behind_exec(bench, build, mib, rounds, "--resident", "--",
                                                               bench.program, "copier"), to=SHIM)
    for mib in () if quick else (64, 1024):
        group = f"NVFlare {VERSION}: {mib} MiB there and back by CellPipe, in turn"
        for name, once in ((FAST, cell_pipe(build, mib, 3, "--fast")),
                           ("our agent, CellPipe, polls of 1 ms", cell_pipe_ours(build, mib, 3))):
            found.append(Case("cell", group, name, "ms", once, to=None if name == FAST else FAST, scale=1e3,
                              repetitions=3))
    group = "processes of a program that go on when what called it is killed"
    shim = [HERE / "nvflare_cellpipe.py", "--rounds", 1, "--shim", "--program"]
    calls = {SHIM: lambda program: [python_of(build), *shim, program],
             "flare-agent exec": lambda program: [bench.program, "language", "--rounds", 1, "--warm-up", 0, "--command",
                                                  f"{build / 'bin' / 'flare-agent'} exec -- {program}"]}
    for name, command in calls.items():
        found.append(Case("nvflare", group, name, "left", left_by_kill(command), repetitions=1))
    return found
