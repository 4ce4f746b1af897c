#!/usr/bin/env python3
"""docs/replace_trainer.md, done as it says: the jobs of the page in NVFlare's simulator with the trainer of hello, or,
where only a component is another, what is exported of them.

    replace_trainer_test.py    with NVFlare's Python, of a version up to 2.8
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import numpy as np
from job_test import driver
from site_process import BUILD, ROOT

from hello.job import HERE, final_model, recipe

PAGE = (ROOT / "docs" / "replace_trainer.md").read_text()
LIMIT = 120  # seconds for a job
SITES = ("site-1", "site-2")
CONFIG = "config/client_api_config.json"
LANGUAGES = os.environ.get("FLARE_TEST_LANGUAGES", "c").split(",")  # that trainers are built in


def blocks(title, language):
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)


def here(script, language):
    """A script of the page with the paths of this machine."""
    for shown, mine in (("/opt/site/train", BUILD / "bin" / f"hello_trainer_{language}"), ("/opt/site", HERE)):
        assert shown in script
        script = script.replace(shown, str(mine))
    return script


def with_filters(job, add):
    """The job's script with filters at the sites, which `add` puts in before it is run."""
    head, last = job.rstrip("\n").rsplit("\n", 1)
    return f"from seen_filter import SeenFilter\n{head}\n{add}\n{last}\n"


RECIPE_FILTERS = """
recipe.add_client_input_filter(SeenFilter("task"), tasks=["train"])
recipe.add_client_output_filter(SeenFilter("result"), tasks=["train"])
"""
JOB_FILTERS = """
from nvflare.job_config.defs import FilterType
job.to_clients(SeenFilter("task"), filter_type=FilterType.TASK_DATA, tasks=["train"])
job.to_clients(SeenFilter("result"), filter_type=FilterType.TASK_RESULT, tasks=["train"])
"""


class Page(unittest.TestCase):
    def setUp(self):
        self.tool = driver()
        self.home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="replace-")))
        self.mark = uuid.uuid4().hex
        self.addCleanup(self.tool.left_behind, self.mark, 0)
        tests = pathlib.Path(__file__).resolve().parent
        self.environment = self.tool.environment_of(pathlib.Path(sys.executable), "", False)
        self.environment |= {"HOME": str(self.home), self.tool.MARK: self.mark, "PYTHONPATH": str(tests)}
        (script,) = blocks("The trainer", "sh")
        (self.home / "trainer.sh").write_text(here(script, LANGUAGES[-1]))
        (self.home / "client.py").write_text("raise SystemExit('replaced')\n")

    def start(self, *command, log="job.txt"):
        with open(self.home / log, "wb") as output:
            return subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start_job(self, script):
        (self.home / "job.py").write_text(script)
        return self.start(sys.executable, "job.py")

    def log(self):
        return (self.home / "job.txt").read_text()

    def simulator(self):
        """Only one at a time on a machine."""
        lock = pathlib.Path(tempfile.gettempdir()) / f"nvflare-simulator-{os.getuid()}.lock"
        return self.tool.one_at_a_time(lock)

    def assert_learned(self, model):
        self.assertTrue((self.home / model).exists(), self.log()[-6000:])
        np.testing.assert_allclose(np.load(self.home / model), final_model()["numpy_key"], atol=1e-6)
        self.assertEqual(self.tool.left_behind(self.mark, 10), {})

    def assert_seen(self, kind, folder):
        for site in SITES:
            log = (self.home / folder / site / "log.txt").read_text()
            for where in ("task", "result"):
                self.assertEqual(re.findall(rf"{where}: seen (.*)", log), [kind] * 3, log[-6000:])

    def exported(self, script, **names):
        """The clients' configuration of a job that is not run: its components, by id, and its executors."""
        shutil.rmtree(self.home / "jobs", ignore_errors=True)
        with contextlib.chdir(self.home):
            exec(script.replace("recipe.execute(", 'recipe.export("jobs")  # ('), names)
        (config,) = (self.home / "jobs").glob("hello/*/config/config_fed_client.json")
        config = json.loads(config.read_text())
        return {component["id"]: component for component in config["components"]} | {"": config["executors"]}

    def assert_only_the_launcher_differs(self, before, after):
        """Returns that of the job after."""
        before, after = self.exported(before), self.exported(after)
        self.assertEqual(before.pop("launcher")["args"]["script"].strip(), "python3 -u custom/client.py")
        launcher = after.pop("launcher")
        self.assertEqual(before, after)
        return launcher

    def test_a_recipe(self):
        before, after = blocks("A recipe", "python")
        with self.simulator():
            self.assertEqual(self.start_job(with_filters(after, RECIPE_FILTERS)).wait(LIMIT), 0, self.log())
        self.assert_learned("workspace/hello/server/simulate_job/models/server.npy")
        self.assert_seen("LazyDownloadRef", "workspace/hello")
        self.assert_only_the_launcher_differs(before, after)
        example = 'recipe("hello", train_script="trainer.sh", command="sh", shutdown_timeout=10.0).export("jobs")'
        self.assertEqual(self.exported(after), self.exported(example, recipe=recipe))  # which nvflare-job --recipe runs

    def test_a_script_runner(self):
        before, runner = blocks("A ScriptRunner", "python")
        after, count = re.subn(r"^runner = .*?\)\n", runner, before, flags=re.M)
        self.assertEqual(count, 1)
        launcher = self.assert_only_the_launcher_differs(before, after)
        (shown,) = blocks("A ScriptRunner", "json")
        self.assertEqual(launcher, json.loads(shown))

    def test_a_task_exchanger(self):
        job, more = blocks("A TaskExchanger", "python")
        languages = LANGUAGES[0], LANGUAGES[len(LANGUAGES) // 2]
        by_address, by_file = map(here, blocks("A TaskExchanger", "sh"), languages)
        head, last = job.rstrip("\n").rsplit("\n", 1)
        with self.simulator():
            job = self.start_job(with_filters(f"{head}\n{more}\n{last}", JOB_FILTERS))
            folder = self.home / "workspace"
            files = [folder / site / "simulate_job" / f"app_{site}" / CONFIG for site in SITES]
            end = time.monotonic() + LIMIT
            while not all(file.exists() for file in files):
                self.assertLess(time.monotonic(), end, self.log())
                self.assertIsNone(job.poll(), self.log())
                time.sleep(0.1)
            url = json.loads(files[0].read_text())["METRICS_EXCHANGE"]["pipe"]["ARG"]["root_url"]
            self.assertIn("tcp://127.0.0.1:4711", by_address)
            first = self.start("sh", "-ec", by_address.replace("tcp://127.0.0.1:4711", url), log="1.txt")
            second = self.start("sh", "-ec", by_file.replace("site-1", "site-2"), log="2.txt")
            self.assertEqual([trainer.wait(LIMIT) for trainer in (first, second)], [0, 0])
            self.assertEqual(job.wait(LIMIT), 0, self.log())
        self.assert_learned("workspace/server/simulate_job/models/server.npy")
        self.assert_seen("ndarray", "workspace")


if __name__ == "__main__":
    unittest.main(verbosity=2)
