#!/usr/bin/env python3
"""docs/nvflare.md, "Ten minutes, step by step": done word for word in an empty folder, against an installed library,
with another model than that of the example.

    first_job_test.py    with NVFlare's Python
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import uuid

import numpy as np
from job_test import driver
from site_process import BUILD, ROOT

SECTION = re.search(r"^## Ten minutes.*?(?=^## )", (ROOT / "docs" / "nvflare.md").read_text(), re.M | re.S)[0]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", SECTION, re.M | re.S)
SQUARES = {  # each feature once more, squared
    "logreg.h": [("LOGREG_WEIGHTS = LOGREG_FEATURES + 1", "LOGREG_WEIGHTS = 2 * LOGREG_FEATURES + 1")],
    "logreg.c": [
        ("kRate = 0.5", "kRate = 0.05"),
        ("weights[LOGREG_FEATURES];", "weights[2 * LOGREG_FEATURES];"),
        (
            "sum += weights[i] * (double)features[i];",
            "sum += (weights[i] + weights[LOGREG_FEATURES + i] * (double)features[i]) * (double)features[i];",
        ),
        ("gradient[LOGREG_FEATURES] += error;", "gradient[2 * LOGREG_FEATURES] += error;"),
        (
            "gradient[i] += error * (double)rows->features[row][i];",
            "gradient[i] += error * (double)rows->features[row][i],\n"
            "gradient[LOGREG_FEATURES + i] += error * (double)rows->features[row][i] * rows->features[row][i];",
        ),
    ],
    "job.py": [("WEIGHTS = 31", "WEIGHTS = 61")],
}


def replace(file, changes):
    text = file.read_text()
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text)


class FirstJob(unittest.TestCase):
    def setUp(self):
        self.tool = driver()
        self.home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="first-")))
        python = pathlib.Path(sys.executable)
        environment = self.tool.environment_of(python, "", False)
        del environment["FLARE_AGENT_LIBRARY"]  # the page says where it is
        self.mark = uuid.uuid4().hex
        self.environment = {**environment, "HOME": str(self.home), self.tool.MARK: self.mark}
        self.addCleanup(self.tool.left_behind, self.mark, 0)
        self.folder = self.home / "mine"

    def shell(self, *scripts):
        """In one shell after another: what it said."""
        script = "\n".join(("set -e", *scripts))
        lock = pathlib.Path(tempfile.gettempdir()) / f"nvflare-simulator-{os.getuid()}.lock"
        with self.tool.one_at_a_time(lock):
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=150,
            )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_another_model_and_a_program_that_knows_only_files(self):
        shell = [text for language, text in BLOCKS if language == "sh"]
        job, command = [text for language, text in BLOCKS if language == "python"]
        install, where, copy, build, run = shell
        self.shell(re.search(r"^cmake --install.*", install, re.M)[0].replace(" build ", f" {BUILD} "))
        self.shell(where, copy)
        (self.folder / "job.py").write_text(job)
        for name, changes in SQUARES.items():
            replace(self.folder / name, changes)
        said = self.shell(where, "cd mine", build, run)
        self.assertRegex(said, r"validation metric 0\.9\d+ from client site-1")
        model = self.folder / "workspace" / "server" / "simulate_job" / "models" / "server.npy"
        self.assertEqual(np.load(model).shape, (61,))
        self.assertGreater(np.abs(np.load(model)).min(), 0)
        self.assertTrue((self.folder / "workspace" / "site-1" / "simulate_job" / "trainer_agent.log").exists())

        replace(self.folder / "job.py", [("WEIGHTS = 61", "WEIGHTS = 31")])
        (used,) = re.findall(r"command=\[.*?\](?=\))", job)
        replace(self.folder / "job.py", [(used, command.strip())])
        said = self.shell(where, "cd mine", run)
        self.assertRegex(said, r"validation metric 0\.9\d+ from client site-2")
        self.assertEqual(self.tool.left_behind(self.mark, 10), {})


if __name__ == "__main__":
    unittest.main()
