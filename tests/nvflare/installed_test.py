#!/usr/bin/env python3
"""The plugin installed at the sites, in NVFlare's simulator: a job without any code gives one site a trainer that its
policy names, and the other a command, which is refused."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import uuid

from job_test import driver
from site_process import LIBRARY, ROOT, TRAINER

APPS = {
    "server": {
        "workflows": [
            {
                "id": "fedavg",
                "path": "nvflare.app_common.workflows.fedavg.FedAvg",
                "args": {"num_clients": 2, "num_rounds": 1, "ignore_result_error": True},
            }
        ],
        "components": [
            {
                "id": "persistor",
                "path": "nvflare.app_common.np.np_model_persistor.NPModelPersistor",
                "args": {"model": [1.0, 2.0]},
            }
        ],
    },
    "site-1": {"trainer": "echo"},
    "site-2": {"command": f"{TRAINER} echo"},
}
LOCAL = {
    "resources.json": {"format_version": 2, "class_allow_list": ["nvflare.", "agent_executor.AgentExecutor"]},
    "flare_agent_policy.json": {"library": LIBRARY, "trainers": {"echo": {"command": [TRAINER, "echo"]}}},
}


def write_job(folder):
    deploy_map = {app: [app] for app in APPS}
    meta = {"name": "installed", "min_clients": 2, "resource_spec": {}, "deploy_map": deploy_map}
    write(folder / "meta.json", meta)
    for app, content in APPS.items():
        if app != "server":
            executor = {"path": "agent_executor.AgentExecutor", "args": content}
            content = {"executors": [{"tasks": ["train"], "executor": executor}], "components": []}
        side = "server" if app == "server" else "client"
        write(folder / app / "config" / f"config_fed_{side}.json", {"format_version": 2, **content})


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


class Installed(unittest.TestCase):
    def test_a_job_without_code(self):
        tool = driver()
        python = pathlib.Path(sys.executable)
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name, value in LOCAL.items():
            write(folder / "ws" / "local" / name, value)
        write_job(folder / "job")
        environment = tool.environment_of(python, LIBRARY, False)
        del environment["FLARE_AGENT_LIBRARY"]  # the policy says it
        environment["PYTHONPATH"] = str(ROOT / "integrations" / "nvflare")
        words = [python, python.parent / "nvflare", "simulator", folder / "job", "-w", folder / "ws"]
        lock = pathlib.Path(tempfile.gettempdir()) / f"nvflare-simulator-{os.getuid()}.lock"
        with tool.one_at_a_time(lock), open(folder / "log.txt", "wb") as output:
            for _ in range(tool.TRIES):
                mark = uuid.uuid4().hex
                with contextlib.suppress(subprocess.TimeoutExpired):
                    more = {"stdout": output, "stderr": output, "env": {**environment, tool.MARK: mark}}
                    done = subprocess.run([*words, "-c", "site-1,site-2", "-t", "2"], timeout=120, **more)
                    break
                tool.left_behind(mark, 0)
        self.assertEqual(tool.left_behind(mark, 10), {})
        self.assertEqual(done.returncode, 0, (folder / "log.txt").read_text())
        logs = [(folder / "ws" / site / "log.txt").read_text() for site in ("site-1", "site-2")]
        self.assertIn("trainer 'echo' ", logs[0])
        self.assertIn("task train: OK (WEIGHTS)", logs[0])
        self.assertIn("only of jobs that may bring code (byoc), and this one brings none", logs[1])
        self.assertIn("use one of its trainers: echo", logs[1])
        self.assertNotIn("task train: OK", logs[1])


if __name__ == "__main__":
    unittest.main()
