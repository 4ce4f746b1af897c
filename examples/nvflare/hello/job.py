"""hello: two hospitals learn to tell benign from malignant tumours; logistic regression, 3 rounds.

job() makes the NVFlare job, recipe() lets NVFlare make it, final_model() repeats it offline in numpy, and accuracy() judges a model.
"""
import pathlib

import numpy as np
from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob

HERE = pathlib.Path(__file__).parent
ROUNDS = 3
MODEL = [0.0] * 31
TRAINER, ARGUMENTS = "hello_trainer", [str(HERE / "breast_cancer.csv")]
TASKS = ["train"]
TRANSFER = "FULL"
LEAST_ACCURACY = 0.98


def job(folder, name="hello"):
    job = FedJob(name, min_clients=2)
    job.to_server(NPModelPersistor(model=MODEL), id="persistor")
    job.to_server(FedAvg(num_clients=2, num_rounds=ROUNDS))
    return job


def recipe(name, **client):
    """The same job by NVFlare's own recipe; `client` are the arguments that say what each site runs."""
    from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe  # much, for clients that need only train()

    job = {"model": MODEL, "min_clients": 2, "num_rounds": ROUNDS}
    return NumpyFedAvgRecipe(name=name, launch_external_process=True, **job, **client)


# ---- the same without NVFlare ----------------------------------------------------------------------------------------


def load(site):
    """(features, labels) to learn from as the site sees them, then those to test with; logreg.c says who has what."""
    table = np.loadtxt(HERE / "breast_cancer.csv", delimiter=",", dtype=np.float32).astype(np.float64)
    rows = np.arange(len(table))
    test = rows % 5 == 4
    mine = ((rows - rows // 5) % 3 == 0) == (site == "site-1")
    return [(table[who, 1:], table[who, 0]) for who in (~test & mine, test)]


def train(weights, features, labels):
    """Ten steps of gradient descent; a new array."""
    weights = weights.astype(np.float64)
    inputs = np.column_stack([features, np.ones(len(labels))])
    for _ in range(10):
        error = 1 / (1 + np.exp(-inputs @ weights)) - labels
        weights -= 0.5 * (inputs.T @ error / len(labels) + 1e-3 * weights)
    return weights.astype(np.float32)


def accuracy(model):
    features, labels = load("site-1")[1]
    weights = model["numpy_key"].astype(np.float64)
    return float(((features @ weights[:-1] + weights[-1] > 0) == labels).mean())


def final_model(rounds=ROUNDS):
    weights = np.zeros(31, np.float32)
    sites = [load(site)[0] for site in ("site-1", "site-2")]
    for _ in range(rounds):
        trained = [train(weights, *rows).astype(np.float64) for rows in sites]
        weights = np.average(trained, axis=0, weights=[len(labels) for _, labels in sites]).astype(np.float32)
    return {"numpy_key": weights}
