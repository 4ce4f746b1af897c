"""Judges what run.py left behind: NVFlare's exit status says nothing about a job. With NVFlare's Python:

    check.py JOB WORKSPACE [--recipe] [--python WORKSPACE] [--svg FILE]

The final model must be the one of the offline reference, and that of the Python client; ends with 1 otherwise.
"""
import argparse
import importlib
import json
import pathlib
import re
import statistics
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

PYTHON_TOLERANCE = 1e-6
REFERENCE_TOLERANCE = 1e-6  # unless the job has a TOLERANCE of its own


def results(workspace):
    """What the server has of the job: as run.py --poc fetched it, or as the simulator left it."""
    fetched = workspace / "server" / "result"
    return fetched if fetched.exists() else workspace / "server" / "simulate_job"


def read_model(workspace):
    """The arrays that the server saved last, by name; None when it saved none."""
    models = results(workspace) / "models"
    if (models / "server.npy").exists():
        return {"numpy_key": np.load(models / "server.npy")}
    if (models / "server.npz").exists():
        with np.load(models / "server.npz") as file:
            return {name: file[name] for name in file.files}
    return None


def difference(model, expected):
    """The largest difference of an element; infinite when names or shapes differ."""
    if model is None or model.keys() != expected.keys():
        return float("inf")
    pairs = [(model[name], expected[name]) for name in expected]
    if any(one.shape != other.shape or not np.isfinite(one).all() for one, other in pairs):
        return float("inf")
    return max(float(np.abs(one.astype(np.float64) - other).max()) for one, other in pairs)


def curve(workspace):
    """The accuracies of the shared model by round, as the trainers found and logged them."""
    found = {}
    for line in (results(workspace) / "metrics.jsonl").read_text().splitlines():
        metric = json.loads(line)
        if metric["name"] == "accuracy" and metric["step"] is not None:
            found.setdefault(metric["step"], {})[metric["site"]] = metric["value"]
    return {step: list(sites.values()) for step, sites in sorted(found.items())}


def selector_curve(workspace):
    """The same of a recipe, whose server keeps no metrics: what its model selector says, which ignores round 0."""
    found, rounds = {}, {}
    log = (workspace / "server" / "log.txt").read_text()
    for value, site in re.findall(r"validation metric ([\d.]+) from client (\S+)", log):
        step = rounds[site] = rounds.get(site, 0) + 1
        found.setdefault(step, []).append(float(value))
    return found


def executor_times(workspace):
    """Milliseconds in the executor by task, without the first of each site, which waits for the trainer to start."""
    times = []
    for log in sorted(workspace.glob("site-*/log.txt")):
        times += [float(ms) for ms in re.findall(r"task \w+: OK \(\w+\) after ([\d.]+) ms", log.read_text())][1:]
    return times


def svg(title, accuracies):
    """A line chart of accuracies between 0 and 1 by round."""
    width, height, left, top = 560, 260, 50, 40
    x = [left + width * i / max(1, len(accuracies) - 1) for i in range(len(accuracies))]
    points = " ".join(f"{a:.1f},{top + height * (1 - value):.1f}" for a, value in zip(x, accuracies))
    lines = [
        f'<line x1="{left}" y1="{top + height * (1 - v)}" x2="{left + width}" y2="{top + height * (1 - v)}" '
        f'stroke="#ddd"/><text x="{left - 8}" y="{top + height * (1 - v) + 4}" text-anchor="end">{v:.2f}</text>'
        for v in (0, 0.25, 0.5, 0.75, 1)
    ]
    rounds = [
        f'<text x="{a:.1f}" y="{top + height + 20}" text-anchor="middle">{i}</text>'
        for i, a in enumerate(x)
        if i % max(1, len(x) // 10) == 0
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 90}" height="{height + 90}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/><text x="{left}" y="24">{title}</text>'
        + "".join(lines + rounds)
        + f'<text x="{left + width / 2}" y="{top + height + 42}" text-anchor="middle">round</text>'
        + f'<polyline points="{points}" fill="none" stroke="#76b900" stroke-width="2"/></svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job")
    parser.add_argument("workspace", type=pathlib.Path)
    parser.add_argument("--recipe", action="store_true", help="it was NVFlare's own")
    parser.add_argument("--python", type=pathlib.Path, metavar="WORKSPACE")
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--title", default="")
    options = parser.parse_args()
    module = importlib.import_module(f"{options.job}.job")
    wrong = []

    def compare(what, model, expected, tolerance):
        distance = difference(model, expected)
        print(f"  largest difference from {what}: {distance:.1e} (at most {tolerance:g})")
        if not distance <= tolerance:
            wrong.append(f"the final model is not that of {what}")

    model = read_model(options.workspace)
    if model is None:
        print("  the server saved no model")
        return 1
    compare("the offline reference", model, module.final_model(), getattr(module, "TOLERANCE", REFERENCE_TOLERANCE))
    if options.python:
        compare("the Python client", read_model(options.python), model, PYTHON_TOLERANCE)
    if hasattr(module, "accuracy") and not wrong:
        final = module.accuracy(model)
        seen = selector_curve(options.workspace) if options.recipe else curve(options.workspace)
        rounds = list(range(module.ROUNDS))[int(options.recipe) :]
        if sorted(seen) != rounds or any(len(values) != 2 for values in seen.values()):
            wrong.append(f"not every site logged an accuracy for every round: {seen}")
        accuracies = [statistics.mean(values) for values in seen.values()] + [final]
        if options.svg:
            options.svg.write_text(svg(f"{options.title or options.job}: accuracy {final:.4f}", accuracies))
            print(f"  curve: {options.svg}")
        print(f"  accuracy {final:.4f} (at least {module.LEAST_ACCURACY})")
        if final < module.LEAST_ACCURACY:
            wrong.append(f"the accuracy {final:.4f} is too low")
    if hasattr(module, "check"):
        wrong += module.check(results(options.workspace))
    if times := executor_times(options.workspace):
        print(f"  executor: median {statistics.median(times):.2f} ms per task, {len(times)} tasks, trainer included")
    for text in wrong:
        print(f"  wrong: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
