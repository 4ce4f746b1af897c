"""Runs scenarios with one driver, which they share unless they need a fresh one."""
import os
import sys
import tempfile
from typing import Optional

from driver import Broken, Program
from expect import mismatch_of_answer

HERE = os.path.dirname(os.path.abspath(__file__))

# Milliseconds that these wait unless a step says otherwise.
_TIMEOUTS = dict.fromkeys(
    ("wait_connected", "next_task", "is_aborted", "wait", "finish", "reply", "metrics", "expect_burst", "serve"), 15000)

# What both sides are opened with unless a scenario says otherwise. A site that is slow shall not change an outcome.
_OPTIONS = {"connect_timeout": "30", "close_timeout": "3"}


class Failure(Exception):
    """A step did not go as it should."""


class Stage:
    """A driver and a peer: started when they are first needed, and started again after a failure."""

    def __init__(self, command: list, library: str):
        self._commands = {"driver": command, "peer": [sys.executable, "-B", os.path.join(HERE, "peer.py"), library]}
        self._folder = tempfile.TemporaryDirectory(prefix="flare-")  # short: it goes into the paths of sockets
        self._programs = {}
        self._memory = None
        self._played = 0

    def play(self, scenario: dict) -> Optional[str]:
        """None when all is as it should be, else what went wrong."""
        try:
            self._prepare(scenario)
            self._run_steps(scenario["steps"], "")
            self._finish(scenario)
            return None
        except (Failure, Broken) as failure:
            report = f"{failure}\n{self._errors()}"
            self.clear()
            return report

    def _prepare(self, scenario: dict) -> None:
        self._played += 1
        for program in self._programs.values():
            program.forget_errors()
        path = f"{self._folder.name}/{self._played}"
        url = scenario.get("url", f"zmq+ipc://{path}")
        if scenario.get("serve", True):
            options = {"url": url, **_OPTIONS, **scenario.get("peer", {})}
            url = self._ask("peer", {"op": "open", "options": options}, {}, "opening the peer")["url"]
        options = {"url": url, **_OPTIONS, **scenario.get("agent", {})}
        if scenario.get("fresh"):  # and opened as trainers are: by the environment
            self._drop("driver")
            self._start("driver", {f"FLARE_AGENT_{name.upper()}": value for name, value in options.items()})
            options = {}
        if scenario.get("open", True):
            self._ask("driver", {"op": "open", "options": options}, {}, "opening the agent")

    def _finish(self, scenario: dict) -> None:
        if scenario.get("fresh"):
            self._programs["driver"].leave()
            self._drop("driver")
        else:  # there may be nothing to close
            closing = {"any_of": [{"status": "OK"}, {"status": "INVALID_STATE"}]}
            self._ask("driver", {"op": "close"}, closing, "closing the agent")
        if "peer" in self._programs:
            self._ask("peer", {"op": "close"}, {}, "closing the peer")

    def _run_steps(self, steps: list, outer: str) -> None:
        for number, step in enumerate(steps, 1):
            self._run_step(step, f"{outer}{number}")

    def _run_step(self, step: dict, where: str) -> None:
        if "for" in step:
            for value, steps in step["rounds"]:
                self._run_steps(steps, f"{where} with {value}, ")
        elif "again" in step:
            self._run_until(step, where)
        elif "runner" in step:
            self._check(getattr(self, "_" + step["runner"])(), step.get("expect", {}), f"step {where} {step}")
        else:
            actor = "driver" if "driver" in step else "peer"
            self._ask(actor, step[actor], step.get("expect", {}), f"step {where}", step.get("meanwhile", []))

    def _run_until(self, step: dict, where: str) -> None:
        """Runs steps up to so many times, until the last one goes as it should."""
        for left in reversed(range(step["again"])):
            self._run_steps(step["do"], f"{where}, ")
            try:
                return self._run_step(step["until"], f"{where}, until")
            except Failure:
                if left == 0:
                    raise

    def _ask(self, actor: str, request: dict, expected: dict, where: str, meanwhile: list = ()) -> dict:
        """Sends a request, runs the steps that belong between, and checks the answer."""
        if request["op"] in _TIMEOUTS:
            request = {"timeout_ms": _TIMEOUTS[request["op"]], **request}
        what = f"{where}: {actor} {request}"
        try:
            program = self._programs.get(actor) or self._start(actor)
            program.send(request)
            self._run_steps(meanwhile, f"{where}, meanwhile ")
            answer = program.answer(request)
        except Broken as broken:
            raise Failure(f"{what}\n  {broken}") from broken
        self._check(answer, expected, what)
        return answer

    def _check(self, answer: dict, expected: dict, what: str) -> None:
        difference = mismatch_of_answer(expected, answer)
        if difference:
            message = f"\n  message: {answer['message']}" if answer.get("message") else ""
            raise Failure(f"{what}\n  {difference}{message}")

    def _kill_peer(self) -> dict:
        """Nobody says goodbye then."""
        self._drop("peer")
        return {"status": "OK"}

    def _remember_memory(self) -> dict:
        self._memory = self._programs["driver"].resident_kib()
        return {"status": "OK"}

    def _grown_memory(self) -> dict:
        return {"status": "OK", "kib": self._programs["driver"].resident_kib() - self._memory}

    def _start(self, actor: str, variables: dict = {}) -> Program:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLARE_")}
        self._programs[actor] = Program(self._commands[actor], {**environment, **variables})
        return self._programs[actor]

    def _drop(self, actor: str) -> None:
        if actor in self._programs:
            self._programs.pop(actor).kill()

    def _errors(self) -> str:
        texts = {actor: program.errors() for actor, program in self._programs.items()}
        return "\n".join(f"  standard error of the {actor}:\n{text}" for actor, text in texts.items() if text)

    def clear(self) -> None:
        for actor in list(self._programs):
            self._drop(actor)

    def close(self) -> Optional[str]:
        """The driver exits by itself: that, too, is checked."""
        try:
            if "driver" in self._programs:
                self._programs["driver"].leave()
        except Broken as broken:
            return f"{broken}\n{self._errors()}"
        finally:
            self.clear()
            self._folder.cleanup()
        return None

