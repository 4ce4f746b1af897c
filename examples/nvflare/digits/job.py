"""digits: the example digits_by_label as an NVFlare job. Four tensors, 20 rounds; its reference is that example's."""
import pathlib
import sys

import numpy as np
from npz_persistor import NpzPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob

FOLDER = pathlib.Path(__file__).parents[2] / "digits_by_label"
sys.path.append(str(FOLDER))
import reference  # noqa: E402

ROUNDS = 20
TRAINER, ARGUMENTS = "digits_trainer", [str(FOLDER / "digits.csv"), "2"]
TASKS = ["train"]
TRANSFER = "FULL"
LEAST_ACCURACY = 0.94
TOLERANCE = reference.TOLERANCE  # float32 throughout: the order of additions shows


def job(folder):
    start = folder / "start.npz"
    np.savez(start, **reference.initial_model())
    job = FedJob("digits", min_clients=2)
    job.to_server(NpzPersistor(str(start)), id="persistor")
    job.to_server(FedAvg(num_clients=2, num_rounds=ROUNDS))
    return job


def accuracy(model):
    return reference.accuracy(model, *reference.load(reference.DATA, 0, 2)[1])


def final_model():
    return list(reference.together(rounds=ROUNDS))[-1][2]
