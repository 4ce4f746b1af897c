#!/usr/bin/env python3
"""NVFlare's own FilePipe and PipeHandler at the other end of the folders: nothing of ours is on their side.

    file_pipe_test.py    with NVFlare's Python, of a version up to 2.8
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.app_common.decomposers import common_decomposers
from nvflare.apis.utils.decomposers import flare_decomposers
from nvflare.fuel.utils.constants import Mode
from nvflare.fuel.utils.pipe.file_pipe import FilePipe
from nvflare.fuel.utils.pipe.pipe import Message
from nvflare.fuel.utils.pipe.pipe_handler import PipeHandler

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build"))
TRAINER = str(BUILD / "bin" / "cell_trainer")
SECONDS = 60
FILE_PIPE = "nvflare.fuel.utils.pipe.file_pipe.FilePipe"


class Peer:
    """The passive end, as TaskExchanger and MetricRelay have it."""

    def __init__(self, root):
        flare_decomposers.register()
        common_decomposers.register()
        self.metrics, self.states, self.handlers = [], [], {}
        for channel in ("task", "metric"):
            pipe = FilePipe(mode=Mode.PASSIVE, root_path=str(root), file_check_interval=0.02)
            pipe.open(channel)
            handler = PipeHandler(pipe, read_interval=0.02, heartbeat_interval=0.3, heartbeat_timeout=30.0)
            handler.set_status_cb(lambda message: self.states.append(message.topic))
            self.handlers[channel] = handler
        self.handlers["metric"].set_message_cb(self.metrics.append)
        self.task = self.handlers["task"]
        for handler in self.handlers.values():
            handler.start()

    def send(self, model, task_id, timeout=SECONDS):
        task = DXO(DataKind.WEIGHTS, data=model).to_shareable()
        task.set_header("current_round", 1)
        return self.task.send_to_peer(Message.new_request("train", task, task_id), timeout)

    def result(self, task_id):
        for _ in range(SECONDS * 100):
            message = self.task.get_next()
            if message is None:
                time.sleep(0.01)
            elif message.req_id == task_id:
                return message.data
        raise AssertionError(f"no result of {task_id}")

    def stop(self):
        for handler in self.handlers.values():
            handler.stop(close_pipe=True)


class Files(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="files-")))
        self.root = self.home / "shared"
        pipe = {"CLASS_NAME": FILE_PIPE, "ARG": {"mode": "ACTIVE", "root_path": str(self.root)}}
        self.config = {
            "TASK_EXCHANGE": {"pipe_channel_name": "task", "pipe": pipe, "HEARTBEAT_TIMEOUT": 20.0},
            "METRICS_EXCHANGE": {"pipe_channel_name": "metric", "pipe": pipe, "HEARTBEAT_TIMEOUT": 0},
            "site_name": "site-1",
            "job_id": "a-job",
        }

    def start_peer(self):
        peer = Peer(self.root)
        self.addCleanup(peer.stop)
        return peer

    def start_trainer(self):
        (self.home / "config").mkdir(exist_ok=True)
        (self.home / "config" / "client_api_config.json").write_text(json.dumps(self.config))
        trainer = subprocess.Popen(
            [TRAINER], cwd=self.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.addCleanup(trainer.stdout.close)
        self.addCleanup(trainer.wait)
        self.addCleanup(trainer.kill)
        return trainer

    def said(self, trainer):
        said, _ = trainer.communicate(timeout=SECONDS)
        return said

    def check(self, model, result):
        received = from_shareable(result).data
        self.assertEqual(set(received), set(model))
        for name, array in model.items():
            np.testing.assert_array_equal(received[name], array + 1)
            self.assertEqual(received[name].dtype, array.dtype)

    def test_tasks_results_and_metrics(self):
        peer, trainer = self.start_peer(), self.start_trainer()
        models = [
            {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((), np.float64)},
            {"large": np.arange(3 << 20, dtype=np.float64), "small": np.ones(3, np.float32)},  # 24 MiB: a datum
        ]
        for number, model in enumerate(models):
            self.assertTrue(peer.send(model, f"task-{number}"))
            self.check(model, peer.result(f"task-{number}"))
        for _ in range(SECONDS * 100):
            if len(peer.metrics) == 2:
                break
            time.sleep(0.01)
        self.assertEqual([message.data.data_kind for message in peer.metrics], [DataKind.ANALYTIC] * 2)
        self.assertEqual([message.data.data["track_value"] for message in peer.metrics], [0.5, 0.5])
        self.assertEqual([message.data.data["global_step"] for message in peer.metrics], [1, 2])
        peer.task.notify_end("end_of_job")
        said = self.said(trainer)
        self.assertEqual(trainer.returncode, 0, said)
        self.assertIn("over the job ended", said)
        self.assertEqual(said.count("settled ok"), 4, said)
        self.assertEqual(peer.states, [], said)

    def test_an_abort(self):
        peer, trainer = self.start_peer(), self.start_trainer()
        self.assertTrue(peer.send({"w": np.zeros(1)}, "a"))
        peer.result("a")
        peer.task.notify_abort("a")
        peer.stop()  # and the folders go
        said = self.said(trainer)
        self.assertIn("over aborted", said)

    def test_broken_and_foreign_files(self):
        peer, trainer = self.start_peer(), self.start_trainer()
        folder = self.root / "task" / "x"
        (folder / "notes.txt").write_text("not of a pipe")
        (folder / "REQ.train.a.b").write_text("an id with a dot")
        (self.home / "half").write_bytes(b"\x64" * 100)
        (self.home / "half").rename(folder / "REQ.train.broken")
        self.assertEqual(peer.result("broken").get_return_code(), "BAD_TASK_DATA")
        self.assertTrue(peer.send({"w": np.zeros(2)}, "good"))
        self.check({"w": np.zeros(2)}, peer.result("good"))
        refused = sorted(path.name for path in (self.root / "task" / "refused").iterdir())
        self.assertEqual(refused, ["REQ.train.a.b", "REQ.train.broken", "notes.txt"])
        peer.task.notify_end("")
        self.assertIn("over the job ended", self.said(trainer))

    def test_a_peer_that_is_killed(self):
        self.config["TASK_EXCHANGE"]["HEARTBEAT_TIMEOUT"] = 2.0
        peer = subprocess.Popen([sys.executable, __file__, "--peer", str(self.root)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        trainer = self.start_trainer()
        self.assertEqual(peer.stdout.readline(), "the result is here\n")
        self.assertIsNone(trainer.poll())
        peer.kill()
        said = self.said(trainer)
        self.assertRegex(said, "over the peer is gone")

    def test_a_trainer_that_is_killed_leaves_the_task_to_the_next(self):
        peer, trainer = self.start_peer(), self.start_trainer()
        self.assertTrue(peer.send({"w": np.zeros(2)}, "first"))
        peer.result("first")
        trainer.send_signal(signal.SIGSTOP)
        sent = []
        sending = threading.Thread(target=lambda: sent.append(peer.send({"w": np.ones(2)}, "second")))
        sending.start()
        time.sleep(0.2)
        trainer.kill()
        trainer.wait()
        other = self.start_trainer()
        sending.join()
        self.assertEqual(sent, [True])
        self.check({"w": np.ones(2)}, peer.result("second"))
        peer.task.notify_end("")
        self.assertIn("over the job ended", self.said(other))


    def test_a_second_trainer_is_refused_and_the_first_goes_on(self):
        peer, trainer = self.start_peer(), self.start_trainer()
        self.assertTrue(peer.send({"w": np.zeros(2)}, "first"))
        peer.result("first")
        second = self.start_trainer()
        self.assertIn(f"error process {trainer.pid} is the trainer of the folder {self.root}/task", self.said(second))
        self.assertNotEqual(second.returncode, 0)
        self.assertTrue(peer.send({"w": np.zeros(2)}, "second"))
        peer.result("second")
        peer.task.notify_end("")
        self.assertIn("over the job ended", self.said(trainer))
        self.assertEqual(list((self.root / "task" / "t").iterdir()), [])


def be_a_peer(root):
    peer = Peer(root)
    assert peer.send({"w": np.zeros(1)}, "a")
    peer.result("a")
    print("the result is here", flush=True)
    time.sleep(SECONDS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        be_a_peer(sys.argv[2])
    else:
        unittest.main(verbosity=2)
