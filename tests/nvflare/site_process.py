"""A client job process of NVFlare as far as an executor sees it, without servers: quick, and with events to look at."""
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "integrations" / "nvflare"))

import agent_executor  # noqa: E402
from agent_executor import AgentExecutor  # noqa: E402
from nvflare.apis.dxo import DXO, DataKind, from_shareable  # noqa: E402
from nvflare.apis.event_type import EventType  # noqa: E402
from nvflare.apis.fl_component import FLComponent  # noqa: E402
from nvflare.apis.fl_constant import FedEventHeader, FLContextKey, ReservedKey, ReturnCode  # noqa: E402
from nvflare.apis.fl_context import FLContextManager  # noqa: E402
from nvflare.apis.shareable import Shareable, make_reply  # noqa: E402
from nvflare.apis.signal import Signal  # noqa: E402
from nvflare.apis.workspace import Workspace  # noqa: E402
from nvflare.private.fed.client.client_engine_executor_spec import TaskAssignment  # noqa: E402
from nvflare.private.fed.client.client_runner import ClientRunner  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build"))
LIBRARY = str(BUILD / "lib" / "libflare_agent.so")
TRAINER = str(BUILD / "bin" / "odd_trainer")


JOB = "5c2f1f0e-4a3b-4a53-9a53-1f0e4a3b5c2f"


class Engine:
    """`byoc`: what NVFlare says of the job; such a job has a custom folder."""

    def __init__(self, folder, byoc):
        for name in ("startup", "local"):
            os.mkdir(os.path.join(folder, name))
        self.workspace = Workspace(folder, "site-1")
        self.app = self.workspace.get_app_dir(JOB)
        self.custom = self.workspace.get_app_custom_dir(JOB)
        os.makedirs(self.custom if byoc else self.app)
        self.events = []  # (type, data) of what is fired
        self.executor = None  # hears them
        self.task = None
        self.server_wants_it = True  # the result of the task
        self.server_has_it = threading.Event()  # sending takes until then
        self.server_has_it.set()
        meta = {"byoc": True} if byoc else {}
        self.manager = FLContextManager(
            engine=self, identity_name="site-1", job_id=JOB, private_stickers={FLContextKey.JOB_META: meta}
        )

    def get_workspace(self):
        return self.workspace

    def get_task_assignment(self, fl_ctx, timeout=None):
        return self.task

    def send_aux_request(self, targets, topic, request, timeout, fl_ctx, optional=False):
        if targets is None:  # a metric for NVFlare 2.8's server
            self.events.append((request.get_header(FedEventHeader.EVENT_TYPE), request))
            return {}
        code = ReturnCode.OK if self.server_wants_it else ReturnCode.TASK_UNKNOWN
        return {target: make_reply(code) for target in targets}

    def send_task_result(self, result, fl_ctx, timeout=None):
        return self.server_has_it.wait(20)

    def new_context(self):
        return self.manager.new_context()

    def fire_event(self, event_type, fl_ctx):
        self.events.append((event_type, fl_ctx.get_prop(FLContextKey.EVENT_DATA)))
        self.executor.handle_event(event_type, fl_ctx)


class Runner(ClientRunner):
    """NVFlare's own client runner, as far as fetching a task and sending its result goes."""

    def __init__(self, engine):
        FLComponent.__init__(self)
        self.engine, self.reply = engine, None
        self.run_abort_signal = Signal()
        self.parent_target, self.default_task_fetch_interval, self.task_check_interval = "server", 0, 0.05
        self.get_task_timeout = self.submit_task_result_timeout = self.task_check_timeout = None

    def _process_task(self, task, fl_ctx):
        fl_ctx.set_prop(FLContextKey.TASK_ID, task.task_id, private=True, sticky=False)
        self.reply = self.engine.executor.execute(task.name, task.data, fl_ctx, self.run_abort_signal)
        self.reply.set_header(ReservedKey.TASK_ID, task.task_id)
        return self.reply


class Site:
    """Runs an executor from START_RUN to the end of the job."""

    def __init__(self, mode="echo", byoc=True, policy=None, **arguments):
        self._stack = contextlib.ExitStack()
        self.folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self.engine = Engine(self.folder, byoc)
        if policy is not None:
            self.policy_file.write_text(policy if isinstance(policy, str) else json.dumps(policy))
        if "trainer" not in arguments:
            arguments.setdefault("command", [TRAINER, mode])
        if byoc:
            arguments.setdefault("library", LIBRARY)
        self.executor = AgentExecutor(**{"stop_grace_period": 10.0, **arguments})
        self.engine.executor = self.executor
        self.runner = Runner(self.engine)
        self.signal = self.runner.run_abort_signal
        self._number = 0

    def __enter__(self):
        with self.engine.new_context() as fl_ctx:
            self.executor.handle_event(EventType.START_RUN, fl_ctx)
        return self

    def __exit__(self, *_):
        self.end()
        self._stack.close()

    def end(self):
        with self.engine.new_context() as fl_ctx:
            self.executor.handle_event(EventType.ABOUT_TO_END_RUN, fl_ctx)

    @property
    def policy_file(self):
        return pathlib.Path(self.folder, "local", "flare_agent_policy.json")

    @property
    def trainer(self):
        return self.executor._run._trainer

    def log(self):
        return pathlib.Path(self.engine.workspace.get_run_dir(JOB), "trainer_agent.log").read_text()

    def execute(self, data, name="train", kind=DataKind.WEIGHTS, headers=None, meta=None):
        self._number += 1
        task = DXO(kind, data=data, meta=meta or {}).to_shareable() if data is not None else Shareable()
        for key, value in {ReservedKey.TASK_ID: f"task-{self._number}", **(headers or {})}.items():
            task.set_header(key, value)
        self.engine.task = TaskAssignment(name, f"task-{self._number}", task)
        with self.engine.new_context() as fl_ctx:
            self.runner.fetch_and_run_one_task(fl_ctx)
        return self.runner.reply

    def abort_after(self, seconds):
        timer = threading.Timer(seconds, self.signal.trigger, [True])
        timer.start()
        self._stack.callback(timer.cancel)


def result_of(reply):
    return from_shareable(reply)
