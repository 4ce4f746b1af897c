"""big: 64 MiB of float32. Each site adds its number to every element, so that the average is known exactly."""
import numpy as np
from npz_persistor import NpzPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob

SHAPE = (4096, 4096)
ROUNDS = 2
TRAINER, ARGUMENTS = "big_trainer", []
TASKS = ["train"]
TRANSFER = "FULL"
TOLERANCE = 0.0


def job(folder):
    start = folder / "start.npz"
    np.savez(start, numpy_key=np.zeros(SHAPE, np.float32))
    job = FedJob("big", min_clients=2)
    job.to_server(NpzPersistor(str(start)), id="persistor")
    job.to_server(FedAvg(num_clients=2, num_rounds=ROUNDS))
    return job


def final_model():
    return {"numpy_key": np.full(SHAPE, 1.5 * ROUNDS, np.float32)}
