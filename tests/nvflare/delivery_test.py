#!/usr/bin/env python3
"""deliver_to: what a trainer waits for. "leave" ends as soon as its result is delivered, with 0, or with 1 when it is
not; NVFlare's own client runner sends the results."""
import threading
import unittest
from unittest import mock

import numpy as np
from nvflare.apis.fl_constant import ReservedKey, ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from site_process import Site, agent_executor

SMALL = {"w": np.ones(3, np.float32)}  # travels with its message where only one waits for it
LARGE = {"w": np.ones(1 << 16, np.float32)}


class Case(unittest.TestCase):
    def start(self, model, site):
        thread = threading.Thread(target=site.execute, args=[model])
        thread.start()
        self.addCleanup(thread.join)

    def assert_ended(self, site, trainer, how, *words):
        self.assertTrue(trainer.wait(20))
        self.assertEqual(trainer.how_it_ended(), f"ended with exit status {how}")
        for word in words:
            self.assertIn(word, site.log())


class Delivery(Case):
    def test_to_the_client_it_does_not_wait_for_the_server(self):
        with Site("leave") as site:
            site.engine.server_has_it.clear()
            self.start(LARGE, site)
            self.assert_ended(site, site.trainer, 0)
            site.engine.server_has_it.set()

    def test_to_the_server_it_does(self):
        for model in (SMALL, LARGE):
            with self.subTest(len(model["w"])), Site("leave", deliver_to="server") as site:
                site.engine.server_has_it.clear()
                self.start(model, site)
                self.assertFalse(site.trainer.wait(0.5))
                site.engine.server_has_it.set()
                self.assert_ended(site, site.trainer, 0)

    def test_every_task_is_delivered(self):
        with Site(deliver_to="server") as site:
            for _ in range(3):
                self.assertEqual(site.execute(LARGE).get_return_code(), ReturnCode.OK)

    def test_the_server_wants_it_no_longer(self):
        with Site("leave", deliver_to="server") as site:
            site.engine.server_wants_it = False
            site.execute(LARGE)  # NVFlare fires AFTER_SEND_TASK_RESULT here as well
            self.assert_ended(site, site.trainer, 1, "NVFlare gave up sending it")

    def test_the_plugin_refuses_it(self):
        more = {"params_transfer_type": "DIFF", "options": {"params_transfer_type": "FULL"}}
        with Site("leave", deliver_to="server", **more) as site:
            self.assertEqual(site.execute(LARGE).get_return_code(), ReturnCode.EXECUTION_RESULT_ERROR)
            self.assert_ended(site, site.trainer, 1, "the trainer sent WEIGHTS")

    def test_the_job_ends_first(self):
        with Site("leave", deliver_to="server") as site:
            site.engine.server_has_it.clear()
            self.start(LARGE, site)
            self.assertFalse(site.trainer.wait(0.5))
            trainer = site.trainer
            site.end()
            self.assert_ended(site, trainer, 1, "the job ended before NVFlare had sent it")
            site.engine.server_has_it.set()

    def test_a_result_that_nvflare_never_sends(self):
        with Site(deliver_to="server") as site:
            site.runner.fire_event = lambda *_: None  # as in a workflow between clients
            self.assertEqual(site.execute(LARGE).get_return_code(), ReturnCode.OK)
            with site.engine.new_context() as fl_ctx:
                site.executor.execute("submit_model", Shareable(), fl_ctx, site.signal)
            self.assert_ended(site, site.trainer, 1, "NVFlare went on to the next task")

    def test_a_failure_that_goes_in_its_place_is_no_delivery(self):
        with Site("leave", deliver_to="server") as site:
            process = site.runner._process_task

            def filtered(task, fl_ctx):  # as NVFlare does when a filter of results throws
                process(task, fl_ctx)
                failure = make_reply(ReturnCode.TASK_RESULT_FILTER_ERROR)
                failure.set_header(ReservedKey.TASK_ID, task.task_id)
                return failure

            site.runner._process_task = filtered
            site.execute(LARGE)
            self.assert_ended(site, site.trainer, 1, "a filter or an error took its place")

    def test_sending_may_take_longer_than_the_idle_timeout(self):
        with mock.patch.object(agent_executor, "_SIGN_OF_LIFE_S", 0.2):
            with Site("leave", deliver_to="server", options={"streaming_idle_timeout": "3"}) as site:
                site.engine.server_has_it.clear()
                self.start(LARGE, site)
                self.assertFalse(site.trainer.wait(5))
                site.engine.server_has_it.set()
                self.assert_ended(site, site.trainer, 0)


if __name__ == "__main__":
    unittest.main()
