#!/usr/bin/env python3
"""docs/nvflare.md: the job that it makes with FedJob and the one that it writes as JSON are ones that NVFlare takes."""
import inspect
import json
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTEGRATION = ROOT / "integrations" / "nvflare"
sys.path.insert(0, str(INTEGRATION))
from agent_executor import AgentExecutor  # noqa: E402

PAGE = (ROOT / "docs" / "nvflare.md").read_text()
REFERENCE = PAGE[PAGE.index("\n## The job, with FedJob\n") :]  # first_job_test.py does what stands before


def block(language):
    """The first one about how to make a job."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", REFERENCE, flags=re.M | re.S)
    return next(text for text in blocks if "AgentExecutor" in text)


def executors(config):
    return {tuple(entry["tasks"]): entry["executor"] for entry in config["executors"]}


class Page(unittest.TestCase):
    def exported(self):
        """The client's configuration and the files beside it of the job that the page makes in Python."""
        with tempfile.TemporaryDirectory() as folder:
            run, export = "job.simulator_run(", f"job.export_job({folder!r})  # "
            self.assertIn(run, block("python"))
            exec(compile(block("python").replace(run, export + run), "docs/nvflare.md", "exec"), {})
            (config,) = pathlib.Path(folder).glob("hello/*/config/config_fed_client.json")
            copied = {path.name: path.read_bytes() for path in (config.parents[1] / "custom").rglob("*.py")}
            return json.loads(config.read_text()), copied

    def test_fedjob_ships_the_module_and_says_what_the_json_says(self):
        config, copied = self.exported()
        self.assertEqual(copied["agent_executor.py"], (INTEGRATION / "agent_executor.py").read_bytes())
        mine, shown = executors(config), executors(json.loads(block("json")))
        self.assertEqual(mine.keys(), shown.keys())
        self.assertEqual({entry["path"] for entry in mine.values()}, {entry["path"] for entry in shown.values()})

    def test_the_arguments_of_the_json_are_taken(self):
        for executor in executors(json.loads(block("json"))).values():
            self.assertEqual(executor["path"], "agent_executor.AgentExecutor")
            AgentExecutor(**executor["args"])

    def test_every_argument_is_in_the_table(self):
        table = re.search(r"^## Arguments\n(.*?)^## ", PAGE, flags=re.M | re.S)[1]
        told = [name for row in re.findall(r"^\| (`.*?) \|", table, flags=re.M) for name in re.findall(r"`(\w+)`", row)]
        self.assertEqual(sorted(told), sorted(inspect.signature(AgentExecutor).parameters))


if __name__ == "__main__":
    unittest.main()
