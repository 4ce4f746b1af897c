"""A client job process of NVFlare as far as an executor sees it, without servers: quick, and with events to look at."""
import contextlib
import os
import pathlib
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "integrations" / "nvflare"))

from agent_executor import AgentExecutor  # noqa: E402
from nvflare.apis.dxo import DXO, DataKind, from_shareable  # noqa: E402
from nvflare.apis.event_type import EventType  # noqa: E402
from nvflare.apis.fl_constant import FLContextKey, ReservedKey  # noqa: E402
from nvflare.apis.fl_context import FLContextManager  # noqa: E402
from nvflare.apis.shareable import Shareable  # noqa: E402
from nvflare.apis.signal import Signal  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build"))
LIBRARY = str(BUILD / "lib" / "libflare_agent.so")
TRAINER = str(BUILD / "bin" / "odd_trainer")


class Engine:
    def __init__(self, folder):
        self.folder = folder
        self.events = []  # (type, data) of what the executor fires
        self.manager = FLContextManager(engine=self, identity_name="site-1", job_id="job-1")

    def get_workspace(self):
        return self

    def get_run_dir(self, job_id):
        return os.path.join(self.folder, job_id)

    def get_app_dir(self, job_id):
        return os.path.join(self.folder, job_id, "app_site-1")

    def get_app_custom_dir(self, job_id):
        return os.path.join(self.get_app_dir(job_id), "custom")

    def new_context(self):
        return self.manager.new_context()

    def fire_event(self, event_type, fl_ctx):
        self.events.append((event_type, fl_ctx.get_prop(FLContextKey.EVENT_DATA)))


class Site:
    """Runs an executor from START_RUN to the end of the job."""

    def __init__(self, mode="echo", **arguments):
        self._stack = contextlib.ExitStack()
        self.folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        os.makedirs(os.path.join(self.folder, "job-1", "app_site-1", "custom"))
        self.engine = Engine(self.folder)
        arguments = {"command": [TRAINER, mode], "library": LIBRARY, "stop_grace_period": 2.0, **arguments}
        self.executor = AgentExecutor(**arguments)
        self.signal = Signal()
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
    def trainer(self):
        return self.executor._run._trainer

    def log(self):
        return pathlib.Path(self.folder, "job-1", "trainer_agent.log").read_text()

    def execute(self, data, name="train", kind=DataKind.WEIGHTS, headers=None, meta=None):
        self._number += 1
        task = DXO(kind, data=data, meta=meta or {}).to_shareable() if data is not None else Shareable()
        for key, value in {ReservedKey.TASK_ID: f"task-{self._number}", **(headers or {})}.items():
            task.set_header(key, value)
        with self.engine.new_context() as fl_ctx:
            return self.executor.execute(name, task, fl_ctx, self.signal)

    def abort_after(self, seconds):
        timer = threading.Timer(seconds, self.signal.trigger, [True])
        timer.start()
        self._stack.callback(timer.cancel)


def result_of(reply):
    return from_shareable(reply)
