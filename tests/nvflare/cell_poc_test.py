#!/usr/bin/env python3
"""Trainers on NVFlare's own pipe in a federation with certificates, nothing of ours on its side: through the site's
parent process, straight to the server, and started by hand. The jobs run at once.

    cell_poc_test.py    with NVFlare's Python, of a version up to 2.8
"""
import json
import os
import shlex
import subprocess
import threading
import time
import unittest
import uuid

from nvflare.app_common.executors.task_exchanger import TaskExchanger
from nvflare.app_common.widgets.external_configurator import ExternalConfigurator
from nvflare.app_common.widgets.metric_relay import MetricRelay
from nvflare.fuel.utils.pipe.cell_pipe import CellPipe, Mode
from nvflare.job_config.script_runner import BaseScriptRunner
from poc_test import LIMIT, Job, Poc, hello_command, run  # it knows where the examples are
from replace_trainer_test import blocks

from federation import free_port
from hello import job as hello


def cell_pipe(url, token):
    """Both ends of it connect to `url`: {CP_URL} is the site's parent process, {ROOT_URL} the server."""
    where = {"root_url": url, "secure_mode": "{SECURE_MODE}", "workspace_dir": "{WORKSPACE}"}
    return CellPipe(mode=Mode.PASSIVE, site_name="{SITE_NAME}", token=token, **where)


def to_the_server():
    """Arguments of the runner, as ScriptRunner takes no pipes, and its pipe_connect_type no server."""
    task_pipe, metric_pipe = (cell_pipe("{ROOT_URL}", "{JOB_ID}") for _ in range(2))
    return {"runner": BaseScriptRunner, "task_pipe": task_pipe, "metric_pipe": metric_pipe}


class Federation(run.Federation):
    """With a site whose parent process listens as docs/replace_trainer.md says."""

    def _provision(self):
        super()._provision()
        self.fixed_port = free_port()
        (shown,) = blocks("A TaskExchanger", "json")
        config = json.loads(shown)
        config["internal"]["resources"]["port"] = self.fixed_port
        (self.kits / "site-2" / "local" / "comm_config.json").write_text(json.dumps(config))


class Exchanger:
    """The components of a client whose trainer is started by somebody else."""

    def add_to_fed_job(self, job, ctx, tasks):
        job.add_component("pipe", cell_pipe("{CP_URL}", "by_hand"), ctx)
        job.add_component("metrics_pipe", cell_pipe("{CP_URL}", "by_hand"), ctx)
        job.add_component("metric_relay", MetricRelay("metrics_pipe", event_type="fed.analytix_log_stats"), ctx)
        job.add_component("configurator", ExternalConfigurator(["metric_relay"]), ctx)
        job.add_executor(TaskExchanger("pipe", peer_read_timeout=5.0), tasks, ctx)


class Secure(Poc):
    Federation = Federation

    @classmethod
    def submit(cls):
        command = shlex.join(hello_command("c"))

        def launched(name, **more):
            client = run.script_runner(command, hello, cls.folder, **more)
            return Job(cls.federation, cls.folder / name, "hello", client)

        cls.parent = launched("parent")
        cls.server = launched("server", **to_the_server())
        cls.by_hand = Job(cls.federation, cls.folder / "by-hand", "hello", Exchanger())
        file = cls.config_file(cls.by_hand, "site-1")
        end = time.monotonic() + LIMIT
        while not file.exists():
            if time.monotonic() > end:
                raise TimeoutError(f"the site does not write {file}")
            time.sleep(0.1)
        cls.trainers = [cls.start(url=f"nvflare:{file}")]
        address = f"cell+tcp://localhost:{cls.federation.fixed_port}"
        cls.trainers.append(cls.start(url=address, site="site-2", agent_id="by_hand", cell_parent="site-2"))

    @classmethod
    def start(cls, stderr=None, text=None, **options):
        environment = {**os.environ, **{f"FLARE_AGENT_{name.upper()}": value for name, value in options.items()}}
        streams = {"stdin": subprocess.DEVNULL, "stderr": stderr, "text": text}
        trainer = subprocess.Popen(hello_command("c"), cwd=cls.folder, env=environment, **streams)
        cls.addClassCleanup(trainer.wait)
        cls.addClassCleanup(trainer.kill)
        return trainer

    @classmethod
    def config_file(cls, job, site):
        return cls.federation.site(site, job.id) / f"app_{site}" / "config" / "client_api_config.json"

    def pipe_of(self, job):
        """What a trainer of the job was told of the connection."""
        config = json.loads(self.config_file(job, "site-1").read_text())
        return config["TASK_EXCHANGE"]["pipe"]["ARG"], config

    def assert_no_false_alarm(self, job):
        for site in run.SITES:
            self.assertNotRegex(job.site_log(site), "the server does not answer|waits for a trainer")

    def test_through_the_parent_process(self):
        self.assert_learned(self.parent)
        self.assert_no_false_alarm(self.parent)
        pipe, config = self.pipe_of(self.parent)
        self.assertEqual(pipe["root_url"], config["cp_conn_props"]["url"])

    def test_straight_to_the_server(self):
        self.assert_learned(self.server)
        self.assert_no_false_alarm(self.server)
        pipe, config = self.pipe_of(self.server)
        self.assertTrue(pipe["root_url"].endswith(f":{self.federation.port}"))  # where clear connections are refused
        self.assertEqual(config["root_conn_props"]["connection_security"], "mtls")

    def test_a_wrong_token(self):
        """Such a server says so in its own log alone."""
        options = {
            "url": f"cell+tcp://localhost:{self.federation.port}",
            "site": "site-1",
            "agent_id": "wrong",
            "cell_security": "mtls",
            "workspace_dir": str(self.federation.kits / "site-1"),
            "auth_token": str(uuid.uuid4()),
            "auth_token_signature": "AAAA",
        }
        begun = time.monotonic()
        trainer = self.start(stderr=subprocess.PIPE, text=True, **options)
        killer = threading.Timer(30, trainer.kill)
        killer.start()
        self.addCleanup(killer.cancel)
        self.assertIn("auth_token_signature or site may be wrong", trainer.stderr.readline())
        self.assertLess(time.monotonic() - begun, 15)
        trainer.kill()
        trainer.stderr.close()

    def test_started_by_hand(self):
        self.assert_learned(self.by_hand)
        self.assertEqual([trainer.wait(30) for trainer in self.trainers], [0, 0])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")  # NVFlare leaves sockets to the garbage collector
