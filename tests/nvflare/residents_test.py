#!/usr/bin/env python3
"""Trainers that outlive a job, and trainers that are started again within one."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
from nvflare.apis.fl_constant import ReturnCode
from site_process import BUILD, LIBRARY, TRAINER, AgentExecutor, Site, result_of

MODEL = {"w": np.ones(4, np.float32)}
LARGE = {"w": np.ones(1 << 20, np.float32)}


class Resident:
    """A trainer that somebody else starts: it adds 1 to every element, job after job."""

    def __init__(self, folder, agent_id="digits", seconds=30):
        variables = {"RENDEZVOUS_DIR": folder, "AGENT_ID": agent_id, "CONNECT_TIMEOUT": str(seconds)}
        environment = {**os.environ, **{f"FLARE_AGENT_{name}": value for name, value in variables.items()}}
        program = [str(BUILD / "bin" / "process_trainer"), "--resident"]
        self._process = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self.output = self._process.communicate()[0]


class Residents(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "meet")
        self.policy = {"library": LIBRARY, "trainers": {"digits": {"rendezvous": self.folder}}}

    def site(self, **arguments):
        return Site(byoc=False, policy=self.policy, trainer="digits", **arguments)

    def test_one_process_serves_job_after_job(self):
        with Resident(self.folder) as resident:
            for round_of_jobs in range(3):
                with self.subTest(round_of_jobs), self.site(params_transfer_type="DIFF") as site:
                    for model in (MODEL, LARGE):
                        reply = site.execute(model)
                        self.assertEqual(reply.get_return_code(), ReturnCode.OK, reply.get_header("reason"))
                        self.assertTrue((result_of(reply).data["w"] == 1).all(), "it was told of the differences")
                    site.end()
        self.assertEqual(resident.output.count("connected"), 3, resident.output)

    def test_none_that_comes_is_said_with_folder_and_name(self):
        with Resident(self.folder, "others"), self.site(start_timeout=0.5) as site:
            reply = site.execute(MODEL)
        self.assertEqual(reply.get_return_code(), ReturnCode.EXECUTION_EXCEPTION)
        self.assertIn(f"no trainer with the agent_id 'digits' came to {self.folder}", reply.get_header("reason"))
        self.assertIn("within 0.5 s", reply.get_header("reason"))

    def test_a_job_that_is_over_leaves_nothing(self):
        with self.site(start_timeout=0.1) as site:
            site.execute(MODEL)
            self.assertEqual(len(list(pathlib.Path(self.folder, "digits").glob("*.json"))), 1)
        self.assertEqual(list(pathlib.Path(self.folder, "digits").iterdir()), [])

    def test_a_job_gives_it_nothing_on_its_way(self):
        for arguments in ({"environment": {"A": "1"}}, {"arguments": ["--fast"]}, {"cwd": "/tmp"}):
            with self.subTest(arguments), self.site(**arguments) as site:
                self.assertIn("'digits' runs already", site.execute(MODEL).get_header("reason"))

    def test_a_policy_says_either_how_it_is_started_or_where_it_comes(self):
        self.policy["trainers"]["digits"]["command"] = [TRAINER]
        with self.site() as site:
            self.assertIn("has a rendezvous", site.execute(MODEL).get_header("reason"))
        self.policy["trainers"]["digits"] = {"rendezvous": "meet"}
        with self.site() as site:
            self.assertIn("does not begin with /", site.execute(MODEL).get_header("reason"))

    def test_a_trainer_that_is_started_is_not_found_by_others(self):
        os.environ["FLARE_AGENT_RENDEZVOUS_DIR"] = self.folder
        self.addCleanup(os.environ.pop, "FLARE_AGENT_RENDEZVOUS_DIR")
        with Resident(self.folder, "agent") as resident, Site() as site:
            self.assertEqual(site.execute(MODEL).get_return_code(), ReturnCode.OK)
        self.assertNotIn("connected", resident.output)


class Restarts(unittest.TestCase):
    def test_the_next_process_gets_the_task_of_the_one_that_was_killed(self):
        with Site("fragile", max_restarts=2) as site:
            first = site.trainer.pid
            for _ in range(2):
                reply = site.execute(MODEL)
                self.assertEqual(reply.get_return_code(), ReturnCode.OK, reply.get_header("reason"))
            self.assertNotEqual(site.trainer.pid, first)
            reply = site.execute(MODEL)
        self.assertEqual(reply.get_return_code(), ReturnCode.EXECUTION_EXCEPTION)
        self.assertIn("was ended by signal 9", reply.get_header("reason"))

    def test_a_process_for_each_task(self):
        with Site("leave", max_restarts=2) as site:
            codes = [site.execute(MODEL).get_return_code() for _ in range(4)]
        self.assertEqual(codes, [ReturnCode.OK] * 3 + [ReturnCode.EXECUTION_EXCEPTION])

    def test_none_is_started_at_the_end_of_the_job(self):
        with Site("echo", max_restarts=5) as site:
            site.execute(MODEL)
            run, trainer = site.executor._run, site.trainer
            site.end()
        self.assertIs(run._trainer, trainer)
        self.assertTrue(trainer.has_ended())

    def test_a_number_is_asked_for(self):
        with self.assertRaisesRegex(ValueError, "max_restarts -1"):
            AgentExecutor(TRAINER, max_restarts=-1)


if __name__ == "__main__":
    unittest.main()
