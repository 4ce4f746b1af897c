#!/usr/bin/env python3
"""A trainer on NVFlare's own pipe with NVFlare's own ends, case by case: what a client job process sends it and how it
ends, behind a client parent that passes frames on in any order; the server fetches its results.

    cell_driver_test.py    with NVFlare's Python, of a version up to 2.8
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

import numpy as np
from cell_site import register, summary
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.fuel.data_event.utils import set_scope_property
from nvflare.fuel.f3.message import Message as CellMessage
from nvflare.fuel.utils.pipe.cell_pipe import CellPipe
from nvflare.fuel.utils.pipe.pipe import Message, Topic
from nvflare.fuel.utils.pipe.pipe_handler import PipeHandler

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build"))
HERE = pathlib.Path(__file__).resolve().parent
MODEL_MIB = int(os.environ.get("CELL_MODEL_MIB", 64))
SECONDS = 60 + MODEL_MIB / 4
MIB = 1 << 20
FLOATS = np.arange(17, dtype=np.float32)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """The cells of a server and of a client parent, in processes of their own: within one NVFlare takes shortcuts."""

    def __init__(self):
        port = free_port()
        self.processes = []
        self.root = {"fqcn": "server", "url": self.start("server", port), "connection_security": "clear"}
        self.url = self.start("site-1", port)
        self.parent = {"fqcn": "site-1", "url": self.url, "connection_security": "clear"}
        set_scope_property("site-1", "root_conn_props", self.root)
        set_scope_property("site-1", "cp_conn_props", self.parent)

    def start(self, name, port):
        self.processes.append(
            subprocess.Popen(
                [sys.executable, HERE / "cell_site.py", name, str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        return self.processes[-1].stdout.readline().strip()

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


class Trainer:
    def __init__(self, folder, config, **environment):
        (folder / "config").mkdir(parents=True, exist_ok=True)
        (folder / "config" / "client_api_config.json").write_text(json.dumps(config))
        self.process = subprocess.Popen(
            [BUILD / "bin" / "cell_trainer"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.said.append(line.strip())
                self.changed.notify_all()
        with self.changed:
            self.said.append("ended")
            self.changed.notify_all()

    def until(self, beginning, count=1):
        def seen():
            return [line for line in self.said if line.startswith(beginning)]

        with self.changed:
            self.changed.wait_for(lambda: len(seen()) >= count or "ended" in self.said, SECONDS)
            if len(seen()) < count:
                raise AssertionError(f"waited for {beginning}: " + "\n".join(self.said))
            return seen()[-1]

    def warned(self, text):
        with self.changed:
            said = self.changed.wait_for(lambda: [line for line in self.said if text in line], SECONDS)
        if not said:
            raise AssertionError(f"waited for {text}: " + "\n".join(self.said))
        return said[-1]

    def memory(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(name))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Pipe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        register()
        cls.site = Site()
        cls.addClassCleanup(cls.site.close)

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="cell-")))
        self.token = uuid.uuid4().hex[:8]

    def config(self, heartbeat_timeout=30.0):
        pipe = {
            "CLASS_NAME": "nvflare.fuel.utils.pipe.cell_pipe.CellPipe",
            "ARG": {
                "mode": "ACTIVE",
                "site_name": "site-1",
                "token": self.token,
                "root_url": self.site.url,
                "secure_mode": False,
                "workspace_dir": str(self.folder),
            },
        }
        return {
            "TASK_EXCHANGE": {
                "train_with_eval": True,
                "exchange_format": "numpy",
                "server_expected_format": "numpy",
                "transfer_type": "FULL",
                "train_task_name": "train",
                "eval_task_name": "validate",
                "submit_model_task_name": "submit_model",
                "pipe_channel_name": "task",
                "pipe": pipe,
                "HEARTBEAT_TIMEOUT": heartbeat_timeout,
                "launch_once": True,
            },
            "METRICS_EXCHANGE": {"pipe_channel_name": "metric", "pipe": pipe, "HEARTBEAT_TIMEOUT": 0},
            "site_name": "site-1",
            "job_id": self.token,
            "root_conn_props": self.site.root,
            "cp_conn_props": self.site.parent,
        }

    def trainer(self, config=None, **environment):
        trainer = Trainer(self.folder, config or self.config(), **environment)
        self.stack.callback(trainer.close)
        return trainer

    def open(self, name):
        pipe = CellPipe(
            mode="PASSIVE", site_name="site-1", token=self.token, root_url=self.site.url, secure_mode=False, workspace_dir=""
        )
        pipe.open(name)
        handler = PipeHandler(pipe, read_interval=0.01, heartbeat_interval=1.0, heartbeat_timeout=SECONDS)
        handler.start()
        self.stack.callback(handler.stop)
        return handler

    def exchange(self, data, **environment):
        """A task of this model, and what the server fetches of its result."""
        tasks, metrics = self.open("task"), self.open("metric")
        trainer = self.trainer(**environment)
        trainer.until("up")
        result = self.send(tasks, data)
        self.assertEqual(result.msg_type, Message.REPLY)
        got = self.fetch(tasks, result.data)
        trainer.until("settled ok", 2)
        metric = self.next(metrics)
        self.assertEqual((metric.data.data["track_key"], metric.data.data["track_value"]), ("loss", 0.5))
        return tasks, trainer, got

    def send(self, tasks, data):
        self.model = DXO(DataKind.WEIGHTS, data=data)
        message = Message.new_request("train", self.model.to_shareable(), msg_id=str(uuid.uuid4()))
        self.assertTrue(tasks.send_to_peer(message, timeout=SECONDS))
        result = self.next(tasks)
        self.assertEqual((result.topic, result.req_id), ("train", message.msg_id))
        return result

    def next(self, handler):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            message = handler.get_next()
            if message:
                return message
            time.sleep(0.01)
        raise AssertionError("nothing came")

    def fetch(self, tasks, shareable):
        reply = tasks.pipe.cell.send_request(
            channel="test", topic="fetch", target="server", request=CellMessage(payload=shareable), timeout=SECONDS
        )
        return reply.payload

    def check_end(self, tasks, trainer):
        tasks.notify_end("end_of_job")
        self.assertIn("over", trainer.until("over"))
        self.assertEqual(trainer.process.wait(SECONDS), 0)


class Models(Pipe):
    def test_small_and_mixed(self):
        data = {
            "a": FLOATS,
            "b": np.arange(6, dtype=np.int64).reshape(2, 3),
            "c": np.zeros((0, 4), np.float64),
            "d": np.array([True, False]),
            "text": "hello",
            "bytes": b"1234",
            "one": 1,
        }
        tasks, trainer, got = self.exchange(data, CELL_TRAINER_ECHO="1")
        self.assertEqual(got["a"], summary(self.model)["a"])
        self.assertEqual({name: got[name] for name in "bcd"}, {name: summary(self.model)[name] for name in "bcd"})
        self.assertEqual((got["text"], got["bytes"]), ("'hello'", summary(self.model)["bytes"]))
        self.check_end(tasks, trainer)

    def test_several_large_ones_and_large_bytes(self):
        data = {str(i): np.arange(2 * MIB, dtype=np.float32) + i for i in range(4)}
        data["bytes"] = bytes(range(256)) * (12 * MIB // 256)
        tasks, trainer, got = self.exchange(data, CELL_TRAINER_ECHO="1")
        self.assertEqual(got, summary(self.model))
        self.check_end(tasks, trainer)

    def test_one_is_added(self):
        tasks, trainer, got = self.exchange({"w": FLOATS})
        self.assertEqual(got, summary(DXO(DataKind.WEIGHTS, data={"w": FLOATS + 1})))
        self.check_end(tasks, trainer)

    def test_arrays_inside_the_message(self):
        environment = {**os.environ, "NVFLARE_NP_DOWNLOAD_CHUNK_SIZE": "0"}
        command = [sys.executable, __file__, "Models.test_one_is_added", "Models.test_several_large_ones_and_large_bytes"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])

    def test_nothing_is_there_twice(self):
        size = MODEL_MIB * MIB
        tasks, _ = self.open("task"), self.open("metric")
        trainer = self.trainer(CELL_TRAINER_ECHO="1")
        trainer.until("up")
        time.sleep(0.5)
        before = trainer.memory("VmRSS")
        for _ in range(2):
            result = self.send(tasks, {"w": np.arange(size // 4, dtype=np.float32)})
            self.assertEqual(self.fetch(tasks, result.data), summary(self.model))
        peak = trainer.memory("VmHWM") - before
        print(f"the trainer needs {peak / size:.3f} of the model", file=sys.stderr)
        self.assertLess(peak, 1.1 * size + 12 * MIB)


class Ends(Pipe):
    def test_abort(self):
        tasks, trainer, _ = self.exchange({"w": FLOATS})
        tasks.notify_abort("enough")
        self.assertIn("aborted", trainer.until("over"))
        self.assertEqual(trainer.process.wait(SECONDS), 1)

    def test_silence(self):
        handlers = [self.open("task"), self.open("metric")]
        trainer = self.trainer(self.config(heartbeat_timeout=3.0))
        trainer.until("up")
        handlers[0].pipe.send(Message.new_request(Topic.HEARTBEAT, ""))  # silence counts from the first sign on
        for handler in handlers:
            self.stack.callback(handler.pipe.close)
            handler.stop(close_pipe=False)
        begun = time.monotonic()
        self.assertIn("nothing was heard", trainer.until("over"))
        self.assertLess(time.monotonic() - begun, 10)

    def test_nothing_is_lost_by_leaving_at_once(self):
        for _ in range(3):
            self.token = uuid.uuid4().hex[:8]
            _, trainer, got = self.exchange({"w": np.arange(MIB, dtype=np.float32)}, CELL_TRAINER_EXIT="1")
            self.assertEqual(got, summary(DXO(DataKind.WEIGHTS, data={"w": np.arange(MIB, dtype=np.float32) + 1})))
            self.assertEqual(trainer.process.wait(SECONDS), 0)

    def test_nothing_is_lost_by_the_end_and_a_signal(self):
        tasks, trainer, got = self.exchange({"w": FLOATS})
        threading.Thread(target=tasks.notify_end, args=("end_of_job",)).start()
        time.sleep(0.001)
        trainer.process.send_signal(signal.SIGTERM)
        self.assertEqual(got, summary(DXO(DataKind.WEIGHTS, data={"w": FLOATS + 1})))
        trainer.process.wait(SECONDS)


class Mistakes(Pipe):
    def test_another_parent_than_the_configuration_says(self):
        config = self.config()
        config["cp_conn_props"] = {**self.site.parent, "fqcn": "site-9"}
        trainer = self.trainer(config)
        begun = time.monotonic()
        self.assertIn("is 'site-1' and should be 'site-9'", trainer.until("over"))
        self.assertLess(time.monotonic() - begun, 10)  # connect_timeout is 60

    def test_another_name_than_that_of_the_other_end(self):
        self.open("task")
        config = self.config()
        for key in ("TASK_EXCHANGE", "METRICS_EXCHANGE"):
            config[key]["pipe"]["ARG"]["token"] = "another"
        warning = self.trainer(config).warned("waits for a trainer")
        self.assertIn(f"'site-1.site-1_{self.token}_passive' (agent_id '{self.token}')", warning)

    def test_a_second_process_of_the_same_name(self):
        tasks, _ = self.open("task"), self.open("metric")
        first = self.trainer(CELL_TRAINER_ECHO="1")
        first.until("up")
        second = self.trainer()
        self.assertIn(f"process {first.process.pid} is connected as the cell", second.until("error"))
        self.assertEqual(second.process.wait(SECONDS), 2)
        result = self.send(tasks, {"w": FLOATS})
        self.assertEqual(self.fetch(tasks, result.data), summary(self.model))

    def test_a_secure_server_without_a_token(self):
        config = self.config()
        config["root_conn_props"] = {**self.site.root, "connection_security": "mtls"}
        for key in ("TASK_EXCHANGE", "METRICS_EXCHANGE"):
            config[key]["pipe"]["ARG"]["root_url"] = self.site.root["url"]
            config[key]["pipe"]["ARG"]["secure_mode"] = True
        self.assertIn("auth_token", self.trainer(config).until("error"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
