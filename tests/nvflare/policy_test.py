#!/usr/bin/env python3
"""What a site lets jobs run: local/flare_agent_policy.json against jobs with and without code of their own."""
import getpass
import json
import os
import pathlib
import pwd
import re
import unittest
from unittest import mock

import numpy as np
from nvflare.apis.fl_constant import FLContextKey, ReturnCode, SiteType
from nvflare.apis.fl_exception import UnsafeComponentError
from nvflare.app_common.widgets.component_path_authorizer import ComponentPathAuthorizer
from nvflare.fuel.sec.authz import AuthorizationService
from nvflare.private.fed.app.default_app_validator import DefaultAppValidator
from nvflare.private.fed.utils.app_authz import AppAuthzService
from nvflare.security.security import FLAuthorizer
from site_process import JOB, LIBRARY, ROOT, TRAINER, Site, agent_executor

MODEL = {"w": np.ones(2, np.float32)}


def policy(**trainer):
    return {"library": LIBRARY, "trainers": {"digits": {"command": [TRAINER, "echo"], **trainer}}}


def environment_of(site):
    text = pathlib.Path(f"/proc/{site.trainer.pid}/environ").read_text()
    return dict(pair.split("=", 1) for pair in text.split("\0") if pair)


class Case(unittest.TestCase):
    def refused(self, *words, byoc=False, **arguments):
        with Site(byoc=byoc, **arguments) as site:
            self.assertIsNone(site.executor._run)
            reply = site.execute(MODEL)
        self.assertEqual(reply.get_return_code(), ReturnCode.EXECUTION_EXCEPTION)
        for word in words:
            self.assertIn(word, reply.get_header("reason"))

    def permitted(self, **arguments):
        with Site(**arguments) as site:
            self.assertEqual(site.execute(MODEL).get_return_code(), ReturnCode.OK)


class Commands(Case):
    def test_without_a_policy_only_of_jobs_that_bring_code(self):
        self.permitted(byoc=True)
        self.refused("only of jobs that may bring code (byoc)", "without ", "flare_agent_policy.json")

    def test_a_job_whose_code_is_not_for_this_site_brings_none(self):
        with Site(byoc=True) as site:
            os.rmdir(site.engine.custom)
            with site.engine.new_context() as fl_ctx:
                self.assertFalse(agent_executor.Place.of(fl_ctx).brings_code)

    def test_as_the_policy_says(self):
        words = "only of jobs that may bring code (byoc)", "use one of its trainers: digits"
        self.refused(*words, policy=policy())
        self.refused(*words, policy={**policy(), "commands": {"allow": "byoc"}})
        self.refused("runs commands of no job", byoc=True, policy={**policy(), "commands": {"allow": "none"}})
        self.permitted(byoc=True, policy=policy())
        self.permitted(byoc=False, policy={**policy(), "commands": {"allow": "any"}})

    def test_a_job_without_code_chooses_neither_library_nor_options(self):
        open_site = {**policy(), "commands": {"allow": "any"}, "options": ["warm_bytes"]}
        self.refused("the library is chosen by the site", policy=open_site, library=LIBRARY)
        self.refused("the option log_file is for the site", policy=open_site, options={"log_file": "/tmp/x"})
        self.permitted(byoc=False, policy=open_site, options={"warm_bytes": "1MiB"})

    def test_secrets(self):
        with mock.patch.dict(os.environ, {"FLARE_TEST_SECRET": "a b'c"}):
            command = f"{TRAINER} echo --key ${{secret:FLARE_TEST_SECRET}} '${{secret:FLARE_TEST_SECRET}}!'"
            if not agent_executor.prepare_subprocess_command:
                return self.refused("from 2.9 on", byoc=True, command=command)
            with Site(command=command) as site:
                line = pathlib.Path(f"/proc/{site.trainer.pid}/cmdline").read_text().split("\0")
                self.assertEqual(line[1:-1], ["echo", "--key", "a b'c", "a b'c!"])
            self.refused("NOT_THERE", byoc=True, command=f"{TRAINER} echo ${{secret:NOT_THERE}}")
            self.refused("nested", byoc=True, command=["sh", "-c", "echo ${secret:FLARE_TEST_SECRET}"])


