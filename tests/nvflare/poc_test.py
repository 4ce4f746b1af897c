#!/usr/bin/env python3
"""Jobs in a federation of real processes with certificates: one federation serves all cases, the jobs run at once.

    poc_test.py Quick|All    with NVFlare's Python
"""
import contextlib
import importlib
import io
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from unittest import mock

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build")).resolve()
EXAMPLES = ROOT / "examples" / "nvflare"
sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / "common")]
import check  # noqa: E402
import run  # noqa: E402
from job_test import driver  # noqa: E402

LIMIT = 150  # seconds for one job, with three others beside it
ROWS = EXAMPLES / "hello" / "breast_cancer.csv"
LANGUAGES = [name for name in ("c", "cpp", "go", "rust", "julia") if (BUILD / "bin" / f"hello_trainer_{name}").exists()]


def hello_command(language):
    return [str(BUILD / "bin" / f"hello_trainer_{language}"), str(ROWS)]


class Job:
    """Submitted at once; what is left of it is in `workspace` after finish()."""

    def __init__(self, federation, folder, example, client, with_code=True):
        self.federation, self.workspace = federation, folder
        folder.mkdir()
        job = run.make_job(importlib.import_module(f"{example}.job"), folder, client)
        job.export_job(str(folder))
        if not with_code:
            shutil.rmtree(folder / job.name / "app" / "custom")
        self.id = federation.submit(folder / job.name)

    def finish(self):
        """Its status."""
        status = self.federation.wait(self.id, LIMIT)
        run.fetch(self.federation, self.id, self.workspace)
        return status

    def server_log(self):
        return (check.results(self.workspace) / "log.txt").read_text()

    def site_log(self, site):
        return (self.workspace / site / "log.txt").read_text()

    def span(self, site):
        """The times of the first and the last line that the site's process for this job wrote."""
        times = re.findall(r"^[-\d]+ [:,\d]+", self.site_log(site), re.MULTILINE)
        return times[0], times[-1]

    def trainers(self):
        """Their process ids."""
        logs = self.site_log("site-1") + self.site_log("site-2")
        return [int(pid) for pid in re.findall(r"trainer (\d+) runs", logs)]


def hello(federation, folder, language):
    return Job(federation, folder / language, "hello", run.AgentExecutor(hello_command(language)))


def odd(federation, folder, example, mode, with_code=True, **arguments):
    """`arguments` are those of AgentExecutor beside its command."""
    name = "-".join([mode, *arguments])
    client = run.AgentExecutor([str(BUILD / "bin" / "odd_trainer"), mode], **arguments)
    return Job(federation, folder / name, example, client, with_code)


class Resident:
    """A trainer of hello that somebody else starts at a site, which names it in its policy."""

    def __init__(self, federation, site, folder):
        policy = {"trainers": {"hello": {"rendezvous": str(folder)}}}
        (federation.kits / site / "local" / "flare_agent_policy.json").write_text(json.dumps(policy))
        mine = {"RENDEZVOUS_DIR": str(folder), "AGENT_ID": "hello", "CONNECT_TIMEOUT": "none"}
        environment = {**os.environ, **{f"FLARE_AGENT_{name}": value for name, value in mine.items()}}
        command = [BUILD / "bin" / "hello_trainer_c", "--resident", ROWS]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)

    def end(self):
        self.process.kill()
        self.process.wait()


class Poc(unittest.TestCase):
    """One federation, to which submit() gives the jobs before the first test."""

    Federation = run.Federation

    @classmethod
    def setUpClass(cls):
        cls.driver = driver()
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="poc-")))
        cls.temporary = cls.folder / "tmp"  # for all processes
        cls.temporary.mkdir()
        cls.mark = uuid.uuid4().hex
        library = str(BUILD / "lib" / "libflare_agent.so")
        mine = {"TMPDIR": str(cls.temporary), cls.driver.MARK: cls.mark, "FLARE_AGENT_LIBRARY": library}
        cls.enterClassContext(mock.patch.dict(os.environ, mine))
        cls.addClassCleanup(cls.driver.left_behind, cls.mark, 0)  # this process has no mark: it was started without
        cls.federation = cls.enterClassContext(cls.Federation(cls.folder / "federation"))
        cls.submit()

    def assert_learned(self, job):
        self.assertEqual(job.finish(), "FINISHED:COMPLETED")
        output = io.StringIO()
        with mock.patch.object(sys, "argv", ["check.py", "hello", str(job.workspace)]):
            with contextlib.redirect_stdout(output):
                self.assertEqual(check.main(), 0, output.getvalue())


