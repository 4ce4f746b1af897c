"""Plays every scenario in every language, and prints who passes what."""
import argparse
import concurrent.futures
import glob
import os
import queue
import re
import shlex
import sys
import time
from xml.etree import ElementTree

from scenario import HERE, Stage
from scenarios import load

_PREFIX = "conformance_driver_"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plays the scenarios of the conformance kit with drivers of bindings.")
    parser.add_argument("--list", action="store_true", help="show the scenarios and what each is about")
    parser.add_argument("--language", action="append", default=[], metavar="NAME", help="only that driver; repeatable")
    parser.add_argument("--driver", action="append", default=[], metavar="NAME=COMMAND", help="one more driver")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only that one; repeatable")
    build = os.path.normpath(os.path.join(HERE, "../../build"))
    parser.add_argument("--build", default=build, metavar="DIR", help="where drivers and library are; default: build")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="scenarios at the same time; default: 2")
    parser.add_argument("--junit", metavar="FILE", help="write the outcome as JUnit's XML, too")
    return parser.parse_args()


def load_scenarios(names: list) -> list:
    scenarios = load(HERE)
    unknown = set(names) - {scenario["name"] for scenario in scenarios}
    if unknown:
        sys.exit(f"conformance: there is no scenario {', '.join(sorted(unknown))}; --list shows them")
    return [scenario for scenario in scenarios if not names or scenario["name"] in names]


def find_drivers(options: argparse.Namespace) -> dict:
    """The command of each driver by its language."""
    built = sorted(glob.glob(os.path.join(glob.escape(options.build), "bin", _PREFIX + "*")))
    drivers = {os.path.basename(path)[len(_PREFIX):]: [os.path.abspath(path)] for path in built}
    extra = {}
    for text in options.driver:
        name, equals, command = text.partition("=")
        if not equals:
            sys.exit("conformance: --driver is NAME=COMMAND")
        extra[name] = shlex.split(command)
    drivers.update(extra)
    chosen = options.language + list(extra) if options.language or extra else list(drivers)
    missing = [name for name in chosen if name not in drivers]
    if missing or not chosen:
        wanted = missing[0] if missing else "*"
        sys.exit(f"conformance: there is no driver {options.build}/bin/{_PREFIX}{wanted}: build it first")
    return {name: drivers[name] for name in dict.fromkeys(chosen)}


def play_all(command: list, scenarios: list, library: str, jobs: int) -> dict:
    """By scenario: its seconds, and what went wrong or None. Each worker has a stage of its own."""
    waiting, outcomes = queue.SimpleQueue(), {}
    for scenario in scenarios:
        waiting.put(scenario)

    def work() -> None:
        stage = Stage(command, library)
        name = ""
        try:
            while True:
                scenario = waiting.get_nowait()
                name, begun = scenario["name"], time.monotonic()
                report = stage.play(scenario)
                outcomes[name] = (time.monotonic() - begun, report)
        except queue.Empty:
            pass
        finally:
            at_end = stage.close()
        if at_end:  # of a driver that passed the last scenario
            outcomes[name] = (outcomes[name][0], at_end)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(work) for _ in range(jobs)]:
            done.result()
    return outcomes


def print_matrix(scenarios: list, matrix: dict) -> None:
    width = max(len(scenario["name"]) for scenario in scenarios)
    print(" " * width, *(f"{language:>8}" for language in matrix))
    for scenario in scenarios:
        cells = (f"{'FAIL' if matrix[language][scenario['name']][1] else 'ok':>8}" for language in matrix)
        print(scenario["name"].ljust(width), *cells)


def print_failures(matrix: dict, options: argparse.Namespace) -> int:
    failures = 0
    for language, outcomes in matrix.items():
        for name, (_, report) in outcomes.items():
            if report:
                failures += 1
                print(f"\n{name} in {language}: {report}")
                again = [sys.argv[0], "--build", options.build, "--scenario", name]
                given = [text for text in options.driver if text.startswith(language + "=")]
                again += ["--driver", given[0]] if given else ["--language", language]
                print(f"  again: {shlex.join(again)}")
    return failures


def write_junit(path: str, matrix: dict) -> None:
    suites = ElementTree.Element("testsuites")
    for language, outcomes in matrix.items():
        failed = sum(1 for _, report in outcomes.values() if report)
        suite = ElementTree.SubElement(
            suites, "testsuite", name=f"conformance.{language}", tests=str(len(outcomes)), failures=str(failed))
        for name, (seconds, report) in outcomes.items():
            case = ElementTree.SubElement(suite, "testcase", classname=language, name=name, time=f"{seconds:.3f}")
            if report:  # XML cannot hold control characters
                ElementTree.SubElement(case, "failure").text = re.sub(r"[^\t\n -\ud7ff\ue000-\ufffd]", "?", report)
    ElementTree.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def main() -> int:
    options = arguments()
    scenarios = load_scenarios(options.scenario)
    if options.list:
        for scenario in scenarios:
            print(f"{scenario['name']:28} {scenario['about']}")
        return 0
    library = os.path.join(options.build, "lib", "libflare_agent.so")
    if not os.path.exists(library):
        sys.exit(f"conformance: {library} is not built")
    matrix = {}
    for language, command in find_drivers(options).items():
        begun = time.monotonic()
        matrix[language] = play_all(command, scenarios, library, max(1, options.jobs))
        print(f"{language}: {len(scenarios)} scenarios in {time.monotonic() - begun:.1f} s", file=sys.stderr)
    print_matrix(scenarios, matrix)
    if options.junit:
        write_junit(options.junit, matrix)
    failures = print_failures(matrix, options)
    cells = len(scenarios) * len(matrix)
    print(f"\n{cells - failures} of {cells} passed" + (f", {failures} failed" if failures else ""))
    return 1 if failures else 0
