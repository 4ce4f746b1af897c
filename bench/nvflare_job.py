"""A model through a job of NVFlare, to a trainer of each of two sites and back, in a federation of real processes:

    nvflare_job.py ours|stock BUILD --mib N --rounds N    with NVFlare's Python

ours is AgentExecutor with a trainer in C, stock is NVFlare's own external process with a Python client, as shipped.
Prints one line of JSON: seconds from a site's request for a task until the server has the result, and from round to
round; peak memory of trainer and client job process, and how much of it a job with a model of one number does not need,
in models.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import psutil

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "nvflare"
sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / "common")]
import check  # noqa: E402
import run  # noqa: E402
from big import job as big  # noqa: E402

TIME = r"^([-\d]+ [:\d]+),(\d+) "
LOOK_S = 0.05


def times(pattern, text):
    """When these lines were written, and the numbers that the pattern's group finds in them."""
    found = re.findall(TIME + pattern, text, re.MULTILINE)
    at = [datetime.datetime.fromisoformat(f"{second}.{ms}").timestamp() for second, ms, *_ in found]
    return at, [float(number) for _, _, *numbers in found for number in numbers]


def task_seconds(log):
    """For each training task, from its request to the server until its result is there."""
    fetched, spent = times(r".* getTask: train size: .* time: ([\d.]+) seconds", log)
    submitted, _ = times(r".* SubmitUpdate to: .*", log)
    return [end - (begin - seconds) for begin, seconds, end in zip(fetched, spent, submitted)]


class Peaks(threading.Thread):
    """The highest memory, in MiB, that a client job process and a process below one ever had."""

    def __init__(self):
        super().__init__(daemon=True)
        self.job_process, self.trainer = 0.0, 0.0
        self._over = threading.Event()

    def run(self):
        while not self._over.wait(LOOK_S):
            for process in psutil.Process().children(recursive=True):
                try:
                    if "worker_process" in " ".join(process.cmdline()):
                        self.job_process = max(self.job_process, peak_mib(process.pid))
                        for child in process.children(recursive=True):
                            self.trainer = max(self.trainer, peak_mib(child.pid))
                except (psutil.Error, OSError):
                    pass  # it has just ended

    def end(self):
        self._over.set()
        self.join()


def peak_mib(process):
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def client(contender, build):
    if contender == "ours":
        return run.AgentExecutor(command=[str(build / "bin" / "big_trainer_c")])
    os.chdir(EXAMPLES / "big")  # the script's path must be relative
    return run.ScriptRunner(script="client.py", launch_external_process=True, framework=run.FrameworkType.NUMPY)


def one_job(federation, folder, contender, build, rounds, shape):
    folder.mkdir()
    big.SHAPE, big.ROUNDS = shape, rounds
    job = run.make_job(big, folder, client(contender, build))
    job.export_job(str(folder))
    peaks = Peaks()
    peaks.start()
    submitted = federation.submit(folder / job.name)
    status = federation.wait(submitted, 240)
    peaks.end()
    if status != "FINISHED:COMPLETED":
        raise SystemExit(f"the job is {status}: {federation.errors('site-1', submitted)}")
    run.fetch(federation, submitted, folder)
    if check.difference(check.read_model(folder), big.final_model()) != 0:
        raise SystemExit("the final model is wrong")
    return folder, peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contender", choices=["ours", "stock"])
    parser.add_argument("build", type=Path)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    build = options.build.resolve()
    os.environ["FLARE_AGENT_LIBRARY"] = str(build / "lib" / "libflare_agent.so")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        with run.Federation(Path(name) / "federation") as federation:
            same = (federation, Path(name) / "small", options.contender, build, 2)
            _, base = one_job(*same, (1, 1))
            arguments = (federation, Path(name) / "model", options.contender, build, options.rounds)
            folder, peaks = one_job(*arguments, (options.mib * 256, 1024))
            spent = []
            for site in run.SITES:
                spent += task_seconds((folder / site / "log.txt").read_text())[1:]  # the first one starts the trainer
            rounds, _ = times(r".*\n-+\n +Round \d+ started", (check.results(folder) / "log.txt").read_text())
    print(json.dumps({
        "task_s": spent,
        "round_s": np.diff(rounds)[1:].tolist(),
        "trainer_mib": peaks.trainer,
        "job_process_mib": peaks.job_process,
        "trainer_models": (peaks.trainer - base.trainer) / options.mib,
        "job_process_models": (peaks.job_process - base.job_process) / options.mib,
    }))
    return 0


if __name__ == "__main__":
    sys.exit(main())
