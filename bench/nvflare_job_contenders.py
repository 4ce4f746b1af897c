"""A model through a job of NVFlare: AgentExecutor against NVFlare's own external process, on both versions."""
import statistics

from figures import Case
from nvflare_contenders import script

OURS, STOCK = "AgentExecutor, trainer in C", "external process, Python client"


def job(build, version, contender, mib, rounds):
    def once():
        arguments = (contender, build, "--mib", mib, "--rounds", rounds)
        figures = script(build, "nvflare_job.py", *arguments, version=version)
        memory = {name: figures[name] for name in figures if name.startswith(("trainer_", "job_process_"))}
        return statistics.median(figures["task_s"]), {**memory, "round_s": statistics.median(figures["round_s"])}

    return once


def cases(build, quick):
    mib, rounds = (8, 3) if quick else (64, 6)
    found = []
    for version in ("2.8.3", "2.9.0"):
        group = f"NVFlare {version}: {mib} MiB to two sites and back, as a job"
        for contender, name, to in (("ours", OURS, None), ("stock", STOCK, OURS)):
            once = job(build, version, contender, mib, rounds)
            found.append(Case("job", group, name, "ms", once, to=to, scale=1e3, repetitions=1))
    return found
