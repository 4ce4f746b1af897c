"""A federation of real processes on this machine, provisioned as in production: a server and two sites that know each
other by certificates (mTLS), on a free port, and an administrator's session. With NVFlare's Python:

    with Federation(folder) as federation:
        job = federation.submit("jobs/hello")
        status = federation.wait(job, seconds=120)          # FINISHED:COMPLETED
        results = federation.results(job)                   # what the server keeps of it

Nothing is asked and nothing is written outside of `folder`; its processes have ended when the block is left.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from nvflare.fuel.flare_api.api_spec import NoConnection
from nvflare.fuel.flare_api.flare_api import new_secure_session

SITES = ("site-1", "site-2")
ADMIN = "admin@example.com"
START_LIMIT, STOP_LIMIT = 90, 30
ANSWER_LIMIT = 30  # seconds for an answer of the server; NVFlare gives it 5, which a busy machine exceeds
LOOK = 0.2  # seconds between two looks at the state of things

PROJECT = f"""\
api_version: 3
name: poc
participants:
  - {{name: server, type: server, org: example, fed_learn_port: PORT, admin_port: PORT, default_host: localhost}}
  - {{name: {SITES[0]}, type: client, org: example}}
  - {{name: {SITES[1]}, type: client, org: example}}
  - {{name: {ADMIN}, type: admin, org: example, role: project_admin}}
builders:
  - {{path: nvflare.lighter.impl.workspace.WorkspaceBuilder}}
  - {{path: nvflare.lighter.impl.static_file.StaticFileBuilder, args: {{config_folder: config, scheme: tcp}}}}
  - {{path: nvflare.lighter.impl.cert.CertBuilder}}
  - {{path: nvflare.lighter.impl.signature.SignatureBuilder}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Federation:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        self.kits = self.folder / "poc" / "prod_00"
        self.port = free_port()
        self._session = None
        self._processes = {}
        self._jobs = []

    def __enter__(self):
        try:
            self._provision()
            for name in ("server", *SITES):
                self._start(name)
            self._log_in()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    # -- start and end

    def _provision(self):
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "project.yml").write_text(PROJECT.replace("PORT", str(self.port)))
        command = [self._bin() / "nvflare", "provision", "-p", "project.yml", "-w", "."]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"nvflare provision: {done.stdout}{done.stderr}")
        for name in ("server", *SITES):  # the default keeps jobs in a folder that all of the machine share
            local = self.kits / name / "local"
            text = (local / "resources.json.default").read_text()
            (local / "resources.json").write_text(text.replace("/tmp/nvflare", str(self.folder / "store")))

    @staticmethod
    def _bin():
        return pathlib.Path(sys.executable).parent

    def _environment(self, **more):
        home = str(self.folder / "home")
        return {**os.environ, "HOME": home, "PATH": f"{self._bin()}:{os.environ['PATH']}", **more}

    def _start(self, name):
        """As the kit's start.sh does, without the loop that starts a dead process again."""
        # Logs that sites stream while a job runs. A site keeps the machine's: paths of UNIX sockets must be short.
        more = {"TMPDIR": str(self.folder / "tmp")} if name == "server" else {}
        with open(self.folder / f"{name}.txt", "wb") as output:
            self._processes[name] = subprocess.Popen(
                [self.kits / name / "startup" / "sub_start.sh", "--once"],
                cwd=self.folder,
                env=self._environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log_in(self):
        end = time.monotonic() + START_LIMIT
        while True:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} has ended: {(self.folder / f'{name}.txt').read_text()[-2000:]}")
            if self._session is None and self._listens():
                with contextlib.suppress(NoConnection):
                    self._session = new_secure_session(ADMIN, str(self.kits / ADMIN))
                    self._session.set_timeout(ANSWER_LIMIT)
            if self._session and len(self._session.get_system_info().client_info) == len(SITES):
                return
            if time.monotonic() > end:
                raise RuntimeError(f"server and sites did not find each other within {START_LIMIT} s")
            time.sleep(LOOK)

    def _listens(self):
        """Whether the server's port is open, as a session that is made too early complains aloud."""
        with contextlib.suppress(OSError), socket.create_connection(("localhost", self.port), timeout=1):
            return True
        return False

    def close(self):
        """Asks all to end, and ends whoever does not."""
        if self._session:
            with contextlib.suppress(Exception):
                self._abort_all()  # NVFlare refuses to shut down while a job runs
            with contextlib.suppress(Exception):
                self._session.api.do_command("shutdown all")  # Session.shutdown() asks for a confirmation
            self._session.close()
            self._session = None
        end = time.monotonic() + STOP_LIMIT
        for process in self._processes.values():
            try:
                process.wait(max(0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes = {}

    def _abort_all(self):
        running = [job for job in self._jobs if not self.status(job).startswith("FINISHED")]
        for job in running:
            self.abort(job)
        for job in running:
            self.wait(job, STOP_LIMIT)

    def _ask(self, question, *arguments):
        """Asks the server, and again when it was too busy to answer in time."""
        end = time.monotonic() + ANSWER_LIMIT
        while True:
            try:
                return question(*arguments)
            except NoConnection:
                if time.monotonic() > end:
                    raise
                time.sleep(LOOK)

    # -- jobs

    def submit(self, job):
        """Returns the id of the job in this folder."""
        self._jobs.append(self._session.submit_job(str(pathlib.Path(job).absolute())))
        return self._jobs[-1]

    def status(self, job):
        return self._ask(self._session.get_job_meta, job)["status"]

    def wait(self, job, seconds=float("inf")):
        """The status of the finished job."""
        end = time.monotonic() + seconds
        while not (status := self.status(job)).startswith("FINISHED"):
            if time.monotonic() > end:
                raise TimeoutError(f"the job is {status} after {seconds:g} s")
            time.sleep(LOOK)
        return status

    def abort(self, job):
        self._ask(self._session.abort_job, job)

    def results(self, job):
        """The folder with what the server keeps of a finished job: models, metrics, logs."""
        folder = str(self.folder / "results")
        return pathlib.Path(self._ask(self._session.download_job_result, job, folder)) / "workspace"

    def site(self, name, job):
        """A site's folder of the job, with its log and that of its trainer."""
        return self.kits / name / job

    def errors(self, site, job):
        """What an administrator sees of a site's errors: sites stream them to the server while a job runs."""
        folder = pathlib.Path(self._ask(self._session.download_job_components, job))
        return "".join(path.read_text() for path in folder.rglob(f"ERRORLOG_{site}*") if path.is_file())
