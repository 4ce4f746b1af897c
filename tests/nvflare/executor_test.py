#!/usr/bin/env python3
"""AgentExecutor against real trainers, without NVFlare's servers."""
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.app_common.app_constant import AppConstants
from site_process import BUILD, JOB, LIBRARY, TRAINER, AgentExecutor, Site, result_of


def group_is_empty(pid):
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def end_group(pid):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Case(unittest.TestCase):
    def assert_failed(self, reply, code, *words):
        self.assertEqual(reply.get_return_code(), code)
        for word in words:
            self.assertIn(word, reply.get_header("reason"))

    def assert_soon(self, condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        self.assertTrue(condition())


class Semantics(Case):
    def test_a_model_goes_there_and_back(self):
        model = {
            "w": np.arange(6, dtype=np.float32).reshape(2, 3),
            "transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
            "scalar": np.float32(3.5),
            "empty": np.zeros((0, 4), np.int64),
            "flags": np.array([True, False]),
            "layers": {"first": {"bias": np.array([1, -2], np.int8)}},
        }
        with Site() as site:
            reply = site.execute(model, headers={"current_round": 3, "num_rounds": 9}, meta={"current_round": 2})
        result = result_of(reply)
        self.assertEqual(reply.get_return_code(), ReturnCode.OK)
        self.assertEqual(result.data_kind, DataKind.WEIGHTS)
        self.assertEqual(list(result.data), list(model))
        np.testing.assert_array_equal(result.data["w"], model["w"])
        np.testing.assert_array_equal(result.data["transposed"], model["transposed"])
        np.testing.assert_array_equal(result.data["layers"]["first"]["bias"], [1, -2])
        self.assertEqual(result.data["layers"]["first"]["bias"].dtype, np.int8)
        self.assertEqual(result.data["scalar"].shape, ())
        self.assertEqual(result.data["empty"].shape, (0, 4))
        self.assertEqual(result.data["flags"].dtype, np.bool_)
        self.assertEqual(result.meta["NUM_STEPS_CURRENT_ROUND"], 7)
        self.assertEqual(result.meta["initial_metrics"], {"accuracy": 0.5})
        self.assertEqual(reply.get_header("current_round"), 3)
        self.assertEqual(reply.get_header("num_rounds"), 9)

    def test_results_may_be_written_to_and_outlive_the_run(self):
        with Site() as site:
            small = result_of(site.execute({"w": np.ones(4, np.float32)})).data["w"]
            large = result_of(site.execute({"w": np.ones(1 << 20, np.float32)})).data["w"]
        small += 1
        large -= 3
        self.assertEqual(small.tolist(), [2] * 4)
        self.assertTrue((large == -2).all())

    def test_the_model_of_the_task_is_left_alone(self):
        model = np.ones(1 << 20, np.float32)
        with Site("add") as site:
            result = result_of(site.execute({"w": model})).data["w"]
            result += 5
        self.assertTrue((model == 1).all())
        self.assertTrue((result == 7).all())

    def test_diff(self):
        model = {"w": np.full(5, 2, np.float32), "n": {"b": np.full(2, 3, np.float32)}}
        with Site("add", params_transfer_type="DIFF") as site:
            result = result_of(site.execute(model))
            self.assertEqual(result.data_kind, DataKind.WEIGHT_DIFF)
            self.assertEqual(result.data["w"].tolist(), [1] * 5)
            self.assertEqual(result.data["n"]["b"].tolist(), [1] * 2)
            self.assertEqual(model["w"].tolist(), [2] * 5)
            # A model that is asked for as such is whole.
            self.assertEqual(result_of(site.execute(model, name="validate")).data_kind, DataKind.WEIGHTS)

    def test_lists_become_tensors(self):
        with Site() as site:
            result = result_of(site.execute({"w": [[1.0, 2.0], [3.0, 4.0]]}))
        self.assertEqual(result.data["w"].dtype, np.float32)
        self.assertEqual(result.data["w"].shape, (2, 2))

    def test_a_task_without_a_model(self):
        with Site() as site:
            reply = site.execute(None, name="submit_model", headers={AppConstants.MODEL_OWNER: "x"})
        self.assertEqual(reply.get_return_code(), ReturnCode.OK)
        self.assertEqual(from_shareable(reply).data, {"accuracy": 0.5})
        self.assertEqual(from_shareable(reply).data_kind, DataKind.METRICS)
        self.assertEqual(reply.get_header(AppConstants.MODEL_OWNER), "x")

    def test_metrics_become_events(self):
        with Site() as site:
            site.execute({"w": np.ones(1, np.float32)}, headers={"current_round": 4})
            site.end()
            events = [(kind, from_shareable(data)) for kind, data in site.engine.events if kind.startswith("fed.")]
        self.assertEqual([kind for kind, _ in events], ["fed.analytix_log_stats"] * 2)
        self.assertEqual([dxo.data_kind for _, dxo in events], [DataKind.ANALYTIC] * 2)
        self.assertEqual(events[0][1].data["track_key"], "loss")
        self.assertEqual(events[0][1].data["track_value"], 0.25)
        self.assertEqual(events[0][1].data["global_step"], 4)
        self.assertEqual(events[1][1].data["track_value"], {"a": 1, "b": 2.5})
        self.assertEqual(events[1][1].get_meta_prop("analytics_data_type"), AnalyticsDataType.SCALARS)

    def test_what_the_trainer_is_told(self):
        with Site(environment={"EXTRA": "1"}) as site:
            site.execute({"w": np.ones(1, np.float32)})
            with open(f"/proc/{site.trainer.pid}/environ") as file:
                variables = dict(pair.split("=", 1) for pair in file.read().split("\0") if pair)
            profile = variables["FLARE_AGENT_PROFILE"]
            self.assertEqual(os.stat(profile).st_mode & 0o777, 0o600)
            with open(profile) as file:
                token = json.load(file)["token"]
            self.assertFalse([name for name, value in variables.items() if token in value])
            self.assertEqual(variables["FLARE_AGENT_SITE"], "site-1")
            self.assertEqual(variables["FLARE_AGENT_JOB_ID"], JOB)
            self.assertEqual(variables["EXTRA"], "1")
            self.assertEqual(os.readlink(f"/proc/{site.trainer.pid}/cwd"), site.engine.app)
        self.assertFalse(os.path.exists(os.path.dirname(profile)))

    def test_the_keys_of_the_exchanger_are_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            command = os.path.join(os.environ["FLARE_TEST_BUILD_DIR"], "bin", "flare-agent")
            for name in ("site", "trainer"):
                subprocess.run([command, "keys", f"{folder}/{name}"], check=True, stdout=subprocess.DEVNULL)
            keys = {"curve_secret_key_file": f"{folder}/site.secret",
                    "curve_admitted_keys_file": f"{folder}/trainer.public"}
            own = {"FLARE_AGENT_CURVE_SECRET_KEY_FILE": f"{folder}/trainer.secret",
                   "FLARE_AGENT_CURVE_EXCHANGER_KEY_FILE": f"{folder}/site.public"}
            with Site(url="zmq+tcp://127.0.0.1:*", options=keys, environment=own) as site:
                self.assertEqual(site.execute({"w": np.ones(1, np.float32)}).get_return_code(), ReturnCode.OK)

    def test_a_task_costs_little(self):
        with Site() as site:
            times = []
            for _ in range(101):
                begin = time.monotonic()
                site.execute({"w": np.ones(31, np.float32)})
                times.append(time.monotonic() - begin)
        print(f"executor: median {statistics.median(times[1:]) * 1000:.2f} ms per task of 100")
        self.assertLess(statistics.median(times[1:]), 0.25)  # nothing is polled, and a busy machine is no failure


class Results(Case):
    def test_what_does_not_fit_is_refused_by_name(self):
        model = {"first": np.ones(4, np.float32), "second": np.ones(2, np.float32)}
        for mode, words in {
            "nan": ("tensor 'first'", "1 of 4", "NaN"),
            "short": ("tensor 'first'", "[3]", "[4]"),
            "less": ("tensor 'first' is missing",),
            "metrics": ("the trainer sent METRICS and no model",),
        }.items():
            with self.subTest(mode), Site(mode) as site:
                self.assert_failed(site.execute(model), ReturnCode.EXECUTION_RESULT_ERROR, *words)

    def test_checks_can_be_left_out(self):
        for mode in ("nan", "metrics"):
            with self.subTest(mode), Site(mode, check_results=False) as site:
                self.assertEqual(site.execute({"w": np.ones(4, np.float32)}).get_return_code(), ReturnCode.OK)

    def test_what_has_no_difference_is_refused_by_name(self):
        model = {"w": np.ones(4, np.float32)}
        with Site("more", params_transfer_type="DIFF") as site:
            reply = site.execute(model)
            self.assert_failed(reply, ReturnCode.EXECUTION_RESULT_ERROR, "'more' is not in the task's model")
            self.assertEqual(site.execute(model, name="validate").get_return_code(), ReturnCode.OK)  # it goes on
        with Site(params_transfer_type="DIFF") as site:
            reply = site.execute({"flags": np.array([True])})
            self.assert_failed(reply, ReturnCode.EXECUTION_RESULT_ERROR, "'flags' is of bool", "FULL")

    def test_a_trainer_that_sends_weights_instead_of_differences_is_refused(self):
        with Site(params_transfer_type="DIFF", options={"params_transfer_type": "FULL"}) as site:
            reply = site.execute({"w": np.ones(4, np.float32)})
            self.assert_failed(reply, ReturnCode.EXECUTION_RESULT_ERROR, "the trainer sent WEIGHTS")

    def test_a_failure_of_the_trainer_keeps_code_and_reason(self):
        with Site("fail") as site:
            reply = site.execute({"w": np.ones(4, np.float32)})
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "the data set is empty")

    def test_what_cannot_be_sent_is_refused_by_name(self):
        with Site() as site:
            reply = site.execute({"w": np.array(["text"])})
            self.assert_failed(reply, ReturnCode.BAD_TASK_DATA, "'w'")
            self.assertEqual(site.execute({"w": np.ones(1, np.float32)}).get_return_code(), ReturnCode.OK)


