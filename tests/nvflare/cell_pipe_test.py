#!/usr/bin/env python3
"""NVFlare's own FedAvg recipe in its simulator, nothing of ours on its side: only the command that it starts as the
trainer is a program on NVFlare's own pipe.

    cell_pipe_test.py    with NVFlare's Python, of a version up to 2.8
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build"))
ROUNDS, SECONDS = 3, 240

JOB = """
import sys
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe import SimEnv

size, command, workspace = int(sys.argv[1]), sys.argv[2], sys.argv[3]
recipe = NumpyFedAvgRecipe(
    name="plus", model=[float(i) for i in range(size)], min_clients=2, num_rounds={rounds},
    train_script="no_script.py", launch_external_process=True, command=command, shutdown_timeout=10.0,
)
recipe.execute(SimEnv(num_clients=2, workspace_root=workspace)).get_result()
""".format(rounds=ROUNDS)


class Recipe(unittest.TestCase):
    def run_job(self, size):
        home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="cell-")))
        (home / "job.py").write_text(JOB)
        (home / "no_script.py").write_text("raise SystemExit('this is not to be run')\n")
        environment = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PATH"] = f"{pathlib.Path(sys.executable).parent}:{environment['PATH']}"
        done = subprocess.run(
            [sys.executable, "job.py", str(size), str(BUILD / "bin" / "cell_trainer"), str(home / "workspace")],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        models = list(home.glob("workspace/**/server.npy"))
        self.assertEqual(len(models), 1, done.stdout[-6000:])
        return np.load(models[0]), done.stdout

    def test_a_small_model(self):
        model, said = self.run_job(31)
        np.testing.assert_array_equal(model, np.arange(31) + ROUNDS, said[-6000:])
        self.assertEqual(len(re.findall(r"- task train(?! )", said)), 2 * ROUNDS, said[-6000:])
        self.assertEqual(said.count("settled ok"), 2 * 2 * ROUNDS, "results and metrics")
        self.assertEqual(said.count("over the job ended"), 2, "and not by a signal")
        self.assertNotIn("not accepted", said)

    def test_an_array_of_two_mebibytes(self):
        model, said = self.run_job(1 << 18)
        np.testing.assert_array_equal(model, np.arange(1 << 18) + ROUNDS, said[-3000:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