class Trainers(Case):
    def test_a_job_without_code_runs_a_trainer_of_the_site(self):
        rules = policy(
            command=[TRAINER, "echo", "{SITE_NAME}"],
            cwd="{WORKSPACE}",
            environment={"DATA": "/data/{SITE_NAME}/{JOB_ID}", "EPOCHS": "1"},
            variables=["EPOCHS", "RATE"],
            arguments=True,
        )
        variables = {"EPOCHS": "9", "RATE": "0.1"}
        with Site(byoc=False, policy=rules, trainer="digits", arguments=["--fast"], environment=variables) as site:
            self.assertEqual(site.execute(MODEL).get_return_code(), ReturnCode.OK)
            line = pathlib.Path(f"/proc/{site.trainer.pid}/cmdline").read_text().split("\0")
            self.assertEqual(line[:-1], [TRAINER, "echo", "site-1", "--fast"])
            self.assertEqual(os.readlink(f"/proc/{site.trainer.pid}/cwd"), site.folder)
            seen = environment_of(site)
            self.assertEqual((seen["DATA"], seen["RATE"]), (f"/data/site-1/{JOB}", "0.1"))
            self.assertEqual(seen["EPOCHS"], "1")  # the site has the last word

    def test_only_those_that_it_names(self):
        self.refused("names none", "flare_agent_policy.json", trainer="digits")
        self.refused("does not name the trainer 'x'; it names digits", policy=policy(), trainer="x", byoc=True)

    def test_what_a_job_may_not_change(self):
        for words, arguments in {
            "arguments to the trainer 'digits'": {"arguments": ["--fast"]},
            "set LD_PRELOAD, RATE of": {"environment": {"LD_PRELOAD": "x", "RATE": "1"}},
            "leave cwd out": {"cwd": "/tmp"},
        }.items():
            with self.subTest(words):
                self.refused(words, policy=policy(), trainer="digits", byoc=True, **arguments)
        key = ["--key=${secret:HOME}"]
        self.refused("refer to secrets", policy=policy(arguments=True), trainer="digits", arguments=key)

    def test_a_program_of_the_job_is_not_taken_for_one_of_the_site(self):
        with Site(byoc=True, policy=policy(command="train"), trainer="digits") as site:
            for folder in (site.engine.custom, site.engine.app):
                pathlib.Path(folder, "train").touch(0o755)
            reply = site.execute(MODEL)
        self.assertIn("the trainer 'train' is not there: it is not in PATH", reply.get_header("reason"))


class Terms(Case):
    def test_limits(self):
        limits = {"memory_bytes": 1 << 34, "cpu_seconds": 100, "open_files": 99, "core_bytes": 0, "nice": 3}
        with Site(byoc=False, policy=policy(limits=limits), trainer="digits") as site:
            self.assertEqual(site.execute(MODEL).get_return_code(), ReturnCode.OK)
            seen = pathlib.Path(f"/proc/{site.trainer.pid}/limits").read_text()
            self.assertRegex(seen, r"Max address space +17179869184 +17179869184 ")
            self.assertRegex(seen, r"Max cpu time +100 +101 ")
            self.assertRegex(seen, r"Max open files +99 +99 ")
            self.assertRegex(seen, r"Max core file size +0 +0 ")
            status = pathlib.Path(f"/proc/{site.trainer.pid}/status").read_text()
            self.assertRegex(status, r"SigIgn:\s+0+\n")
            before = os.getpriority(os.PRIO_PROCESS, 0)
            self.assertEqual(os.getpriority(os.PRIO_PROCESS, site.trainer.pid), min(19, before + 3))

    def test_a_limit_that_ends_the_trainer_is_named(self):
        spin = {"command": ["sh", "-c", "while :; do :; done"], "limits": {"cpu_seconds": 1}}
        with Site(byoc=False, policy={"library": LIBRARY, "trainers": {"spin": spin}}, trainer="spin") as site:
            reason = site.execute(MODEL).get_header("reason")
        self.assertRegex(reason, r"signal 24 \(CPU time limit exceeded\) under the limits .*cpu_seconds 1")

    def test_the_time_of_a_task(self):
        rules = policy(command="sleep 60", limits={"task_seconds": 1})
        with Site(byoc=False, policy=rules, trainer="digits", stop_grace_period=0.1) as site:
            # Not where files of the job are, which loaders and interpreters would find.
            self.assertEqual(os.readlink(f"/proc/{site.trainer.pid}/cwd"), os.path.dirname(site.engine.app))
            self.assertIn("no result within 1 s (task_seconds in", site.execute(MODEL).get_header("reason"))

    def test_commands_have_terms_too(self):
        with Site(policy={"commands": {"limits": {"open_files": 77}}}) as site:
            seen = pathlib.Path(f"/proc/{site.trainer.pid}/limits").read_text()
            self.assertRegex(seen, r"Max open files +77 ")

    def test_another_user(self):
        nobody = pwd.getpwnam("nobody")
        rules = policy(user="nobody")
        if os.geteuid() != 0:
            return self.refused("only root can start programs of another user", policy=rules, trainer="digits")
        with mock.patch("os.geteuid", return_value=nobody.pw_uid + 1):
            self.refused(f"runs as {getpass.getuser()}: only root", policy=rules, trainer="digits")
        site = Site(byoc=False, policy={**rules, "trainers": {"digits": {**rules["trainers"]["digits"], "cwd": "/"}}})
        site.executor.command, site.executor.trainer = "", "digits"
        with site:
            self.assertEqual(site.execute(MODEL).get_return_code(), ReturnCode.OK)
            status = pathlib.Path(f"/proc/{site.trainer.pid}/status").read_text()
            self.assertRegex(status, rf"Uid:\s+({nobody.pw_uid}\s+){{4}}")
            self.assertRegex(status, rf"Groups:\s+{nobody.pw_gid}\s")
            seen = environment_of(site)
            self.assertEqual((seen["USER"], seen["HOME"]), ("nobody", nobody.pw_dir))
            folder = os.stat(os.path.dirname(seen["FLARE_AGENT_PROFILE"]))
            self.assertEqual((folder.st_uid, folder.st_mode & 0o777), (0, 0o710))

    def test_a_user_who_cannot_enter_the_folder(self):
        if os.geteuid() == 0:  # the folder of the test is private to root
            words = "cannot run as nobody in /", "Permission denied"
            self.refused(*words, policy=policy(user="nobody"), trainer="digits")
        self.refused("whom this machine does not know", policy=policy(user="no-such-user"), trainer="digits")


