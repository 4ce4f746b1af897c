"""crosseval: hello, and then every site judges the model of every site and that of the server."""
import json

from nvflare.app_common.np.np_model_locator import NPModelLocator
from nvflare.app_common.widgets.validation_json_generator import ValidationJsonGenerator
from nvflare.app_common.workflows.cross_site_model_eval import CrossSiteModelEval

from hello.job import ARGUMENTS, LEAST_ACCURACY, ROUNDS, TRAINER, TRANSFER, accuracy, final_model  # noqa: F401
from hello.job import job as hello_job
from hello.job import load, train

TASKS = ["train", "submit_model", "validate"]
CLIENT = "hello"


def job(folder):
    job = hello_job(folder, "crosseval")
    job.to_server(NPModelLocator(), id="locator")
    job.to_server(ValidationJsonGenerator())
    job.to_server(CrossSiteModelEval(model_locator_id="locator", submit_model_task_name="submit_model"))
    return job


def check(folder):
    """Compares the accuracies that the sites found with those found here; returns what is wrong."""
    before = final_model(ROUNDS - 1)["numpy_key"]
    models = {site: {"numpy_key": train(before, *load(site)[0])} for site in ("site-1", "site-2")}
    models["SRV_server"] = final_model()
    found = json.loads((folder / "cross_site_val" / "cross_val_results.json").read_text())
    wrong = []
    for site in ("site-1", "site-2"):
        for name, model in models.items():
            seen = found.get(site, {}).get(name, {}).get("accuracy")
            print(f"  {site} finds the model of {name} {seen} accurate")
            if seen is None or abs(seen - accuracy(model)) > 1e-9:
                wrong.append(f"{site} found {seen} for the model of {name}, not {accuracy(model)}")
    return wrong
