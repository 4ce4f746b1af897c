#!/usr/bin/env python3
"""The kit can fail: drivers with one mistake each make it fail, and it says where. The same driver without passes.

    can_fail.py BUILD             is the test
    can_fail.py BUILD MISTAKE     is the driver in C++ behind somebody who makes a mistake
"""
import concurrent.futures
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "../../scripts/conformance")
leaked = []


def wrong_hash(request: dict, answer: dict) -> None:
    if request["op"] == "read" and answer["status"] == "OK":
        answer["hash"] = answer["hash"][::-1]


def other_status(request: dict, answer: dict) -> None:
    if answer["status"] == "ENDED":
        answer["status"] = "STOPPED"


def no_message(request: dict, answer: dict) -> None:
    answer.pop("message", None)


def int_as_double(request: dict, answer: dict) -> None:
    if request["op"] == "set" and request["value"] == 7:
        request["value"] = 7.0


def lost_task(request: dict, answer: dict) -> None:
    if request["op"] == "panic":
        request["op"] = "version"


def metric_less(request: dict, answer: dict) -> None:
    if request["op"] == "log_burst":
        request["count"] -= 1


def leak(request: dict, answer: dict) -> None:
    if request["op"] == "cycles":
        leaked.append(bytearray(os.urandom(1 << 20)) * 3)


def silence(request: dict, answer: dict) -> None:
    if request["op"] == "next_task":
        sys.exit("a crash of the driver's own")


def wrong_exit(request: dict, answer: dict) -> None:
    """Only at the end: see main()."""


def nothing(request: dict, answer: dict) -> None:
    """No mistake."""


# Each with a scenario that must notice it, and what must be said.
MISTAKES = {
    "wrong_hash": (wrong_hash, "dtypes-in", "answer.hash"),
    "other_status": (other_status, "end-before", "expected 'ENDED'"),
    "no_message": (no_message, "no-url", "message"),
    "int_as_double": (int_as_double, "nested-out", "exactly"),
    "lost_task": (lost_task, "user-error", "TIMEOUT"),
    "metric_less": (metric_less, "metrics-burst", "TIMEOUT"),
    "leak": (leak, "leak", "answer.kib"),
    "silence": (silence, "rounds", "a crash of the driver's own"),
    "wrong_exit": (wrong_exit, "end-of-input", "it exited with 3"),
    "nothing": (nothing, "rounds", None),
}


def drive(build: str, mistake: str) -> int:
    """Both the request, before it is passed on, and the answer may be spoilt."""
    with subprocess.Popen([os.path.join(build, "bin/conformance_driver_cpp")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as driver:
        for line in sys.stdin:
            request = json.loads(line)
            MISTAKES[mistake][0](request, {"status": ""})
            print(json.dumps(request), file=driver.stdin, flush=True)
            answer = json.loads(driver.stdout.readline())
            MISTAKES[mistake][0](json.loads(line), answer)
            print(json.dumps(answer), flush=True)
    return 3 if mistake == "wrong_exit" else driver.returncode


def check(build: str, mistake: str) -> bool:
    _, scenario, words = MISTAKES[mistake]
    command = f"{sys.executable} {os.path.abspath(__file__)} {build} {mistake}"
    run = subprocess.run([sys.executable, RUNNER, "--build", build, "--driver", f"wrong={command}", "--scenario",
                          scenario], capture_output=True, text=True)
    if words is None:
        as_it_should = run.returncode == 0
    else:
        as_it_should = run.returncode == 1 and f"{scenario} in wrong" in run.stdout and words in run.stdout
    print(f"{mistake}: {'as it should' if as_it_should else run.stdout + run.stderr}")
    return as_it_should


def main() -> int:
    if len(sys.argv) > 2:
        return drive(*sys.argv[1:])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:  # most of the time they wait for what never comes
        return 0 if all(list(pool.map(lambda mistake: check(sys.argv[1], mistake), MISTAKES))) else 1


if __name__ == "__main__":
    sys.exit(main())
