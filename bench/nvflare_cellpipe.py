"""The task cycle of NVFlare's own Python agent over a CellPipe: run with the Python of a venv with NVFlare.

Three processes, as deployed: this one starts a relay (the client's parent process) and an agent, and is the job process
itself. Prints the seconds of each round, and of its way to the agent and back, as JSON, with what the agent used. --fast
takes the polls away; --shim runs npz_shim.py as the agent, --trainer a program with our library that sends every model
back.
"""
import argparse
import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

logging.disable(logging.CRITICAL)

import numpy as np  # noqa: E402
from nvflare.apis.dxo import DXO, DataKind  # noqa: E402
from nvflare.apis.fl_constant import FLContextKey  # noqa: E402
from nvflare.apis.shareable import Shareable  # noqa: E402
from nvflare.apis.utils.decomposers import flare_decomposers  # noqa: E402
from nvflare.app_common.decomposers import common_decomposers  # noqa: E402
from nvflare.client import flare_agent  # noqa: E402
from nvflare.fuel.f3.cellnet.cell import Cell  # noqa: E402
from nvflare.fuel.f3.cellnet.net_agent import NetAgent  # noqa: E402
from nvflare.fuel.utils.pipe.cell_pipe import CellPipe  # noqa: E402
from nvflare.fuel.utils.pipe.pipe import Message  # noqa: E402
from nvflare.fuel.utils.pipe.pipe_handler import PipeHandler  # noqa: E402

POLL_S = 0.001


def pipe(mode, url):
    return CellPipe(mode=mode, site_name="site-1", token="bench", root_url=url, secure_mode=False, workspace_dir="")


class WholePipe(CellPipe):
    """Of the shim: sends the arrays with the result. The client API would leave them to be fetched by the server, which
    is not here."""

    pass_through_on_send = property(lambda self: False, lambda self, value: None)


def client_config(folder, url):
    """As NVFlare's executor writes it for the client API."""
    arguments = {"mode": "ACTIVE", "site_name": "site-1", "token": "bench", "root_url": url, "secure_mode": False,
                 "workspace_dir": ""}
    exchange = {"exchange_format": "numpy", "server_expected_format": "numpy", "transfer_type": "FULL",
                "train_task_name": "train", "eval_task_name": "validate", "submit_model_task_name": "submit_model",
                "pipe_channel_name": "task", "pipe": {"CLASS_NAME": "nvflare_cellpipe.WholePipe", "ARG": arguments},
                "HEARTBEAT_TIMEOUT": 60.0, "launch_once": True}
    path = Path(folder) / "client_api_config.json"
    path.write_text(json.dumps({"TASK_EXCHANGE": exchange, "site_name": "site-1", "job_id": "bench"}))
    return str(path)


def relay(url):
    cell = Cell(fqcn="server", root_url=url, secure=False, credentials={}, create_internal_listener=False)
    NetAgent(cell)
    cell.start()
    print("ready", flush=True)
    sys.stdin.read()


def agent(url, fast):
    arguments = {"read_interval": POLL_S} if fast else {}
    if fast:  # its loop sleeps half a second between two looks, whatever the interval
        flare_agent.time = SimpleNamespace(time=time.time, sleep=lambda _: time.sleep(POLL_S))
    end = flare_agent.FlareAgent(pipe=pipe("ACTIVE", url), **arguments)
    end.start()
    print("ready", flush=True)
    while True:
        task = end.get_task()
        print(time.perf_counter(), flush=True)
        end.submit_result(task.data)


def trainer(program, url):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLARE_")}
    place = {"FLARE_AGENT_URL": f"cell+{url}", "FLARE_AGENT_SITE": "site-1", "FLARE_AGENT_AGENT_ID": "bench"}
    return subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            env={**environment, **place})


def site(url, fast, arrays, rounds, taken):
    task_pipe = pipe("PASSIVE", url)
    task_pipe.open("task")
    handler = PipeHandler(task_pipe, read_interval=POLL_S if fast else 0.5, heartbeat_timeout=60.0)
    handler.start()
    there, whole = [], []
    for number in range(rounds + 1):
        task = DXO(DataKind.WEIGHTS, data=arrays).to_shareable()
        task.set_header(FLContextKey.TASK_NAME, "train")
        task.set_header(FLContextKey.TASK_ID, f"task-{number}")
        begun = time.perf_counter()
        request = Message.new_request("train", task)
        if not handler.send_to_peer(request, timeout=120.0):
            raise RuntimeError("the task was not taken")
        while True:
            reply = handler.get_next()
            if reply is not None and isinstance(reply.data, Shareable) and reply.req_id == request.msg_id:
                break
            time.sleep(POLL_S if fast else 0.5)
        ended = time.perf_counter()
        arrived = float(taken.readline()) if taken else begun
        if number > 0:  # the first one warms up
            there.append(arrived - begun)
            whole.append(ended - begun)
    return {"there_s": there, "round_s": whole} if taken else {"round_s": whole}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--role", choices=("site", "relay", "agent"), default="site")
    parser.add_argument("--url")
    parser.add_argument("--fast", action="store_true", help="polls of a millisecond")
    parser.add_argument("--shim", action="store_true", help="the agent is npz_shim.py")
    parser.add_argument("--program", default="", help="of the shim")
    parser.add_argument("--trainer", help="the agent is this program")
    parser.add_argument("--mib", type=int, default=0, help="of the model; 0: one number")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    flare_decomposers.register()
    common_decomposers.register()
    if arguments.role == "relay":
        relay(arguments.url)
    elif arguments.role == "agent":
        agent(arguments.url, arguments.fast)
    if arguments.role != "site":
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    here = [sys.executable, __file__, "--url", url, *(["--fast"] if arguments.fast else []), "--role"]
    others = []
    folder = tempfile.TemporaryDirectory()
    shim = [sys.executable, Path(__file__).with_name("npz_shim.py"), client_config(folder.name, url), *shlex.split(arguments.program)]
    agents = [] if arguments.trainer else [shim if arguments.shim else [*here, "agent"]]
    try:
        for command in ([*here, "relay"], *agents):
            started = time.perf_counter()
            others.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                           stderr=subprocess.DEVNULL,
                                           env={**os.environ, "CLIENT_API_TYPE": "EX_PROCESS_API"}))
            if others[-1].stdout.readline() != "ready\n":
                raise RuntimeError(f"no word of {command}")
        start_ms = (time.perf_counter() - started) * 1e3
        if arguments.trainer:
            others.append(trainer(arguments.trainer, url))
        if arguments.mib:
            count = 100
            arrays = {f"w{i}": np.ones((arguments.mib << 20) // 4 // count, dtype=np.float32) for i in range(count)}
        else:
            arrays = {"w": np.ones(1, dtype=np.float32)}
        figures = site(url, arguments.fast, arrays, arguments.rounds, others[1].stdout)
        status = Path(f"/proc/{others[1].pid}/status").read_text()
        peak_kib = int(re.search(r"^VmHWM:\s+(\d+)", status, flags=re.M)[1])  # wait4() counts what came before exec()
        others[1].kill()
        used = os.wait4(others[1].pid, 0)[2]
        print(json.dumps({**figures, "start_ms": start_ms, "peak_mib": peak_kib / 1024,
                          "agent_cpu_s": (used.ru_utime + used.ru_stime) / (arguments.rounds + 1)}))
    finally:
        for other in others:
            other.kill()
        folder.cleanup()
    sys.stdout.flush()
    os._exit(0)  # its threads would wait for their peers


if __name__ == "__main__":
    main()