class Ends(Case):
    MODEL = {"w": np.ones(4, np.float32)}

    def test_the_job_ends_and_so_does_the_trainer(self):
        with Site() as site:
            site.execute(self.MODEL)
            trainer = site.trainer
            site.end()
            self.assertEqual(trainer.how_it_ended(), "ended with exit status 0")
            self.assertTrue(group_is_empty(trainer.pid))

    def test_a_trainer_that_stays_is_asked_to_end_after_its_grace(self):
        with Site("stay", stop_grace_period=0.5) as site:
            site.execute(self.MODEL)
            trainer = site.trainer
            begin = time.monotonic()
            site.end()
            self.assertGreaterEqual(time.monotonic() - begin, 0.5)
            self.assertEqual(trainer.how_it_ended(), "ended with exit status 5")
            self.assertEqual(site.log().splitlines(), ["the job is over", "asked to end"])

    def test_a_trainer_that_exits_at_once(self):
        with Site("quit") as site:
            reply = site.execute(self.MODEL)
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "exit status 3", "no GPU here")

    def test_a_trainer_that_crashes_in_a_task_leaves_no_child(self):
        with Site("crash") as site:
            pid = site.trainer.pid
            begin = time.monotonic()
            reply = site.execute(self.MODEL, headers={"current_round": 5})
            self.assertLess(time.monotonic() - begin, 10)
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "signal 6", "out of luck in round 5")
            self.assert_soon(lambda: group_is_empty(pid))

    def test_a_trainer_that_is_killed_in_a_task(self):
        with Site("killed") as site:
            pid = site.trainer.pid
            begin = time.monotonic()
            reply = site.execute(self.MODEL)
            self.assertLess(time.monotonic() - begin, 10)
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "signal 9")
            self.assert_soon(lambda: group_is_empty(pid))

    def test_a_trainer_that_leaves_between_tasks(self):
        with Site("leave") as site:
            self.assertEqual(site.execute(self.MODEL).get_return_code(), ReturnCode.OK)
            reply = site.execute(self.MODEL)
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "ended with exit status 0")

    def test_a_trainer_that_hangs(self):
        with Site("hang", task_timeout=1.0, stop_grace_period=0.2) as site:
            pid = site.trainer.pid
            self.assert_failed(site.execute(self.MODEL), ReturnCode.EXECUTION_EXCEPTION, "within 1 s", "task_timeout")
            site.end()
            self.assert_soon(lambda: group_is_empty(pid))

    def test_a_trainer_that_hangs_is_not_waited_for(self):
        with Site("hang", task_timeout=1.0, stop_grace_period=60.0) as site:
            pid = site.trainer.pid
            site.execute(self.MODEL)
            begin = time.monotonic()
            site.end()  # NVFlare kills this process 10 s after an abort, and nobody else would end the trainer
            self.assertLess(time.monotonic() - begin, 30)
            self.assert_soon(lambda: group_is_empty(pid))

    def test_a_trainer_that_is_frozen(self):
        with Site(heartbeat_interval=0.3, heartbeat_timeout=3.0, stop_grace_period=0.2) as site:
            self.assertEqual(site.execute(self.MODEL).get_return_code(), ReturnCode.OK)
            os.kill(site.trainer.pid, signal.SIGSTOP)
            begin = time.monotonic()
            reply = site.execute(self.MODEL)
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "nothing was heard from the peer for 3 s")
            self.assertLess(time.monotonic() - begin, 15)

    def test_a_trainer_that_never_connects(self):
        with Site("stranger", start_timeout=0.5, stop_grace_period=0.2) as site:
            reply = site.execute(self.MODEL)
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "did not connect within 0.5 s")

    def test_an_abort_is_seen_at_once(self):
        with Site("hang", stop_grace_period=10.0) as site:
            pid = site.trainer.pid
            site.abort_after(0.5)
            begin = time.monotonic()
            self.assert_failed(site.execute(self.MODEL), ReturnCode.TASK_ABORTED)
            self.assertLess(time.monotonic() - begin, 5.0)
            site.end()  # sooner than stop_grace_period says: NVFlare would kill this process
            self.assertLess(time.monotonic() - begin, 9.5)
            self.assert_soon(lambda: group_is_empty(pid))


    def test_all_ends_with_the_process_of_nvflare(self):
        # Which its simulator ends by SIGTERM, and its sites some seconds after an abort.
        script = (
            "from site_process import Site\n"
            "import time\n"
            "with Site('hang') as site:\n"
            "    print(site.trainer.pid, site.executor._run._folder, flush=True)\n"
            "    time.sleep(60)\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=os.path.dirname(__file__)
        )
        pid, folder = process.stdout.readline().split()
        self.addCleanup(end_group, int(pid))
        self.assertFalse(group_is_empty(int(pid)))
        process.kill()
        process.wait()
        process.stdout.close()
        self.assert_soon(lambda: group_is_empty(int(pid)), 10)  # it and its child ignore SIGTERM
        self.assert_soon(lambda: not os.path.exists(folder))

    def test_a_forked_child_keeps_neither_the_end_nor_the_guard_waiting(self):
        with Site() as site:
            site.execute({"w": np.ones(1, np.float32)})
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            self.addCleanup(os.waitpid, child, 0)
            self.addCleanup(os.kill, child, signal.SIGKILL)
            begun = time.monotonic()
            site.end()
            self.assertLess(time.monotonic() - begun, 30)

    def test_a_child_in_a_session_of_its_own_is_named(self):
        with self.assertLogs("agent_executor.AgentExecutor", "WARNING") as logs, Site("detach") as site:
            site.execute(self.MODEL)
            trainer = site.trainer.pid
            site.end()
        self.assertEqual(len(logs.output), 1)
        found = re.search(rf"process (\d+) that trainer {trainer} started still runs, .*\(kill \1\)", logs.output[0])
        self.assertTrue(found, logs.output)
        child = int(found[1])
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.assertEqual(os.getsid(child), child)
        self.assertTrue(logs.output[0].endswith(f"It is: {TRAINER} detach"), logs.output)


