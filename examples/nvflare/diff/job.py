"""diff: hello, but the sites send the difference from the model that they received instead of their model."""
import json

from nvflare.client.config import TransferType

from hello.job import ARGUMENTS, LEAST_ACCURACY, ROUNDS, TASKS, TRAINER, accuracy, final_model  # noqa: F401
from hello.job import job as hello_job

TRANSFER = TransferType.DIFF
CLIENT = "hello"


def job(folder):
    return hello_job(folder, "diff")


def check(folder):
    """FedAvg adds differences and takes models: both end with the same model, so it must be seen what was sent."""
    results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    sent = {site: sum(r["site"] == site and r["kind"] == "WEIGHT_DIFF" for r in results) for site in ("site-1", "site-2")}
    return [] if set(sent.values()) == {ROUNDS} else [f"the sites sent differences {sent}, not {ROUNDS} each"]
