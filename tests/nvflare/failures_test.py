#!/usr/bin/env python3
"""Jobs that fail, in NVFlare's simulator: each ends, says why in the site's log, and leaves no process behind.

    failures_test.py VERSION [BUILD]    with any Python; scripts/nvflare-job finds that of NVFlare
"""
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop(2) if len(sys.argv) > 2 else ROOT / "build").resolve()
VERSION = sys.argv.pop(1)


def job(mode, *more):
    return job_of(f"{BUILD / 'bin' / 'odd_trainer'} {mode}", *more)


def job_of(trainer, *more):
    command = [ROOT / "scripts" / "nvflare-job", "hello", "--nvflare", VERSION, "--build", BUILD, "--limit", "120"]
    done = subprocess.run([*command, "--trainer-command", trainer, *more], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Failures(unittest.TestCase):
    def check(self, outcome, *words):
        status, text = outcome
        for word in (*words, "no process was left behind"):
            self.assertIn(word, text)
        self.assertEqual(status, 0)
        self.assertNotIn("task train: OK", text)

    def test_is_the_doctor(self):
        outcome = job_of(f"{BUILD / 'bin' / 'flare-agent'} doctor -- ./train")
        self.check(
            outcome,
            "the trainer ended with exit status 1",
            "|   url ",
            "environment variable FLARE_AGENT_PROFILE",
            "|           connected in ",
            "agent 'agent', site 'site-",
            "| problem: program-missing: ",
        )

    def test_crashes_in_a_task(self):
        self.check(job("crash"), "was ended by signal 6", "| out of luck in round 0")

    def test_is_killed_in_a_task(self):
        self.check(job("killed"), "was ended by signal 9")

    def test_hangs(self):
        more = ("--argument", "task_timeout=3", "--argument", "stop_grace_period=1")
        self.check(job("hang", *more), "no result within 3 s (task_timeout)")

    def test_the_library_is_missing(self):
        library = ("--library", "/nowhere/libflare_agent.so")
        self.check(job("echo", *library), "cannot be loaded from /nowhere/libflare_agent.so (FLARE_AGENT_LIBRARY)")


if __name__ == "__main__":
    unittest.main(verbosity=2)