class Starts(Case):
    def first_task_of(self, **arguments):
        with Site(**arguments) as site:
            return site.execute({"w": np.ones(1, np.float32)})

    def test_the_library_is_missing(self):
        reply = self.first_task_of(library="/nowhere/libflare_agent.so")
        self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "/nowhere/libflare_agent.so", "'library'")

    def test_the_library_is_found_by_the_environment(self):
        os.environ["FLARE_AGENT_LIBRARY"] = LIBRARY
        try:
            self.assertEqual(self.first_task_of(library="").get_return_code(), ReturnCode.OK)
            os.environ["FLARE_AGENT_LIBRARY"] = "/nowhere.so"
            reply = self.first_task_of(library="")
            self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "/nowhere.so (FLARE_AGENT_LIBRARY)")
        finally:
            del os.environ["FLARE_AGENT_LIBRARY"]

    def test_the_program_is_missing_or_no_program(self):
        reply = self.first_task_of(command="./train --fast")
        self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "'./train'", "app_site-1")
        reply = self.first_task_of(command=[__file__.replace("executor_test", "site_process")])
        self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "chmod +x")

    def test_a_command_of_one_text(self):
        self.assertEqual(self.first_task_of(command=f"{TRAINER} 'echo'").get_return_code(), ReturnCode.OK)

    def test_the_doctor_in_the_place_of_the_trainer(self):
        doctor = [str(BUILD / "bin" / "flare-agent"), "doctor"]
        reply = self.first_task_of(command=doctor)
        self.assert_failed(
            reply,
            ReturnCode.EXECUTION_EXCEPTION,
            "ended with exit status 0 without a result",
            "| flare-agent ",  # its first line
            "environment variable FLARE_AGENT_PROFILE",
            f"| connect   zmq+ipc://{tempfile.gettempdir()}/flare-",
            f"agent 'agent', site 'site-1', job '{JOB}'",
            "| all is well",
        )
        reply = self.first_task_of(command=[*doctor, "--", "./train"])
        self.assert_failed(reply, ReturnCode.EXECUTION_EXCEPTION, "connected in", "problem: program-missing")

    def test_another_url(self):
        reply = self.first_task_of(url="zmq+tcp://127.0.0.1:*")
        self.assertEqual(reply.get_return_code(), ReturnCode.OK)

    def test_arguments_that_cannot_be_honoured(self):
        for words, arguments in {
            "pytorch.* use 'numpy'": {"params_exchange_format": "pytorch"},
            "HALF": {"params_transfer_type": "HALF"},
            "command is empty": {"command": ""},
        }.items():
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                AgentExecutor(**{"command": "train", **arguments})


if __name__ == "__main__":
    unittest.main()