class Addresses(Case):
    def test_patterns(self):
        for pattern, url, expected in (
            ("zmq+tcp://127.0.0.1:*", "zmq+tcp://127.0.0.1:*", True),
            ("zmq+tcp://127.0.0.1:*", "zmq+tcp://127.0.0.1:7000", True),
            ("zmq+tcp://127.0.0.1:*", "zmq+tcp://0.0.0.0:7000", False),
            ("zmq+tcp://10.0.0.1:7000-7009", "zmq+tcp://10.0.0.1:7009", True),
            ("zmq+tcp://10.0.0.1:7000-7009", "zmq+tcp://10.0.0.1:7010", False),
            ("zmq+tcp://10.0.0.1:7000-7009", "zmq+tcp://10.0.0.1:*", False),
            ("zmq+tcp://10.0.0.1:7000", "zmq+tcp://10.0.0.1:7000", True),
            ("zmq+tcp://10.0.0.1:7000", "zmq+tcp://10.0.0.1:70", False),
            ("zmq+ipc:///run/flare/", "zmq+ipc:///run/flare/a.sock", True),
            ("zmq+ipc:///run/flare/", "zmq+ipc:///run/flare/../x", False),
            ("zmq+ipc:///run/flare/", "zmq+tcp:///run/flare/x", False),
            ("zmq+ipc:///run/flare", "zmq+ipc:///run/flare2", False),
        ):
            with self.subTest(pattern=pattern, url=url):
                self.assertEqual(agent_executor._permits(pattern, url), expected)

    def test_a_job_binds_what_the_site_permits(self):
        loopback = "zmq+tcp://127.0.0.1:*"
        for byoc in (True, False):
            rules = {**policy(), "commands": {"allow": "any"}}
            self.refused(f"bind {loopback}; it permits nothing but", byoc=byoc, policy=rules, url=loopback)
            self.permitted(byoc=byoc, policy={**rules, "bind": [loopback]}, url=loopback)
        self.refused(
            "bind zmq+ipc:///tmp/x; it permits zmq+tcp",
            byoc=True,
            policy={**policy(), "bind": [loopback]},
            options={"url": "zmq+ipc:///tmp/x"},
        )


