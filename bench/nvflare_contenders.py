"""NVFlare's own ways as contenders: its Python agent over a CellPipe, and a shim around a program. Both ways of a model
are compared with both of ours."""
import json
import statistics
import subprocess
from pathlib import Path

from figures import Case, Skipped

HERE = Path(__file__).resolve().parent
VERSION = "2.8.3"


def python_of(build):
    """Of the venv that scripts/nvflare-job --install --nvflare 2.8.3 makes."""
    python = build / f"venv-nvflare-{VERSION}" / "bin" / "python"
    if not python.exists():
        raise Skipped(f"NVFlare {VERSION} is not installed: scripts/nvflare-job --install --nvflare {VERSION}")
    return python


def script(build, name, *arguments):
    done = subprocess.run([python_of(build), HERE / name, *map(str, arguments)], capture_output=True, text=True,
                          timeout=300)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Skipped(f"{name} failed: {lines[-1] if lines else done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def cell_pipe(build, mib, rounds, *how):
    def once():
        figures = script(build, "nvflare_cellpipe.py", "--mib", mib, "--rounds", rounds, *how)
        return statistics.median(figures["round_s"]), {"there_s": statistics.median(figures["there_s"])}

    return once


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


def cases(bench, build, quick):
    found = []
    for mib in (0,) if quick else (0, 256):
        group = f"NVFlare {VERSION}: a model of {mib} MiB there and back" if mib else f"NVFlare {VERSION}: a tiny round"

        def add(name, once, to="zmq+ipc"):
            found.append(Case("nvflare", group, name, "ms", once, to=to, scale=1e3, repetitions=1))

        add("zmq+ipc", ours(bench, mib), to=None)
        rounds = 2 if quick or mib else 10
        add("FlareAgent, CellPipe, as shipped", cell_pipe(build, mib, rounds))
        add("FlareAgent, CellPipe, polls of 1 ms", cell_pipe(build, mib, rounds, "--fast"))
        add("npz files and a program, client API", cell_pipe(build, mib, rounds, "--shim"))
    return found