class Quick(Poc):
    @classmethod
    def submit(cls):
        cls.c, cls.cpp = (hello(cls.federation, cls.folder, language) for language in ("c", "cpp"))
        cls.hang = odd(cls.federation, cls.folder, "hello", "hang")
        cls.upload = odd(cls.federation, cls.folder, "big", "upload")
        cls.endless = odd(cls.federation, cls.folder, "hello", "hang", stop_grace_period=60.0)

    def wait_for_task(self, job):
        """Until every site has one."""
        logs = [self.federation.site(site, job.id) / "log.txt" for site in run.SITES]
        end = time.monotonic() + LIMIT
        while not all(log.exists() and "invoking task executor" in log.read_text() for log in logs):
            self.assertLess(time.monotonic(), end, "a site got no task")
            time.sleep(0.2)

    def test_0_nobody_is_let_in_without_a_certificate(self):
        context = ssl.create_default_context(cafile=self.federation.kits / "site-1" / "startup" / "rootCA.pem")
        context.check_hostname = False
        with socket.create_connection(("localhost", self.federation.port), timeout=10) as plain:
            with self.assertRaisesRegex(ssl.SSLError, "CERTIFICATE_REQUIRED"):
                with context.wrap_socket(plain) as refused:
                    refused.recv(1)

    def test_1_the_admin_aborts_a_job_whose_trainer_does_not_end(self):
        self.wait_for_task(self.hang)
        self.federation.abort(self.hang.id)
        self.assertEqual(self.hang.finish(), "FINISHED:ABORTED")
        for site in run.SITES:
            log = self.hang.site_log(site)
            self.assertIn("task train: NVFlare aborted the task", log)
            self.assertIn("was ended by signal 9 (Killed)", log)
        self.assert_gone(self.hang.trainers())

    def test_2_two_jobs_at_once(self):
        for job in (self.c, self.cpp):
            self.assert_learned(job)
        spans = [job.span("site-1") for job in (self.c, self.cpp)]
        self.assertLess(max(begin for begin, _ in spans), min(end for _, end in spans))

    def test_3_a_trainer_is_killed_in_an_upload(self):
        self.assertEqual(self.upload.finish(), "FINISHED:EXECUTION_EXCEPTION")
        self.assertIn("is bad, error code: EXECUTION_EXCEPTION", self.upload.server_log())
        reason = r"the trainer was ended by signal 9 \(Killed\) without a result.*\n.*\| killed with \d+ MiB"
        logs = [self.upload.site_log(site) for site in run.SITES]
        self.assertTrue(any(re.search(reason, log) for log in logs), logs)
        seen = [self.federation.errors(site, self.upload.id) for site in run.SITES]  # by the administrator
        self.assertTrue(any(re.search(reason, log) for log in seen), seen)
        self.assert_gone(self.upload.trainers())

    def assert_gone(self, processes):
        self.assertTrue(processes)
        for process in processes:
            self.assertFalse(pathlib.Path(f"/proc/{process}").exists())

    def test_9_nothing_is_left_of_a_federation_that_is_closed_while_a_job_runs(self):
        self.wait_for_task(self.endless)
        self.assertEqual(self.federation.status(self.endless.id), "RUNNING")
        self.federation.close()
        for site in run.SITES:  # it was ended in order, and not by signals
            log = (self.federation.site(site, self.endless.id) / "log.txt").read_text()
            self.assertIn("task train: NVFlare aborted the task", log)
        self.assertEqual(self.driver.left_behind(self.mark, 10), {})
        self.assertEqual(list(self.temporary.iterdir()), [])


class All(Quick):
    @classmethod
    def submit(cls):
        super().submit()
        others = [name for name in LANGUAGES if name not in ("c", "cpp")]
        cls.others = {name: hello(cls.federation, cls.folder, name) for name in others}
        cls.no_code = odd(cls.federation, cls.folder, "hello", "echo", with_code=False)
        cls.restarted = odd(cls.federation, cls.folder, "big", "upload", max_restarts=1)

    def test_4_the_other_languages(self):
        for language, job in self.others.items():
            with self.subTest(language):
                self.assert_learned(job)

    def test_5_a_job_without_code_at_sites_that_do_not_list_the_plugin(self):
        # NVFlare's word for it depends on which process ends first.
        self.assertIn(self.no_code.finish(), ("FINISHED:ABNORMAL", "FINISHED:EXECUTION_EXCEPTION"))
        for site in run.SITES:
            self.assertRegex(self.no_code.site_log(site), "'agent_executor.AgentExecutor' .* is not in allow_list")

    def test_6_a_trainer_is_killed_in_an_upload_and_started_again(self):
        self.assertEqual(self.restarted.finish(), "FINISHED:COMPLETED")
        model = check.read_model(self.restarted.workspace)["numpy_key"]
        self.assertTrue((model == importlib.import_module("big.job").ROUNDS).all(), "each round adds 1")
        for site in run.SITES:
            log = self.restarted.site_log(site)
            self.assertRegex(log, r"was ended by signal 9 \(Killed\)\n(.*\n)*.*runs in its place")
        self.assert_gone(self.restarted.trainers())

    def test_7_one_process_that_somebody_else_started_serves_two_jobs(self):
        residents = [Resident(self.federation, site, self.folder / f"meet-{site}") for site in run.SITES]
        for resident in residents:
            self.addCleanup(resident.end)
        for name in ("first", "second"):
            client = run.AgentExecutor(trainer="hello")
            self.assert_learned(Job(self.federation, self.folder / name, "hello", client))
            self.assertEqual([resident.process.poll() for resident in residents], [None, None])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")  # NVFlare leaves sockets to the garbage collector