class Mistakes(Case):
    def test_in_the_file(self):
        trainer = policy()["trainers"]["digits"]
        for text, words in (
            ("{", "Expecting property name"),
            ("[]", "the policy is not an object"),
            ({"trainer": {}}, "the policy has no 'trainer'; it may have format_version, library, trainers"),
            ({"format_version": 2}, "format_version 2 is newer"),
            ({"trainers": {"a": {}}}, "trainer 'a' has no command"),
            ({"trainers": {"a": []}}, "trainer 'a' is not an object"),
            ({"trainers": {"a": {**trainer, "users": "x"}}}, "trainer 'a' has no 'users'"),
            ({"trainers": {"a": {**trainer, "user": True}}}, "'user' of trainer 'a' is of the wrong type"),
            ({"trainers": {"a": {**trainer, "cwd": "data"}}}, "'cwd' of trainer 'a' does not begin with /"),
            ({"trainers": {"a": {"command": "./train"}}}, "the relative program ./train and no cwd"),
            ({"trainers": {"a": {**trainer, "environment": {"A": 1}}}}, "'environment' of trainer 'a'"),
            ({"trainers": {"a": {**trainer, "limits": {"memory": 1}}}}, "'limits' of trainer 'a' has no 'memory'"),
            ({"trainers": {"a": {**trainer, "limits": {"open_files": -1}}}}, "a negative number"),
            ({"commands": {"allow": "all"}}, "'allow' of commands is byoc, any or none"),
            ({"bind": ["tcp://127.0.0.1:1"]}, "'tcp://127.0.0.1:1' in bind"),
        ):
            with self.subTest(words):
                self.refused("flare_agent_policy.json: ", words, byoc=True, policy=text)

    def test_a_file_that_everybody_may_write_to(self):
        with Site(policy=policy()) as site:
            pass
        site = Site(policy=policy())
        site.policy_file.chmod(0o666)
        with site:
            self.assertIn("run chmod o-w on it", site.execute(MODEL).get_header("reason"))

    def test_in_the_job(self):
        for words, arguments in {
            "both 'command' and 'trainer'": {"command": "x", "trainer": "y"},
            "command is empty": {},
            "'arguments' are for a trainer": {"command": "x", "arguments": ["y"]},
            "agent_id '../x'": {"command": "x", "agent_id": "../x"},
            "analytics_event 'fed._start_run'": {"command": "x", "analytics_event": "fed._start_run"},
            "deliver_to 'me'": {"command": "x", "deliver_to": "me"},
        }.items():
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                agent_executor.AgentExecutor(**arguments)
        agent_executor.AgentExecutor(command="x", agent_id="agent-{SITE_NAME}")


class Page(unittest.TestCase):
    """docs/nvflare-admin.md"""

    def test_its_policy_is_one_and_every_entry_is_explained(self):
        text = (ROOT / "docs" / "nvflare-admin.md").read_text()
        blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]
        (example,) = [block for block in blocks if "trainers" in block]
        with Site(policy=example) as site, site.engine.new_context() as fl_ctx:
            agent_executor.Policy(agent_executor.Place.of(fl_ctx))
        tables = (agent_executor._TOP, agent_executor._NAMED, agent_executor._RAW, agent_executor._LIMITS)
        for name in {name for table in tables for name in table} - {"format_version"}:
            self.assertRegex(text, rf"(?m)^\|[^|]*`{name}`", name)


class Routes(unittest.TestCase):
    """The two ways to the plugin, as NVFlare itself decides on them."""

    def test_installed_at_the_site_it_needs_an_entry_in_the_list_of_classes(self):
        config = {"path": "agent_executor.AgentExecutor", "args": {"trainer": "digits"}}
        for byoc, listed, allowed in ((False, False, False), (False, True, True), (True, False, True)):
            with self.subTest(byoc=byoc, listed=listed), Site(byoc=byoc) as site:
                classes = ["nvflare.", "agent_executor.AgentExecutor"] if listed else ["nvflare."]
                resources = {"format_version": 2, "class_allow_list": classes}
                pathlib.Path(site.folder, "local", "resources.json").write_text(json.dumps(resources))
                with site.engine.new_context() as fl_ctx:
                    fl_ctx.set_prop(FLContextKey.WORKSPACE_OBJECT, site.engine.workspace, private=True)
                    authorize = ComponentPathAuthorizer().authorize_component_config
                    if allowed:
                        authorize(config, fl_ctx=fl_ctx)
                    else:
                        with self.assertRaisesRegex(UnsafeComponentError, "AgentExecutor.* is not in allow_list"):
                            authorize(config, fl_ctx=fl_ctx)

    def test_shipped_in_the_job_it_needs_a_submitter_who_may_bring_code(self):
        rights = {"format_version": "1.0", "permissions": {"lead": {"byoc": "any"}, "org_admin": {"byoc": "none"}}}
        AuthorizationService.initialize(FLAuthorizer("clinic", rights))
        AppAuthzService.initialize(DefaultAppValidator(SiteType.CLIENT))
        with Site(byoc=True) as site:
            os.makedirs(os.path.join(site.engine.app, "config"))
            pathlib.Path(site.engine.app, "config", "config_fed_client.json").write_text('{"format_version": 2}')
            for role, expected in (("lead", (True, "")), ("org_admin", (False, "BYOC not permitted"))):
                self.assertEqual(AppAuthzService.authorize(site.engine.app, "sam", "clinic", role), expected)
            os.rmdir(site.engine.custom)
            self.assertEqual(AppAuthzService.authorize(site.engine.app, "sam", "clinic", "org_admin"), (True, ""))


if __name__ == "__main__":
    unittest.main()
