"""Runs a job of this folder once, with two sites. With NVFlare's Python:

    run.py JOB WORKSPACE --command "TRAINER ARGUMENT..."    each site runs a trainer, through AgentExecutor
    run.py JOB WORKSPACE --pipe cell --command ...          the same by NVFlare's own ScriptRunner, without our executor
    run.py JOB WORKSPACE --pipe file --command ...          the same by files in a folder, NVFlare's FilePipe
    run.py JOB WORKSPACE --python                           each site runs the job's client.py, NVFlare's own way
    run.py JOB WORKSPACE --recipe --command ...             NVFlare's own recipe as it is, on both sides; or --python

In NVFlare's simulator, or with --poc in a federation of real processes; then it ends with 1 unless the job's status
is FINISHED:COMPLETED, and leaves WORKSPACE/server/result, which is what the server keeps, and WORKSPACE/site-*.
"""
import argparse
import importlib
import os
import pathlib
import shlex
import shutil
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE.parents[2] / "integrations" / "nvflare")]

from agent_executor import AgentExecutor  # noqa: E402
from federation import SITES, Federation  # noqa: E402
from metrics_file import MetricsFile  # noqa: E402
from results_file import ResultsFile  # noqa: E402
from nvflare.client.config import TransferType  # noqa: E402
from nvflare.job_config.script_runner import FrameworkType, ScriptRunner  # noqa: E402

COMPLETED = "FINISHED:COMPLETED"


def file_pipes(folder):
    """A folder for each site of the job, which both ends see."""
    from nvflare.fuel.utils.pipe.file_pipe import FilePipe, Mode  # up to 2.8

    root = f"{folder}/pipes/{{JOB_ID}}/{{SITE_NAME}}"
    return {name: FilePipe(mode=Mode.PASSIVE, root_path=root) for name in ("task_pipe", "metric_pipe")}


def launched(command, folder):
    """NVFlare's own way for a program: a script, named relative to the working folder, that a command runs. The script,
    and arguments of whatever starts it."""
    (folder / "trainer.sh").write_text(f"exec {command}\n")
    os.chdir(folder)
    # The trainer ends by itself when the job does; NVFlare's default kills it at once.
    return "trainer.sh", {"command": "sh", "shutdown_timeout": 10.0}


def script_runner(command, module, folder, runner=ScriptRunner, **more):
    """`more` are further arguments of the runner."""
    script, how = launched(command, folder)
    return runner(
        script=script,
        launch_external_process=True,
        framework=FrameworkType.NUMPY,
        params_transfer_type=TransferType(module.TRANSFER),
        **how,
        **more,
    )


def run_recipe(options, module):
    from nvflare.recipe import SimEnv

    script, how = "client.py", {}
    if options.python:
        os.chdir(HERE.parent / options.job)
    else:
        script, how = launched(options.command, options.workspace.parent)
    recipe = module.recipe(options.workspace.name, train_script=script, **how)  # its workspace has the job's name
    recipe.execute(SimEnv(num_clients=2, workspace_root=str(options.workspace.parent)))


def client_of(options, module):
    folder = options.workspace.parent
    if options.pipe == "cell":
        return script_runner(options.command, module, folder)
    if options.pipe == "file":
        from nvflare.job_config.script_runner import BaseScriptRunner  # up to 2.8; ScriptRunner takes no pipes

        return script_runner(options.command, module, folder, BaseScriptRunner, **file_pipes(folder))
    if options.python:
        script = HERE.parent / getattr(module, "CLIENT", options.job) / "client.py"
        transfer = TransferType(module.TRANSFER)
        return ScriptRunner(script=str(script), framework=FrameworkType.NUMPY, params_transfer_type=transfer)
    arguments = dict(text.split("=", 1) for text in options.argument)
    for name in ("task_timeout", "start_timeout", "stop_grace_period"):
        if name in arguments:
            arguments[name] = float(arguments[name])
    command = shlex.split(options.command) or [""]
    return AgentExecutor(command=command, params_transfer_type=module.TRANSFER, **arguments)


def make_job(module, folder, client):
    """The job of this module, its clients run by `client`; the server may read files that are made in `folder`."""
    job = module.job(folder)
    job.to_server(MetricsFile(), id="metrics")
    job.to_server(ResultsFile(), id="results")
    # NVFlare asks for the next task every 2 seconds; small examples need not wait for that.
    job.to_server({"server": {"task_request_interval": 0.1}})
    job.to_clients(client, tasks=module.TASKS)
    return job


def fetch(federation, submitted, workspace):
    """Gets what server and sites have of a finished job: workspace/server/result and workspace/site-*."""
    shutil.copytree(federation.results(submitted), workspace / "server" / "result")
    for name in SITES:
        shutil.copytree(federation.site(name, submitted), workspace / name)


def run_in_federation(job, workspace):
    """Returns the job's status."""
    with Federation(workspace / "federation") as federation:
        print("server and sites run", flush=True)
        job.export_job(str(workspace))
        submitted = federation.submit(workspace / job.name)
        print(f"submitted job {submitted}", flush=True)
        status = federation.wait(submitted)
        print(f"job {submitted}: {status}", flush=True)
        fetch(federation, submitted, workspace)
        if status != COMPLETED:
            print(*(federation.errors(site, submitted) for site in SITES), sep="\n")
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job")
    parser.add_argument("workspace", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--command")
    parser.add_argument("--pipe", choices=["agent", "cell", "file"], default="agent")
    parser.add_argument("--python", action="store_true")
    parser.add_argument("--recipe", action="store_true")
    parser.add_argument("--poc", action="store_true")
    parser.add_argument("--threads", type=int, default=2, help="of the simulator; with 1 the sites take turns")
    parser.add_argument("--argument", action="append", default=[], metavar="NAME=VALUE", help="of AgentExecutor")
    options = parser.parse_args()
    module = importlib.import_module(f"{options.job}.job")
    if options.recipe:
        run_recipe(options, module)
        return 0
    job = make_job(module, options.workspace.parent, client_of(options, module))
    if options.poc:
        return 0 if run_in_federation(job, options.workspace) == COMPLETED else 1
    job.simulator_run(str(options.workspace), n_clients=2, threads=options.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
