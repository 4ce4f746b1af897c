#!/usr/bin/env python3
"""scripts/nvflare-job and check.py say so when a job went wrong."""
import contextlib
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from unittest import mock

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "nvflare" / "common"))
import check  # noqa: E402


def driver():
    loader = SourceFileLoader("nvflare_job", str(ROOT / "scripts" / "nvflare-job"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("nvflare_job", loader))
    loader.exec_module(module)
    return module


class Judgement(unittest.TestCase):
    """Of hello, on a workspace made here."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.workspace = pathlib.Path(self.folder.name)
        from hello.job import final_model

        self.model = final_model()["numpy_key"]
        self.metrics = [
            {"site": site, "name": "accuracy", "value": 0.9, "step": step} for step in range(3) for site in "ab"
        ]

    def judge(self, *more):
        results = check.results(self.workspace)
        (results / "models").mkdir(parents=True, exist_ok=True)
        if self.model is not None:
            np.save(results / "models" / "server.npy", self.model)
        (results / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.metrics))
        output = io.StringIO()
        with mock.patch.object(sys, "argv", ["check.py", "hello", str(self.workspace), *more]):
            with contextlib.redirect_stdout(output):
                return check.main(), output.getvalue()

    def test_a_good_job(self):
        picture = self.workspace / "curve.svg"
        self.assertEqual(self.judge("--python", str(self.workspace), "--svg", str(picture))[0], 0)
        self.assertIn("<polyline", picture.read_text())

    def test_a_recipe(self):
        log = self.workspace / "server" / "log.txt"
        log.parent.mkdir()
        lines = [f"INFO - validation metric 0.9 from client {site}\n" for _ in range(2) for site in "ab"]
        log.write_text("".join(lines))
        self.assertEqual(self.judge("--recipe")[0], 0)
        log.write_text("".join(lines[1:]))
        status, text = self.judge("--recipe")
        self.assertEqual(status, 1)
        self.assertIn("wrong: not every site logged an accuracy for every round", text)

    def test_no_model(self):
        self.model = None
        self.assertEqual(self.judge(), (1, "  the server saved no model\n"))

    def test_another_model(self):
        for name, model in {
            "one weight": self.model + np.eye(31, dtype=np.float32)[3] * 2e-6,
            "shape": self.model[:-1],
            "nan": np.where(np.arange(31) == 5, np.nan, self.model),
        }.items():
            with self.subTest(name):
                self.model = model
                status, text = self.judge()
                self.assertEqual(status, 1)
                self.assertIn("wrong: the final model is not that of the offline reference", text)

    def test_another_model_of_the_python_client(self):
        status, text = self.judge("--python", str(self.workspace / "nothing"))
        self.assertEqual(status, 1)
        self.assertIn("wrong: the final model is not that of the Python client", text)

    def test_a_round_without_metrics(self):
        self.metrics = [line for line in self.metrics if line["step"] != 1 or line["site"] != "b"]
        status, text = self.judge()
        self.assertEqual(status, 1)
        self.assertIn("wrong: not every site logged an accuracy", text)


class Runs(unittest.TestCase):
    def setUp(self):
        self.driver = driver()

    def run_script(self, script, limit=20.0, silence=20.0):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "log.txt")
            return self.driver.run(sys.executable, ["-c", script], log, dict(os.environ), limit, silence)

    def test_a_good_run(self):
        self.assertEqual(self.run_script("pass"), "")

    def test_an_exit_status(self):
        self.assertEqual(self.run_script("raise SystemExit(3)"), "exit status 3")

    def test_no_end(self):
        script = "import subprocess; subprocess.run(['sleep', '77.125'], start_new_session=True)"
        self.assertEqual(self.run_script(script, limit=1), "no end within 1 s")
        self.assert_gone("77.125")

    def test_not_a_word(self):
        problem = self.run_script("import time; time.sleep(79.125)", silence=1)
        self.assertEqual(problem, "no end: not a word for 1 s")

    def test_a_word_now_and_then(self):
        script = "import time\nfor _ in range(8): print('.', flush=True); time.sleep(0.25)"
        self.assertEqual(self.run_script(script, silence=1), "")

    def test_a_process_is_left_behind(self):
        script = "import subprocess; subprocess.Popen(['sleep', '78.125'], start_new_session=True)"
        self.assertRegex(self.run_script(script), "left behind: .*sleep 78.125")
        self.assert_gone("78.125")

    def assert_gone(self, seconds):
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        self.assertNotIn(f"sleep {seconds}", lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "examples" / "nvflare"))
    unittest.main()
