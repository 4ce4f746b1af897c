"""diff: hello, but the sites send the difference from the model that they received instead of their model."""
from nvflare.client.config import TransferType

from hello.job import ARGUMENTS, LEAST_ACCURACY, ROUNDS, TASKS, TRAINER, accuracy, final_model  # noqa: F401
from hello.job import job as hello_job

TRANSFER = TransferType.DIFF
CLIENT = "hello"


def job(folder):
    return hello_job(folder, "diff")


def check(folder):
    """FedAvg adds differences and takes models: both end with the same model, so the logs must tell them apart."""
    logs = [path.read_text() for path in folder.parents[1].glob("site-*/log.txt")]
    sent = [log.count("task train: OK (WEIGHT_DIFF)") for log in logs]
    return [] if sent == [ROUNDS, ROUNDS] else [f"the sites sent {sent} differences, not {ROUNDS} each"]
