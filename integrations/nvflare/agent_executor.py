# SPDX-License-Identifier: Apache-2.0
"""An NVFlare executor whose trainer is a program in any language that uses libflare_agent.

    job.to_clients(AgentExecutor(command="/opt/site/train --data /data/site.csv"), tasks=["train"])

One module, the same for NVFlare 2.8 and 2.9, so that FedJob copies it into the job: a site needs nothing but the
shared library. The wire, the transfer of tensors and liveness are the library's (flare_exchanger.h, by ctypes). Here
stands NVFlare's side of it, in this order: the library, values, Shareable to task, result to Shareable, what the site
permits, the trainer's program, its process, delivery to the server, the executor. docs/nvflare.md explains the use,
docs/nvflare-admin.md the site's policy.
"""
import ctypes
import errno
import getpass
import json
import math
import os
import pwd
import re
import resource
import secrets
import select
import shlex
import shutil
import signal
import statistics
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np
from nvflare.apis.analytix import AnalyticsDataType, TrackConst
from nvflare.apis.app_validation import AppValidationKey
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FedEventHeader, FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.apis.utils.analytix_utils import create_analytic_dxo, send_analytic_dxo
from nvflare.apis.utils.fl_context_utils import add_job_audit_event
from nvflare.app_common.app_constant import AppConstants
from nvflare.widgets.fed_event import FED_EVENT_TOPIC

try:  # NVFlare 2.9 has references to secrets in commands
    from nvflare.utils.process_utils import prepare_subprocess_command
except ImportError:
    prepare_subprocess_command = None

# ---- The library -----------------------------------------------------------------------------------------------------

OK, TIMEOUT, NOT_FOUND = 0, 1, 4
STATE_CONNECTING = 0
HEADERS, BODY, META = 1, 2, 3
NO_STEP = -1


class FlareError(Exception):
    """What the library, the trainer or its result did wrong, in words for the job's log."""


class Tensor(ctypes.Structure):
    """struct flare_tensor"""

    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("dtype", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("device_type", ctypes.c_int32),
        ("data", ctypes.c_void_p),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
    ]


# The functions in use: result, then parameters. s: text, p: handle or address, P: where a handle or address goes,
# I: where an int64 goes, D: where a double goes, T: a flare_tensor, i: int32, l: int64, z: size, v: nothing. A last P
# is the flare_error of functions that have one; those are called by Library.call().
_PROTOTYPES = """
flare_error_message s p          flare_error_free v p             flare_status_text s i
flare_options_new p              flare_options_free v p           flare_options_set i pssP
flare_exchanger_open i pPP       flare_exchanger_url s p          flare_exchanger_state i p
flare_exchanger_end i psP        flare_exchanger_abort i psP      flare_exchanger_close v p
flare_exchanger_next_metric i plPP  flare_exchanger_metric_poll_fd i p
flare_request_new i psPP         flare_request_free v p           flare_request_shareable p p
flare_request_set_id i psP       flare_request_set_round i pllP   flare_request_send i pP
flare_request_wait i plPP        flare_request_poll_fd i p        flare_request_add_receiver i psP
flare_reply_free v p             flare_reply_shareable p p
flare_reply_report i pslP        flare_reply_confirm i psisP
flare_metric_free v p            flare_metric_type s p            flare_metric_name s p
flare_metric_value p p           flare_metric_step l p            flare_metric_path s p
flare_shareable_borrow_tensor i psTP  flare_shareable_copy_bytes i pspzP
flare_shareable_set_kind i psP   flare_shareable_set_json i pissP flare_shareable_kind s p
flare_shareable_return_code s p  flare_shareable_section p pi
flare_value_get_type i p         flare_value_get_int i pI         flare_value_get_double i pD
flare_value_get_text i pP        flare_value_get_bytes i pPP      flare_value_get_tensor i pT
flare_value_count z p            flare_value_at i pzPP
"""
_TYPES = {
    "v": None,
    "s": ctypes.c_char_p,
    "p": ctypes.c_void_p,
    "P": ctypes.POINTER(ctypes.c_void_p),
    "I": ctypes.POINTER(ctypes.c_int64),
    "D": ctypes.POINTER(ctypes.c_double),
    "T": ctypes.POINTER(Tensor),
    "i": ctypes.c_int32,
    "l": ctypes.c_int64,
    "z": ctypes.c_size_t,
}


class Library:
    """libflare_agent.so: its functions as attributes, and call() for those that report errors."""

    def __init__(self, path: str = ""):
        self._functions = _open_library(path)
        words = _PROTOTYPES.split()
        while words:
            name, result = words.pop(0), words.pop(0)
            parameters = words.pop(0) if words and not words[0].startswith("flare_") else ""
            function = getattr(self._functions, name, None)
            if function is None:
                raise FlareError(f"the library {self._functions._name} is older than this executor: it has no {name}")
            function.restype, function.argtypes = _TYPES[result], [_TYPES[letter] for letter in parameters]
            setattr(self, name, function)

    def call(self, name: str, *arguments) -> int:
        """Returns FLARE_OK or an expected outcome; failures are raised with the library's words."""
        error = ctypes.c_void_p()
        status = getattr(self, name)(*arguments, ctypes.byref(error))
        if status >= 0:
            return status
        text = self.flare_error_message(error) if error else self.flare_status_text(status)
        self.flare_error_free(error)
        raise FlareError(text.decode())

    def new(self, name: str, *arguments) -> ctypes.c_void_p:
        """Calls a function that makes a handle."""
        handle = ctypes.c_void_p()
        status = self.call(name, *arguments, ctypes.byref(handle))
        if status != OK:
            raise FlareError(self.flare_status_text(status).decode())
        return handle


def _open_library(path: str) -> ctypes.CDLL:
    by_environment = os.environ.get("FLARE_AGENT_LIBRARY")
    for chosen, source in ((path, "argument 'library'"), (by_environment, "FLARE_AGENT_LIBRARY")):
        if chosen:
            try:
                return ctypes.CDLL(chosen)
            except OSError as error:
                raise FlareError(f"libflare_agent cannot be loaded from {chosen} ({source}): {error}") from error
    try:
        return ctypes.CDLL("libflare_agent.so.0")
    except OSError as error:
        raise FlareError(
            f"libflare_agent is not installed on this site ({error}): install it where the loader looks, or name the "
            "file by the executor's argument 'library' or by the environment variable FLARE_AGENT_LIBRARY"
        ) from error


# ---- Tensors and values ----------------------------------------------------------------------------------------------

_DTYPE_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}  # DLPack's, by numpy's kind
_OPAQUE = 0x0803


def dtype_to_flare(dtype: np.dtype) -> Optional[int]:
    """None when tensors cannot be of this type."""
    if dtype.name == "bfloat16":
        return 0x1004
    code = _DTYPE_CODES.get(dtype.kind)
    return None if code is None or dtype.itemsize > 16 else code | dtype.itemsize * 8 << 8


def dtype_from_flare(value: int) -> Optional[np.dtype]:
    """None when numpy has no such type."""
    if value == 0x1004:
        try:
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
        except ImportError:
            return None
    for kind, code in _DTYPE_CODES.items():
        if code == value & 0xFF:
            return np.dtype(np.bool_) if kind == "b" else np.dtype(f"{kind}{value >> 11}")
    return None


def json_or_none(value: Any) -> Optional[str]:
    """The value as JSON when it is one that a trainer can be told, else None."""

    def plain(other):
        if isinstance(other, np.generic):
            return other.item()
        raise TypeError

    try:
        return json.dumps(value, default=plain, allow_nan=False)
    except (TypeError, ValueError):
        return None


class Reply:
    """A result as the library holds it: lives as long as any array that views it."""

    def __init__(self, library: Library, handle: ctypes.c_void_p):
        self._library, self._handle = library, handle
        self.shareable = library.flare_reply_shareable(handle)
        weakref.finalize(self, library.flare_reply_free, handle)

    def section(self, section: int) -> dict:
        return read_value(self._library, self._library.flare_shareable_section(self.shareable, section), self)

    @property
    def kind(self) -> str:
        return self._library.flare_shareable_kind(self.shareable).decode()

    @property
    def return_code(self) -> str:
        return self._library.flare_shareable_return_code(self.shareable).decode()

    def report(self, receiver: str, size: int) -> None:
        self._library.call("flare_reply_report", self._handle, receiver.encode(), size)

    def confirm(self, receiver: str, success: bool, reason: str = "") -> None:
        self._library.call("flare_reply_confirm", self._handle, receiver.encode(), int(success), reason.encode())


def _array(tensor: Tensor, owner: Any) -> Union[np.ndarray, bytes]:
    """A view of a received tensor. It may be written to, as some filters of NVFlare do: a reply is fetched once, so
    its memory belongs to nobody else."""
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    if tensor.dtype == _OPAQUE:
        return ctypes.string_at(tensor.data, math.prod(shape)) if tensor.data else b""
    dtype = dtype_from_flare(tensor.dtype)
    if dtype is None:
        raise FlareError(f"numpy has no type for tensors of dtype {tensor.dtype:#06x}: send float32 instead")
    size = math.prod(shape) * dtype.itemsize
    if size == 0:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * size).from_address(tensor.data)
    memory.owner = owner
    return np.frombuffer(memory, dtype).reshape(shape)


def read_value(library: Library, value: ctypes.c_void_p, owner: Any = None) -> Any:
    """A flare_value as Python has it. Without an owner that keeps its memory, tensors are copied."""
    number, real, text, size = ctypes.c_int64(), ctypes.c_double(), ctypes.c_void_p(), ctypes.c_void_p()
    kind = library.flare_value_get_type(value)
    if kind in (1, 2):
        library.flare_value_get_int(value, number)
        return bool(number.value) if kind == 1 else number.value
    if kind == 3:
        library.flare_value_get_double(value, real)
        return real.value
    if kind == 4:
        library.flare_value_get_text(value, text)
        return ctypes.string_at(text.value).decode()
    if kind in (5, 9):
        library.flare_value_get_bytes(value, text, size)
        return ctypes.string_at(text.value, size.value or 0) if text else b""
    if kind == 8:
        tensor = Tensor(struct_size=ctypes.sizeof(Tensor))
        library.flare_value_get_tensor(value, tensor)
        return _array(tensor, owner) if owner else np.copy(_array(tensor, owner))
    if kind in (6, 7):
        entries = []
        for index in range(library.flare_value_count(value)):
            key, child = ctypes.c_void_p(), ctypes.c_void_p()
            library.flare_value_at(value, index, key, child)
            entries.append((ctypes.string_at(key.value).decode(), read_value(library, child, owner)))
        return dict(entries) if kind == 7 else [entry for _, entry in entries]
    return None


# ---- Shareable to task -----------------------------------------------------------------------------------------------

WEIGHT_KINDS = (DataKind.WEIGHTS.value, DataKind.WEIGHT_DIFF.value)


class Task(NamedTuple):
    """What a Shareable of NVFlare brings, in the terms of the library."""

    kind: str
    tensors: Dict[str, np.ndarray]
    blobs: Dict[str, bytes]
    values: Dict[str, str]  # other entries of the body, as JSON
    headers: Dict[str, str]  # as JSON
    meta: Dict[str, str]  # as JSON
    paths: Dict[str, tuple]  # where in nested dicts a tensor was, by its name

    @property
    def round(self) -> int:
        return int(float(self.headers.get(AppConstants.CURRENT_ROUND, -1)))

    @property
    def total_rounds(self) -> int:
        return int(float(self.headers.get(AppConstants.NUM_ROUNDS, -1)))


def to_task(shareable: Shareable, list_dtype: str = "float32") -> Task:
    """Throws FlareError that names the entry which cannot be sent."""
    headers = dict(shareable.get(ReservedHeaderKey.HEADERS) or {})
    is_dxo = headers.get(ReservedHeaderKey.CONTENT_TYPE) == "DXO"
    dxo = from_shareable(shareable) if is_dxo else None
    kind = str(getattr(dxo.data_kind, "value", dxo.data_kind)) if dxo else ""
    data = dxo.data if dxo else {key: value for key, value in shareable.items() if not str(key).startswith("__")}
    if not isinstance(data, dict):
        raise FlareError(f"the task's {kind} are a {type(data).__name__}, not a dict by name")
    task = Task(kind, {}, {}, {}, _tellable(headers), _tellable((dxo.meta if dxo else None) or {}), {})
    _collect(data, (), task, np.dtype(list_dtype))
    return task


def _tellable(entries: Mapping) -> Dict[str, str]:
    """Without what only NVFlare understands: names with underscores around, and objects that are no JSON."""
    told = {str(k): json_or_none(v) for k, v in entries.items() if v is not None and not str(k).startswith("__")}
    return {name: text for name, text in told.items() if text is not None}


def _collect(data: Mapping, path: tuple, task: Task, list_dtype: np.dtype) -> None:
    is_model = task.kind in WEIGHT_KINDS
    for key, value in data.items():
        here = path + (key,)
        name = "/".join(str(part) for part in here)
        if is_model and isinstance(value, list):  # FedAvg(model={...}) hands its first model out as Python lists
            try:
                value = np.array(value, list_dtype)
            except (TypeError, ValueError) as error:
                raise FlareError(f"'{name}' is a list, but not one of numbers in equal rows: {error}") from error
        if isinstance(value, np.ndarray) or (is_model and isinstance(value, (np.generic, float, int))):
            task.tensors[name] = _sendable(name, np.asarray(value))
            task.paths[name] = here
        elif isinstance(value, (bytes, bytearray)):
            task.blobs[name] = bytes(value)
            task.paths[name] = here
        elif not is_model and not path and (text := json_or_none(value)) is not None:
            task.values[name] = text
        elif isinstance(value, dict):
            _collect(value, here, task, list_dtype)
        elif value is not None:
            raise FlareError(_not_numpy(name, value))


def _not_numpy(name: str, value: Any) -> str:
    kind = f"{type(value).__module__}.{type(value).__name__}"
    remedy = ""
    if kind.startswith("torch."):
        remedy = ": let the server exchange numpy arrays (server_expected_format=ExchangeFormat.NUMPY)"
    return f"'{name}' is a {kind}, which only Python can read{remedy}"


def _sendable(name: str, array: np.ndarray) -> np.ndarray:
    """Compact, row-major and in this machine's byte order; the array itself when it is all that."""
    if dtype_to_flare(array.dtype) is None:
        raise FlareError(f"'{name}' is an array of {array.dtype}, which tensors cannot hold")
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def fill(library: Library, shareable: ctypes.c_void_p, task: Task) -> None:
    """The tensors are lent, not copied: the caller keeps `task` until the request is done."""
    if task.kind:
        library.call("flare_shareable_set_kind", shareable, task.kind.encode())
    for name, array in task.tensors.items():
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = Tensor(ctypes.sizeof(Tensor), dtype_to_flare(array.dtype), array.ndim, 0, array.ctypes.data, shape)
        library.call("flare_shareable_borrow_tensor", shareable, name.encode(), tensor)
    for name, blob in task.blobs.items():
        library.call("flare_shareable_copy_bytes", shareable, name.encode(), blob, len(blob))
    for section, entries in ((BODY, task.values), (HEADERS, task.headers), (META, task.meta)):
        for name, text in entries.items():
            library.call("flare_shareable_set_json", shareable, section, name.encode(), text.encode())


# ---- Result to Shareable ---------------------------------------------------------------------------------------------

# The library's own; NVFlare's ClientRunner sets task name, id and cookies of a result itself.
_LIBRARY_HEADERS = ("job_id", "site_name", "attempt", "reason")


class Result(NamedTuple):
    """What a trainer answered."""

    kind: str
    return_code: str
    reason: str
    data: dict
    headers: dict
    meta: dict


def to_result(reply: Reply, task: Task) -> Result:
    headers = reply.section(HEADERS)
    reason = str(headers.get("reason", ""))
    own = {k: v for k, v in headers.items() if not k.startswith("__") and k not in _LIBRARY_HEADERS}
    data = reply.section(BODY)
    for name, path in task.paths.items():  # back into the nested dicts that the model has
        if len(path) > 1 and name in data:
            place = data
            for part in path[:-1]:
                place = place.setdefault(part, {})
                if not isinstance(place, dict):
                    raise FlareError(f"the result has '{part}' and also '{name}' in it")
            place[path[-1]] = data.pop(name)
        elif len(path) == 1 and path[0] != name and name in data:
            data[path[0]] = data.pop(name)  # a key that is no text
    return Result(reply.kind, reply.return_code, reason, data, own, reply.section(META))


def to_shareable(result: Result) -> Shareable:
    if result.kind:
        shareable = DXO(result.kind, data=result.data, meta=result.meta).to_shareable()
    else:
        shareable = make_reply(ReturnCode.OK)
        shareable.update(result.data)
    for name, value in result.headers.items():
        shareable.set_header(name, value)
    shareable.set_return_code(result.return_code)
    return shareable


# ---- What the site permits -------------------------------------------------------------------------------------------

POLICY_FILE = "flare_agent_policy.json"

_LIMITS = {  # name in the policy: what the kernel calls it
    "memory_bytes": resource.RLIMIT_AS,
    "cpu_seconds": resource.RLIMIT_CPU,
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "file_bytes": resource.RLIMIT_FSIZE,
    "core_bytes": resource.RLIMIT_CORE,
}
_PERMISSION_WORDS = {
    "byoc": "only of jobs that may bring code (byoc), and this one brings none",
    "none": "of no job",
}


class Launch(NamedTuple):
    """What is started, and on which terms of the site."""

    command: List[str]
    cwd: str = ""
    environment: Mapping[str, str] = {}
    user: Union[str, int] = ""
    limits: Mapping[str, int] = {}
    folders: Sequence[str] = ()  # where a relative program is looked for
    mend: str = ""  # below this folder a program without the right to be executed gets it
    rendezvous: str = ""  # instead of a command: the folder to which a resident trainer comes


class Place(NamedTuple):
    """Where a job runs, and by whose leave."""

    site: str
    job_id: str
    workspace: str
    app: str
    custom: str
    config: str  # the site's folder "local"
    brings_code: bool

    @classmethod
    def of(cls, fl_ctx: FLContext) -> "Place":
        job_id, workspace = fl_ctx.get_job_id(), fl_ctx.get_engine().get_workspace()
        custom, meta = workspace.get_app_custom_dir(job_id), fl_ctx.get_prop(FLContextKey.JOB_META)
        # A site takes an app with a custom folder only from a submitter with the right "byoc". The job's meta alone may
        # mean another site's app.
        brings_code = isinstance(meta, dict) and bool(meta.get(AppValidationKey.BYOC)) and os.path.isdir(custom)
        root, app = workspace.get_root_dir(), workspace.get_app_dir(job_id)
        site = fl_ctx.get_identity_name()
        return cls(site, str(job_id), root, app, custom, workspace.get_site_config_dir(), brings_code)

    def fill_in(self, text: str) -> str:
        """As NVFlare does in the configuration of a job."""
        for name, value in (("SITE_NAME", self.site), ("JOB_ID", self.job_id), ("WORKSPACE", self.workspace)):
            text = text.replace(f"{{{name}}}", value)
        return text


class Policy:
    """What a site lets jobs run: its file local/flare_agent_policy.json, or the rules without one."""

    def __init__(self, place: Place):
        self._place = place
        self.path = os.path.join(place.config, POLICY_FILE)
        self.exists = os.path.lexists(self.path)
        rules = _rules(self.path) if self.exists else {}
        self.library: str = rules.get("library", "")
        self._trainers: Dict[str, dict] = rules.get("trainers", {})
        self._commands: dict = rules.get("commands", {})
        self._options: List[str] = rules.get("options", [])
        self._bind: List[str] = rules.get("bind", []) if self.exists else ["*"]  # without one only code starts anything

    def launch_of_trainer(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], cwd: str = ""
    ) -> Launch:
        if not self.exists:
            raise FlareError(f"the job asks for the trainer '{name}', and this site names none: it has no {self.path}")
        if name not in self._trainers:
            names = ", ".join(sorted(self._trainers)) or "none"
            raise FlareError(f"the site's policy does not name the trainer '{name}'; it names {names}")
        rules, fill_in = self._trainers[name], self._place.fill_in
        if "rendezvous" in rules:
            if arguments or environment or cwd:
                raise FlareError(f"the trainer '{name}' runs already: a job gives it no arguments, environment or cwd")
            return Launch([], rendezvous=fill_in(rules["rendezvous"]))
        if arguments and not rules.get("arguments", False):
            raise FlareError(f"the site's policy does not let a job give arguments to the trainer '{name}'")
        if any("${secret:" in word for word in arguments):
            raise FlareError("a job may not refer to secrets in the arguments of a trainer that the site names")
        if foreign := sorted(set(environment) - set(rules.get("variables", []))):
            raise FlareError(f"the site's policy does not let a job set {', '.join(foreign)} of the trainer '{name}'")
        if cwd:
            raise FlareError(f"where the trainer '{name}' runs is the site's matter: leave cwd out")
        command = [fill_in(word) for word in _words(rules["command"])]
        folder = fill_in(rules.get("cwd", ""))
        own = {variable: fill_in(value) for variable, value in rules.get("environment", {}).items()}
        return Launch(
            [*command, *arguments],
            folder,
            {**environment, **own},
            rules.get("user", ""),
            rules.get("limits", {}),
            [folder] if os.sep in command[0] else [],  # a bare name by PATH: a job's folder has no say in it
        )

    def launch_of_command(self, command: Union[str, List[str]], environment: Mapping[str, str], cwd: str) -> Launch:
        place, allowed = self._place, self._commands.get("allow", "byoc")
        if not (allowed == "any" or allowed == "byoc" and place.brings_code):
            whose = f"the policy {self.path}" if self.exists else f"without {self.path}"
            raise FlareError(
                f"this site runs commands {_PERMISSION_WORDS[allowed]} ({whose}); "
                f"use one of its trainers: {', '.join(sorted(self._trainers)) or 'it names none'}"
            )
        folder = os.path.abspath(os.path.join(place.app, cwd))
        return Launch(
            _words(command),
            folder,
            environment,
            self._commands.get("user", ""),
            self._commands.get("limits", {}),
            [folder, place.custom],
            place.app if self._commands.get("make_executable", True) else "",
        )

    def check_options(self, library: str, options: Mapping[str, Any]) -> None:
        """What a job without code of its own may not choose, as it would be a way to bring some or to touch files."""
        if self._place.brings_code:
            return
        if library:
            raise FlareError("the library is chosen by the site, or by a job that may bring code (byoc)")
        if foreign := sorted(set(options) - set(self._options)):
            raise FlareError(
                f"the option {', '.join(foreign)} is for the site to choose, or for a job that may bring code (byoc); "
                f"'options' in {self.path} lists what others may set"
            )

    def check_bind(self, url: str) -> None:
        if not any(_permits(pattern, url) for pattern in self._bind):
            places = ", ".join(self._bind) or "nothing but its own private socket"
            raise FlareError(f"this site does not let a job bind {url}; it permits {places} ('bind' in {self.path})")


def _permits(pattern: str, url: str) -> bool:
    if pattern in ("*", url):
        return True
    scheme, _, place = pattern.partition("://")
    if not url.startswith(f"{scheme}://"):
        return False
    wanted = url[len(scheme) + 3 :]
    if scheme == "zmq+ipc":
        return place.endswith(os.sep) and os.path.normpath(wanted).startswith(place)
    host, _, ports = place.rpartition(":")
    wanted_host, _, port = wanted.rpartition(":")
    if host != wanted_host:
        return False
    low, _, high = ports.partition("-")
    return ports == "*" or port.isdecimal() and int(low) <= int(port) <= int(high or low)


def _words(command: Union[str, List[str]]) -> List[str]:
    if isinstance(command, str):
        # As NVFlare 2.9 does: a reference to a secret is one word, whatever is in it.
        references: List[str] = []
        command = re.sub(r"\$\{secret:[^}]*\}", lambda match: references.append(match[0]) or "\0", command)
        return [re.sub("\0", lambda _: references.pop(0), word) for word in shlex.split(command)]
    return [str(word) for word in command]


def with_secrets(command: List[str]) -> List[str]:
    """The command with what its ${secret:...} refer to, by NVFlare's own rules."""
    if not any("${secret:" in word for word in command):
        return command
    if not prepare_subprocess_command:
        raise FlareError("the command refers to a secret, which NVFlare knows from 2.9 on: use a variable or a file")
    return prepare_subprocess_command(command)


_NAMED = {
    "command": (str, list),
    "rendezvous": str,
    "cwd": str,
    "environment": dict,
    "variables": list,
    "arguments": bool,
    "user": (str, int),
    "limits": dict,
}
_RAW = {"allow": str, "make_executable": bool, "user": (str, int), "limits": dict}
_TOP = {"format_version": int, "library": str, "trainers": dict, "commands": dict, "bind": list, "options": list}


def _rules(path: str) -> dict:
    """The file's content. A mistake in it is an error, as a rule that is not understood would not be kept."""
    try:
        with open(path) as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                raise FlareError(f"{path}: everybody may write to it: run chmod o-w on it")
            rules = json.load(file)
        _check(rules, _TOP, "the policy")
        if rules.get("format_version", 1) != 1:
            raise ValueError(f"format_version {rules['format_version']} is newer than this executor")
        for name, trainer in rules.get("trainers", {}).items():
            _check(trainer, _NAMED, f"trainer '{name}'")
            _check_trainer(trainer, f"trainer '{name}'")
        commands = rules.get("commands", {})
        _check(commands, _RAW, "commands")
        if commands.get("allow", "byoc") not in ("byoc", "any", "none"):
            raise ValueError("'allow' of commands is byoc, any or none")
        _check_limits(commands.get("limits", {}), "commands")
        for pattern in rules.get("bind", []):
            if not re.fullmatch(r"zmq\+ipc:///.*|zmq\+tcp://.+:(\*|\d+(-\d+)?)", str(pattern)):
                raise ValueError(f"'{pattern}' in bind is neither zmq+ipc:///PATH nor zmq+tcp://HOST:PORT (or *)")
        return rules
    except (OSError, ValueError) as error:  # JSONDecodeError is one
        raise FlareError(f"{path}: {error}") from error


def _check(rules: Any, kinds: Mapping[str, Any], where: str) -> None:
    if not isinstance(rules, dict):
        raise ValueError(f"{where} is not an object")
    for name, value in rules.items():
        if name not in kinds:
            raise ValueError(f"{where} has no '{name}'; it may have {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or isinstance(value, bool) and kinds[name] is not bool:
            raise ValueError(f"'{name}' of {where} is of the wrong type")


def _check_trainer(trainer: dict, where: str) -> None:
    if "rendezvous" in trainer:
        if len(trainer) > 1:
            raise ValueError(f"{where} has a rendezvous: who started it decides on everything else")
        if not os.path.isabs(trainer["rendezvous"].replace("{WORKSPACE}", "/")):
            raise ValueError(f"'rendezvous' of {where} does not begin with /")
        return
    command = _words(trainer.get("command", ""))
    if not command:
        raise ValueError(f"{where} has no command")
    if not os.path.isabs(trainer.get("cwd", "/").replace("{WORKSPACE}", "/")):
        raise ValueError(f"'cwd' of {where} does not begin with /")
    if os.sep in command[0] and not os.path.isabs(command[0].replace("{WORKSPACE}", "/")) and "cwd" not in trainer:
        raise ValueError(f"{where} has the relative program {command[0]} and no cwd")
    if not all(isinstance(value, str) for value in trainer.get("environment", {}).values()):
        raise ValueError(f"'environment' of {where} has a value that is no text")
    _check_limits(trainer.get("limits", {}), where)


def _check_limits(limits: dict, where: str) -> None:
    _check(limits, dict.fromkeys([*_LIMITS, "nice", "task_seconds"], int), f"'limits' of {where}")
    if any(value < 0 for name, value in limits.items() if name != "nice"):
        raise ValueError(f"'limits' of {where} has a negative number")


# ---- The trainer's program -------------------------------------------------------------------------------------------

_MACHINES = {3: "i386", 8: "MIPS", 20: "PowerPC", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64"}
_MACHINES.update({243: "riscv64", 258: "loongarch64"})
_PT_INTERP = 3
_NOT_LOADED = (
    r"error while loading shared libraries: (\S+?):",  # glibc
    r"Error loading shared library (\S+?):",  # musl
    r"(?:version `)([A-Z]+_[0-9.]+)' not found",  # a newer glibc or libstdc++ than the site's
)


def find_program(program: str, folders: Sequence[str], mend: str = "") -> str:
    """The program's path: looked for in the folders, and by PATH when it is a bare name."""
    # An absolute path stays what it is.
    candidates = [os.path.abspath(os.path.join(folder, program)) for folder in folders]
    for path in candidates:
        if os.path.isfile(path):
            _make_executable(path, mend)
            return path
    found = shutil.which(program) if os.sep not in program else None
    if not found:
        looked = " or ".join(sorted(set(os.path.dirname(path) for path in candidates)))
        where = f"it is not in {looked}" if looked else "it is"
        also = "" if os.sep in program else " nor in PATH" if looked else " not in PATH"
        raise FlareError(f"the trainer '{program}' is not there: {where}{also}")
    return found


def _make_executable(path: str, mend: str) -> None:
    """Job archives lose the right to execute; it is given back below the folder `mend`."""
    if os.access(path, os.X_OK):
        return
    if noexec := _noexec(path):
        raise FlareError(f"the trainer {path} {noexec}")
    real = os.path.realpath(path)
    if not mend or os.path.commonpath([os.path.realpath(mend), real]) != os.path.realpath(mend):
        raise FlareError(f"the trainer {path} may not be executed: run chmod +x on it")
    try:
        mode = os.stat(real).st_mode
        os.chmod(real, mode | (mode & 0o444) >> 2)  # whoever may read it
    except OSError as error:
        raise FlareError(f"the trainer {path} may not be executed, and cannot be made so: {error.strerror}") from error


def _noexec(path: str) -> str:
    if not os.statvfs(path).f_flag & os.ST_NOEXEC:
        return ""
    return "is on a file system that is mounted noexec: nothing there can be executed; put it elsewhere on the site"


class _Elf(NamedTuple):
    machine: int
    loader: str


def _read_elf(path: str) -> Optional[_Elf]:
    """What an ELF file needs of the machine; None when it is none, or not one that can be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:4] != b"\x7fELF":
                return None
            order = "<" if head[5] == 1 else ">"
            machine = struct.unpack_from(order + "H", head, 18)[0]
            wide = head[4] == 2
            start = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
            size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
            for index in range(count):
                file.seek(start + index * size)
                entry = file.read(size)
                if struct.unpack_from(order + "I", entry)[0] == _PT_INTERP:
                    at = struct.unpack_from(order + ("Q" if wide else "I"), entry, 8 if wide else 4)[0]
                    length = struct.unpack_from(order + ("Q" if wide else "I"), entry, 32 if wide else 16)[0]
                    file.seek(at)
                    return _Elf(machine, file.read(min(length, 4096)).rstrip(b"\0").decode(errors="replace"))
            return _Elf(machine, "")
    except (OSError, struct.error, IndexError):
        return None


def why_not_started(path: str, number: int, text: str) -> str:
    """Why the kernel would not execute a program that is there, in words that lead to the remedy."""
    elf, this_machine = _read_elf(path), _read_elf("/proc/self/exe")
    if elf and this_machine and elf.machine != this_machine.machine:
        built, here = (_MACHINES.get(n, f"ELF machine {n}") for n in (elf.machine, this_machine.machine))
        return f"is built for {built}, and this machine is {here}: build it for {here}"
    if elf and elf.loader and not os.path.exists(elf.loader):
        return f"needs {elf.loader}, which this site does not have: build it for this system, or statically"
    if noexec := _noexec(path):
        return noexec
    with open(path, "rb") as file:
        first = file.readline(512)
    if first.startswith(b"#!"):
        line = first[2:].decode(errors="replace").rstrip("\n")
        if line.endswith("\r"):
            return "has Windows line ends, which make its interpreter one that is not there: run dos2unix on it"
        interpreter = (line.split() or [""])[0]
        if not os.path.exists(interpreter):
            return f"is a script for {interpreter or 'nothing'}, which this site does not have"
        if not os.access(interpreter, os.X_OK):
            return f"is a script for {interpreter}, which may not be executed"
    elif not elf and number == errno.ENOEXEC:
        return "is no program for this system: neither ELF nor a script that begins with #!"
    return f"was not executed: {text}"


def missing_libraries(output: str) -> str:
    """What the loader did not find, when a program's output says that there was such a thing."""
    named = [match[1] for pattern in _NOT_LOADED for match in re.finditer(pattern, output)]
    if not named:
        return ""
    names = ", ".join(dict.fromkeys(named))
    return f": this site lacks {names}, which it needs (install it, or set LD_LIBRARY_PATH; ldd lists all of them)"


# ---- The trainer's process -------------------------------------------------------------------------------------------

_LOG_TAIL_LINES, _LOG_TAIL_BYTES = 30, 8192  # a report of flare-agent doctor fits

# Becomes the trainer: an interpreter of its own, as in a fork of a process with threads next to nothing is safe. So
# the trainer has its limits and its user from its first instruction on. What went wrong goes to the descriptor
# `report`, which the trainer does not inherit.
_STARTER = """
import json, os, resource, signal, sys
order = json.load(sys.stdin)
os.set_inheritable(order["report"], False)
step = ""
try:
    for step, what, soft, hard in order["limits"]:
        highest = resource.getrlimit(what)[1]
        fits = lambda value: value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(what, (fits(soft), fits(hard)))
    step = "nice"
    os.nice(order["nice"])
    step = "user"
    if order["account"]:
        uid, gid, groups = order["account"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    step = "cwd"
    os.chdir(order["cwd"])
    step = "exec"
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execve(order["command"][0], order["command"], order["environment"])
except BaseException as error:
    text = getattr(error, "strerror", None) or str(error)
    os.write(order["report"], json.dumps([step, getattr(error, "errno", None) or 0, text]).encode())
    os._exit(127)
"""


class Account(NamedTuple):
    """Another user of this machine."""

    name: str
    uid: int
    gid: int
    groups: List[int]
    home: str

    @classmethod
    def of(cls, user: Union[str, int]) -> Optional["Account"]:
        """None for who runs this process already."""
        if user == "":
            return None
        try:
            entry = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
        except KeyError:
            raise FlareError(f"the site's policy wants the trainer to run as {user}, whom this machine does not know")
        if entry.pw_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise FlareError(
                f"the site's policy wants the trainer to run as {entry.pw_name}, and NVFlare's client runs as "
                f"{getpass.getuser()}: only root can start programs of another user"
            )
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)

    def give(self, path: str) -> None:
        os.chown(path, self.uid, self.gid)

    def let_into(self, folder: str) -> None:
        """Lets it enter a private folder, and neither list nor change it."""
        os.chown(folder, -1, self.gid)
        os.chmod(folder, 0o710)


# What outlives NVFlare's process when that is killed, as NVFlare does after an abort, and its simulator with each
# process of a client that shares a thread with others: the trainer could never be met again, as its token is lost. The
# guard reads the trainer's process group, an empty line when there is none, and acts when the pipe is closed. The word
# "done" ends it without that: somebody else's child may hold the pipe open.
_GUARD = """
trap '' HUP INT TERM
end_group() {
  kill -s TERM -- "-$1"
  for second in 1 2 3; do
    kill -s 0 -- "-$1" || return
    sleep 1
  done
  kill -s KILL -- "-$1"
}
group=
while read -r line; do
  [ "$line" != done ] || exit
  group=$line
done
[ -z "$group" ] || end_group "$group"
rm -rf -- "$1"
"""


class Guard:
    """Ends the trainer, and removes the private folder, when this process ends without having done so."""

    def __init__(self, folder: str):
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "flare-agent guard", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        _guards.add(self)

    def watch(self, group: Optional[int]) -> None:
        """From now on this one, or none: to be said before the id of a group is free for others."""
        self._say(group or "")

    def close(self) -> None:
        """When all is cleaned up."""
        self._say("done")
        self._process.stdin.close()
        self._process.wait()

    def forget(self) -> None:
        """In a child that was forked: it must not keep the guard from acting."""
        self._process.stdin.close()

    def _say(self, line: Union[int, str]) -> None:
        try:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())
        except BrokenPipeError:  # somebody killed it
            pass


_guards: "weakref.WeakSet[Guard]" = weakref.WeakSet()


def _forget_guards() -> None:
    for guard in list(_guards):
        guard.forget()


os.register_at_fork(after_in_child=_forget_guards)


_PROFILE_VARIABLE = "FLARE_AGENT_PROFILE"
_SURVIVAL_S = 1.0  # ranks whose launcher was killed notice it themselves


def processes_with(variable: str, value: str) -> Dict[int, str]:
    """Ids and command lines of the processes that have it in their environment, as far as this one may see."""
    found, entry = {}, f"{variable}={value}".encode()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as environment, open(f"/proc/{name}/cmdline", "rb") as line:
                if entry in environment.read().split(b"\0"):
                    found[int(name)] = line.read(4096).replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has ended, or is another user's
            pass
    return {process: line for process, line in found.items() if line}  # one that only waits for its parent has none


class TrainerProcess:
    """A trainer in a session of its own: watched by a descriptor, and surely ended with its process group."""

    missing = "the trainer runs, but did not connect"

    def __init__(
        self,
        launch: Launch,
        environment: Mapping[str, str],
        log: str,
        guard: Guard,
        account: Optional[Account] = None,
    ):
        self.log = log
        self._guard = guard
        self._profile = environment[_PROFILE_VARIABLE]
        self._limits = launch.limits
        self._lock = threading.Lock()
        self._status: Optional[int] = None  # as Popen has it, once ended
        report = os.pipe()
        try:
            with open(log, "ab") as output:
                self._log_start = output.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _STARTER],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[report[1]],
                )
        finally:
            os.close(report[1])
            said = os.fdopen(report[0], "rb")
        self.fd = os.pidfd_open(self._process.pid)  # readable once it has ended
        weakref.finalize(self, os.close, self.fd)
        guard.watch(self.pid)
        try:
            with said, self._process.stdin as stdin:
                stdin.write(json.dumps(self._order(launch, environment, account, report[1])).encode())
                stdin.close()
                problem = said.read()
        except BaseException:
            self._signal(signal.SIGKILL)
            self.wait(60.0)  # which tells the guard, before the id is free for others
            raise
        if problem:
            self.wait(60.0)
            raise FlareError(self._not_started(launch, account, *json.loads(problem)))

    @staticmethod
    def _order(launch: Launch, environment: Mapping[str, str], account: Optional[Account], report: int) -> dict:
        limits = []
        for name, what in _LIMITS.items():
            if name in launch.limits:
                soft = launch.limits[name]
                # A second more until SIGKILL, so that it is SIGXCPU which ends it and says why.
                limits.append((name, what, soft, soft + 1 if name == "cpu_seconds" else soft))
        return {
            "limits": limits,
            "nice": launch.limits.get("nice", 0),
            "account": account and (account.uid, account.gid, account.groups),
            "cwd": launch.cwd,
            "command": launch.command,
            "environment": dict(environment),
            "report": report,
        }

    @staticmethod
    def _not_started(launch: Launch, account: Optional[Account], step: str, number: int, text: str) -> str:
        who = f" as {account.name}" if account else ""
        if step == "exec":
            return f"the trainer {launch.command[0]} {why_not_started(launch.command[0], number, text)}{who}"
        if step == "cwd":
            return f"the trainer cannot run{who} in {launch.cwd}: {text}"
        return f"the site's policy cannot be kept: {step}: {text}"

    def __str__(self) -> str:
        return f"trainer {self.pid}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        """Looks; kills what an ended trainer left in its group."""
        with self._lock:
            if self._status is None:
                look = os.WEXITED | os.WNOHANG | os.WNOWAIT
                if os.waitid(os.P_PID, self.pid, look) is None:
                    return False
                self._signal(signal.SIGKILL)  # while its id is still taken, so that no other group can be meant
                self._guard.watch(None)
                self._status = self._process.wait()
            return True

    def wait(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        poller.poll(max(0, seconds) * 1000)
        return self.has_ended()

    def stop(self, grace: float, term_grace: float) -> None:
        """Waits for its own end, then asks it to end, then ends it."""
        if self.wait(grace):
            return
        for request, patience in ((signal.SIGTERM, term_grace), (signal.SIGKILL, 60.0)):
            self._signal(request)
            if self.wait(patience):
                return

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # ended, or all of another user
            pass

    def how_it_ended(self) -> str:
        if self._status is None:
            return "did not end"
        if self._status > 0:
            return f"ended with exit status {self._status}{missing_libraries(self._output())}"
        if self._status == 0:
            return "ended with exit status 0"
        limits = ", ".join(f"{name} {value}" for name, value in self._limits.items())
        under = f" under the limits of the site's policy: {limits}" if limits else ""
        return f"was ended by signal {-self._status} ({signal.strsignal(-self._status)}){under}"

    def survivors(self) -> Dict[int, str]:
        """What it started and its group's end did not reach: processes in a group of their own, by id."""
        end = time.monotonic() + _SURVIVAL_S
        while (left := processes_with(_PROFILE_VARIABLE, self._profile)) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def _output(self) -> str:
        """The end of what it wrote."""
        with open(self.log, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_start, end - _LOG_TAIL_BYTES))
            return file.read().decode(errors="replace")

    def with_last_words(self, reason: str) -> str:
        """A failure, and the end of the log behind it."""
        words = "".join(f"\n  | {line}" for line in self._output().splitlines()[-_LOG_TAIL_LINES:])
        return f"{reason}; the last lines of {self.log}:{words}" if words else f"{reason}; it wrote nothing"


class ResidentTrainer:
    """As TrainerProcess, of a trainer that somebody else runs: it comes by the rendezvous, and stays after the job."""

    def __init__(self, folder: str, agent_id: str):
        self.missing = f"no trainer with the agent_id '{agent_id}' came to {folder}"
        self.fd, never_written = os.pipe()
        for fd in (self.fd, never_written):
            weakref.finalize(self, os.close, fd)

    def __str__(self) -> str:
        return "the resident trainer"

    def has_ended(self) -> bool:
        return False

    def stop(self, grace: float, term_grace: float) -> None:
        pass

    def how_it_ended(self) -> str:
        return "is free for another job"

    def with_last_words(self, reason: str) -> str:
        return reason


def write_profile(path: str, values: Mapping[str, str]) -> None:
    """Readable by its owner only from the first moment, as the token is in it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dict(values), file)


# ---- Delivery to the server ------------------------------------------------------------------------------------------

_SERVER = "server"
_SIGN_OF_LIFE_S = 5.0


class Delivery:
    """Tells the trainer when the server has a result: it is a second receiver of it, for which this process speaks."""

    def __init__(self, engine: Any, site: str):
        self._site = site
        self._lock = threading.Lock()
        self._pending: Dict[str, Reply] = {}  # by task id
        self._signs, self._next_sign = 0, 0.0
        self._sent = ""  # the task whose result the server has taken last
        self._watch(engine)

    def _watch(self, engine: Any) -> None:
        """NVFlare fires AFTER_SEND_TASK_RESULT also when it gave up, and tells nobody. Its engine knows."""
        send = engine.send_task_result

        def watched(result: Shareable, *arguments, **more) -> bool:
            done = send(result, *arguments, **more)
            if done and result.get_return_code() == ReturnCode.OK:  # else NVFlare's own failure went in its place
                self._sent = str(result.get_header(ReservedHeaderKey.TASK_ID))
            return done

        engine.send_task_result = watched

    def declare(self, library: Library, request: ctypes.c_void_p) -> None:
        """For a new task; the trainer takes it once it waits for no other result."""
        self.give_up("NVFlare went on to the next task, and did not say that it had sent the result")
        for receiver in (self._site, _SERVER):
            library.call("flare_request_add_receiver", request, receiver.encode())

    def expect(self, task_id: str, reply: Reply) -> None:
        with self._lock:
            self._pending[task_id] = reply

    def settle(self, task_id: str) -> None:
        """NVFlare is done with the sending, one way or the other."""
        with self._lock:
            reply = self._pending.pop(task_id, None)
        if reply:
            given_up = (
                "NVFlare gave up sending it: the server wanted it no longer, the job was ended, or a filter or an error "
                "took its place (see the site's log)"
            )
            reply.confirm(_SERVER, self._sent == task_id, "" if self._sent == task_id else given_up)

    def give_up(self, reason: str) -> None:
        with self._lock:
            pending, self._pending, self._signs = self._pending, {}, 0
        for reply in pending.values():
            reply.confirm(_SERVER, False, reason)

    def show_life(self, now: float) -> None:
        """NVFlare's way to the server has its own patience, and does not say how far it is: the trainer's must not run
        out meanwhile. So the receiver moves by one byte."""
        with self._lock:
            if now < self._next_sign:
                return
            self._next_sign, self._signs = now + _SIGN_OF_LIFE_S, self._signs + 1
            for reply in self._pending.values():
                reply.report(_SERVER, self._signs)


# ---- The executor ----------------------------------------------------------------------------------------------------

# NVFlare's Signal is a flag with nothing to wait on: it is looked at 50 times a second.
_ABORT_LOOK_MS = 20
_LATE_RESULT_S = 0.1  # a result may still be on its way through the library when its trainer has ended
_METRICS_PAUSE_S = 0.05
# NVFlare 2.8's server drops an event that a later one of the same site overtakes on its way; 2.9 knows events by ids.
_EVENTS_ARE_DROPPED = not hasattr(FedEventHeader, "EVENT_ID")
_EVENT_TIMEOUT_S = 2.0
_TERM_GRACE_S = 3.0  # with the grace before it less than the 10 s until NVFlare kills this process after an abort
_RANKS = ("RANK", "LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")
# Options of one end. Keys of the trainer come in its environment; the token only in the profile.
_EXCHANGERS_OWN = ("curve_secret_key_file", "curve_admitted_keys_file", "advertise", "trainer_profile", "token")
_ABORT_GRACE_S = 2.0  # NVFlare kills the process of an aborted job itself after some seconds


class _Refused(Exception):
    """A task that has no result: the return code for the server, and words for the log."""

    def __init__(self, return_code: str, reason: str):
        super().__init__(reason)
        self.return_code = return_code


class AgentExecutor(Executor):
    def __init__(
        self,
        command: Union[str, List[str]] = "",
        cwd: str = "",
        environment: Optional[Dict[str, str]] = None,
        library: str = "",
        url: str = "",
        agent_id: str = "agent",
        train_task_name: str = AppConstants.TASK_TRAIN,
        evaluate_task_name: str = AppConstants.TASK_VALIDATION,
        submit_model_task_name: str = AppConstants.TASK_SUBMIT_MODEL,
        params_exchange_format: str = "numpy",
        params_transfer_type: str = "FULL",
        list_dtype: str = "float32",
        check_results: bool = True,
        start_timeout: float = 60.0,
        task_timeout: Optional[float] = None,
        stop_grace_period: float = 5.0,
        heartbeat_interval: float = 5.0,
        heartbeat_timeout: float = 60.0,
        analytics_event: str = "fed.analytix_log_stats",
        options: Optional[Dict[str, str]] = None,
        trainer: str = "",
        arguments: Optional[List[str]] = None,
        deliver_to: str = "client",
        max_restarts: int = 0,
    ):
        """Runs a trainer at START_RUN, hands it every task, and ends it with the job.

        Args:
            command: the trainer and its arguments, as a list or in the shell's quoting. A relative path is looked for
                in cwd and in the job's custom folder, a bare name also in PATH. {SITE_NAME}, {JOB_ID} and {WORKSPACE}
                are replaced by NVFlare, and ${secret:...} from 2.9 on.
            cwd: where it runs; the job's app folder by default, to which a relative path refers.
            environment: variables added to those of the site.
            library: the path of libflare_agent.so; else FLARE_AGENT_LIBRARY, else the loader finds it.
            url: where trainer and executor meet; a private UNIX socket by default.
            agent_id: the name of the agent, of its log, and in error messages.
            train_task_name, evaluate_task_name, submit_model_task_name: which tasks are of these kinds.
            params_exchange_format: "numpy"; others are refused.
            params_transfer_type: "FULL", or "DIFF": a trained model is sent as the difference from the task's.
            list_dtype: of tensors that NVFlare has as Python lists.
            check_results: refuse trained models with missing, misshaped, NaN or infinite tensors.
            start_timeout: seconds from the first task until the trainer has connected.
            task_timeout: seconds that a task may take; None: as long as it wants.
            stop_grace_period: seconds after the end of the job until a trainer that still runs gets SIGTERM.
            heartbeat_interval, heartbeat_timeout: seconds; a frozen process is noticed after the timeout.
            analytics_event: the event that metrics of the trainer are fired as; with "fed." it goes to the server.
            options: further options of libflare_agent, for both ends; those of keys and addresses for the exchanger.
            trainer: instead of command: the name of a trainer in the site's policy.
            arguments: for that trainer, behind its own; the site's policy must permit it.
            deliver_to: "client": a result counts as delivered when this process has it. "server": when the server has.
            max_restarts: how often a trainer that ends during the job is started again; it gets the same task.
        """
        super().__init__()
        self.command = command
        self.cwd = cwd
        self.environment = environment
        self.library = library
        self.url = url
        self.agent_id = agent_id
        self.train_task_name = train_task_name
        self.evaluate_task_name = evaluate_task_name
        self.submit_model_task_name = submit_model_task_name
        self.params_exchange_format = params_exchange_format
        self.params_transfer_type = params_transfer_type
        self.list_dtype = list_dtype
        self.check_results = check_results
        self.start_timeout = start_timeout
        self.task_timeout = task_timeout
        self.stop_grace_period = stop_grace_period
        self.heartbeat_interval = heartbeat_interval
        self.heartbeat_timeout = heartbeat_timeout
        self.analytics_event = analytics_event
        self.options = options
        self.trainer = trainer
        self.arguments = arguments
        self.deliver_to = deliver_to
        self.max_restarts = max_restarts
        self._check_arguments()
        self._run: Optional["_Run"] = None
        self._failure = "the job has not started"

    def _check_arguments(self) -> None:
        def refuse(text: str):
            raise ValueError(f"AgentExecutor: {text}")

        if bool(self.command) == bool(self.trainer):
            both = f"both 'command' and 'trainer' ({self.trainer}) are given" if self.command else "command is empty"
            refuse(f"{both}: name the trainer's program, or a trainer of the site's policy")
        if self.arguments and not self.trainer:
            refuse("'arguments' are for a trainer of the site's policy: put them into the command")
        # It is part of a file's name; {SITE_NAME} and the like are filled in later.
        if not re.fullmatch(r"[A-Za-z0-9_.{}-]{1,128}", self.agent_id):
            refuse(f"agent_id '{self.agent_id}' has other characters than A-Z a-z 0-9 _ . -")
        if self.analytics_event.replace("fed.", "", 1).startswith("_"):
            refuse(f"analytics_event '{self.analytics_event}' is one of NVFlare's own events")
        if not isinstance(self.max_restarts, int) or self.max_restarts < 0:
            refuse(f"max_restarts {self.max_restarts} is no number from 0 on")
        if self.deliver_to not in ("client", "server"):
            refuse(f"deliver_to '{self.deliver_to}' is neither 'client' nor 'server'")
        # Enums of NVFlare (ExchangeFormat, TransferType) are taken as well as their texts.
        self.params_exchange_format = str(getattr(self.params_exchange_format, "value", self.params_exchange_format))
        self.params_transfer_type = str(getattr(self.params_transfer_type, "value", self.params_transfer_type))
        if self.params_exchange_format != "numpy":
            refuse(
                f"params_exchange_format '{self.params_exchange_format}' cannot be honoured, as only Python can read "
                "it: use 'numpy', and let the server exchange numpy arrays (server_expected_format)"
            )
        if self.params_transfer_type not in ("FULL", "DIFF"):
            refuse(f"params_transfer_type '{self.params_transfer_type}' is neither 'FULL' nor 'DIFF'")

    def handle_event(self, event_type: str, fl_ctx: FLContext):
        if event_type == EventType.START_RUN:
            try:
                self._run = _Run(self, fl_ctx)
                self.log_info(fl_ctx, self._run.started)
                add_job_audit_event(fl_ctx, msg=f"flare agent: {self._run.started}")
            except Exception as error:
                # The first task is answered with it: a panic here would leave the server waiting for this site.
                self._failure = str(error)
                self.log_error(fl_ctx, f"the trainer was not started: {error}")
                add_job_audit_event(fl_ctx, msg=f"flare agent: the trainer was not started: {error}")
        elif event_type == EventType.AFTER_SEND_TASK_RESULT and self._run:
            self._run.result_was_sent(str(fl_ctx.get_prop(FLContextKey.TASK_ID)))
        elif event_type == EventType.ABOUT_TO_END_RUN and self._run:
            run, self._run, self._failure = self._run, None, "the job is over"
            self.log_info(fl_ctx, run.close())

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        begin = time.monotonic()
        try:
            run = self._run
            if not run:
                raise _Refused(ReturnCode.EXECUTION_EXCEPTION, self._failure)
            result = run.serve(task_name, shareable, fl_ctx, abort_signal)
            spent = (time.monotonic() - begin) * 1000
            run.spent_ms.append(spent)
            kind = result.get("DXO", {}).get("kind", "no DXO")
            self.log_info(fl_ctx, f"task {task_name}: {result.get_return_code()} ({kind}) after {spent:.1f} ms")
            return result
        except _Refused as refused:
            self.log_error(fl_ctx, f"task {task_name}: {refused}")
            return make_reply(refused.return_code, {"reason": str(refused)})


def _readable(*fds: int) -> set:
    """Which of them are, after a moment at most."""
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return {fd for fd, _ in poller.poll(_ABORT_LOOK_MS)}


class _Run:
    """What lives from START_RUN to the end of the job: exchanger, trainer, and the thread that attends to both."""

    def __init__(self, executor: AgentExecutor, fl_ctx: FLContext):
        self._executor = executor
        self._engine = fl_ctx.get_engine()
        self._place = Place.of(fl_ctx)
        self._policy = Policy(self._place)
        self._launch = self._decide()
        self._library = Library(executor.library or self._policy.library)
        self.spent_ms: List[float] = []
        self._aborted = False
        self._event_patience = _EVENT_TIMEOUT_S
        self._metrics_lock = threading.Lock()  # held by the thread that relays them
        # With fewer threads than clients NVFlare's simulator kills this process as soon as it has sent a result.
        self._may_vanish = bool(fl_ctx.get_prop(FLContextKey.SIMULATE_MODE, False))
        self._delivery: Optional[Delivery] = None
        if executor.deliver_to == "server":
            self._delivery = Delivery(self._engine, self._place.site)
        self._folder = tempfile.mkdtemp(prefix="flare-")  # short, as paths of UNIX sockets must be
        self._exchanger: Optional[ctypes.c_void_p] = None
        self._guard = Guard(self._folder)
        self._trainer: Union[TrainerProcess, ResidentTrainer, None] = None
        self._trainer_lock = threading.Lock()  # held while another takes its place
        self._restarts_left = executor.max_restarts
        try:
            self._told = self._options()
            self._exchanger = self._open_exchanger()
            if self._launch.rendezvous:
                self._trainer = ResidentTrainer(self._launch.rendezvous, self._told["agent_id"])
            else:
                write_profile(self._profile, self._told)
                self._trainer = self._start()
        except BaseException:
            self._release()
            raise
        self._stop_pipe = os.pipe()  # written to when the attendant shall leave
        self._attendant = threading.Thread(target=self._attend, name="flare-attendant", daemon=True)
        self._attendant.start()
        if self._launch.rendezvous:
            self.started = f"trainer '{executor.trainer}' is waited for in {self._launch.rendezvous}"
        else:
            who = f"trainer '{executor.trainer}'" if executor.trainer else "trainer"
            self.started = f"{who} {self._trainer.pid} runs; its output goes to {self._trainer.log}"

    # -- start and end

    def _decide(self) -> Launch:
        """What is started, as far as the site permits it."""
        executor, policy = self._executor, self._policy
        policy.check_options(executor.library, executor.options or {})
        environment = executor.environment or {}
        if executor.trainer:
            launch = policy.launch_of_trainer(executor.trainer, executor.arguments or [], environment, executor.cwd)
        else:
            launch = policy.launch_of_command(executor.command, environment, executor.cwd)
        if launch.rendezvous:
            return launch
        if not launch.command:
            raise FlareError("the command is empty")
        program = find_program(launch.command[0], launch.folders, launch.mend)
        command = [program, *with_secrets(launch.command)[1:]]
        # Not the app: what a job without code ships must not be found there by loader or interpreter.
        return launch._replace(command=command, cwd=launch.cwd or os.path.dirname(self._place.app))

    def _options(self) -> Dict[str, str]:
        executor = self._executor
        private = f"zmq+ipc://{self._folder}/agent.sock"
        options = {
            "url": executor.url or private,
            "agent_id": executor.agent_id,
            "site": self._place.site,
            "job_id": self._place.job_id,
            "token": secrets.token_hex(16),
            "train_task_name": executor.train_task_name,
            "evaluate_task_name": executor.evaluate_task_name,
            "submit_model_task_name": executor.submit_model_task_name,
            "params_transfer_type": executor.params_transfer_type,
            "check_results": str(executor.check_results).lower(),
            "heartbeat_interval": str(executor.heartbeat_interval),
            "heartbeat_timeout": str(executor.heartbeat_timeout),
            **{name: str(value) for name, value in (executor.options or {}).items()},
        }
        if options["url"] != private:
            self._policy.check_bind(options["url"])
        # A trainer that is started is found by nobody else, whatever the environment says.
        options["rendezvous_dir"] = self._launch.rendezvous
        if self._launch.rendezvous:
            options["agent_id"] = executor.trainer
            for name in ("url", "token"):  # the library's, so that after a restart of this process they are the same
                del options[name]
        return options

    @property
    def _profile(self) -> str:
        return os.path.join(self._folder, "profile.json")

    def _open_exchanger(self) -> ctypes.c_void_p:
        library, handle = self._library, self._library.flare_options_new()
        try:
            for name, value in {**self._told, "close_timeout": "1"}.items():  # the trainer has ended before the close
                library.call("flare_options_set", handle, name.encode(), value.encode())
            exchanger = library.new("flare_exchanger_open", handle)
        finally:
            library.flare_options_free(handle)
        self._told["url"] = library.flare_exchanger_url(exchanger).decode()  # with the real port
        return exchanger

    def _start(self) -> TrainerProcess:
        launch, options, profile = self._launch, self._told, self._profile
        # Without what a launcher above us may have said to its own trainer.
        mine = ("FLARE_AGENT_LIBRARY", "FLARE_AGENT_LIBRARY_PATH", "FLARE_AGENT_LIB_DIR")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLARE_AGENT_") or k in mine}
        for variable in _RANKS:  # NVFlare's process may be one of several of a parallel launch; its trainer is none
            environment.pop(variable, None)
        account = Account.of(launch.user)
        if account:
            environment.update({"HOME": account.home, "USER": account.name, "LOGNAME": account.name})
            self._let_in(account, options["url"], profile)
        environment.update(launch.environment)
        environment[_PROFILE_VARIABLE] = profile
        environment.update({f"FLARE_AGENT_{k.upper()}": v for k, v in options.items() if k not in _EXCHANGERS_OWN})
        run_folder = self._engine.get_workspace().get_run_dir(self._place.job_id)
        log = os.path.join(run_folder, f"trainer_{self._executor.agent_id}.log")
        return TrainerProcess(launch, environment, log, self._guard, account)

    def _let_in(self, account: Account, url: str, profile: str) -> None:
        account.let_into(self._folder)
        account.give(profile)
        scheme, _, path = url.partition("://")
        if scheme == "zmq+ipc":
            account.give(path)

    def result_was_sent(self, task_id: str) -> None:
        if self._delivery:
            self._delivery.settle(task_id)

    def close(self) -> str:
        """Ends the trainer in order and returns a line for the log."""
        if self._delivery:
            self._delivery.give_up("the job ended before NVFlare had sent it")
        with self._trainer_lock:  # before the trainer hears of the end
            self._restarts_left = 0
        name = "flare_exchanger_abort" if self._aborted else "flare_exchanger_end"
        try:
            self._library.call(name, self._exchanger, b"a task was aborted" if self._aborted else b"end of job")
        except FlareError:
            pass  # nobody is there to be told; the trainer is ended by signals
        grace, term_grace = self._executor.stop_grace_period, _TERM_GRACE_S
        if self._aborted:
            grace, term_grace = min(grace, _ABORT_GRACE_S), _ABORT_GRACE_S
        self._trainer.stop(grace, term_grace)
        os.write(self._stop_pipe[1], b"x")
        self._attendant.join(15)  # longer than two turns of metrics and the patience with an event
        for fd in self._stop_pipe:
            os.close(fd)
        self._release()
        text = f"{self._trainer} {self._trainer.how_it_ended()}"
        if len(self.spent_ms) > 1:  # the first one waits for the trainer to start
            text += f"; median task {statistics.median(self.spent_ms[1:]):.2f} ms of {len(self.spent_ms) - 1}"
        return text

    def _release(self) -> None:
        if self._trainer:
            self._trainer.stop(0, _TERM_GRACE_S)
        self._library.flare_exchanger_close(self._exchanger)
        self._exchanger = None
        shutil.rmtree(self._folder, ignore_errors=True)
        self._guard.close()

    # -- metrics, and a trainer that ends between two tasks

    def _attend(self) -> None:
        poller = select.poll()
        metrics = self._library.flare_exchanger_metric_poll_fd(self._exchanger)
        for fd in (metrics, self._trainer.fd, self._stop_pipe[0]):
            poller.register(fd, select.POLLIN)
        pause = 1000 * _SIGN_OF_LIFE_S if self._delivery else None
        watched = True  # the trainer's end has not been seen
        while True:
            ready = {fd for fd, _ in poller.poll(pause)}
            if self._delivery:
                self._delivery.show_life(time.monotonic())
            if metrics in ready:
                # Firing events is slow, and Python does one thing at a time: a result that comes right after its
                # metrics goes first.
                select.select([self._stop_pipe[0]], [], [], _METRICS_PAUSE_S)
                if not self._relay_metrics():
                    poller.unregister(metrics)  # the session is over
            if self._trainer.fd in ready:
                poller.unregister(self._trainer.fd)
                self._say_that_it_ended()
                watched = self._restart()
                if watched:
                    poller.register(self._trainer.fd, select.POLLIN)
            if self._stop_pipe[0] in ready:
                if watched and self._trainer.has_ended():  # while the descriptors were looked at
                    self._say_that_it_ended()
                self._relay_metrics(4.0)
                return

    def _say_that_it_ended(self) -> None:
        self._trainer.has_ended()
        with self._engine.new_context() as fl_ctx:
            self._executor.log_info(fl_ctx, f"{self._trainer} {self._trainer.how_it_ended()}")
            for process, line in self._trainer.survivors().items():
                self._executor.log_warning(
                    fl_ctx,
                    f"process {process} that {self._trainer} started still runs, in a process group of its own, where "
                    f"the trainer's end does not reach it: end it (kill {process}), and let the launcher or the "
                    f"trainer end what it starts. It is: {line}",
                )

    def _restart(self) -> bool:
        """Another process in the place of the one that ended: it gets the task that was left, as the next attempt."""
        with self._trainer_lock, self._engine.new_context() as fl_ctx:
            if not self._restarts_left:
                return False
            self._restarts_left -= 1
            try:
                self._trainer = self._start()
            except (FlareError, OSError) as error:
                self._restarts_left = 0
                self._executor.log_error(fl_ctx, f"the trainer was not started again: {error}")
                return False
            self._executor.log_info(fl_ctx, f"{self._trainer} runs in its place; restarts left: {self._restarts_left}")
            return True

    def _is_lost(self) -> bool:
        """The trainer has ended, and none will take its place."""
        with self._trainer_lock:
            return self._trainer.has_ended() and not self._restarts_left

    def _relay_metrics(self, seconds: float = 1.0) -> bool:
        """Fires what has arrived, for so long at most; False when no more can come."""
        library, handle = self._library, ctypes.c_void_p()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self._metrics_lock:
                status = library.flare_exchanger_next_metric(self._exchanger, 0, handle, None)
                if status != OK:
                    return status == TIMEOUT
                try:
                    self._fire_metric(handle)
                except Exception as error:  # a metric must not end the job
                    with self._engine.new_context() as fl_ctx:
                        self._executor.log_warning(fl_ctx, f"a metric was dropped: {error}")
                finally:
                    library.flare_metric_free(handle)
        return True  # the descriptor stays readable: the rest comes in the next turn

    def _fire_metric(self, metric: ctypes.c_void_p) -> None:
        library, more = self._library, {}
        name, kind = library.flare_metric_name(metric).decode(), library.flare_metric_type(metric).decode()
        if kind not in AnalyticsDataType.__members__:
            raise FlareError(f"'{name}' is of the type {kind}, which this NVFlare does not have")
        if (step := library.flare_metric_step(metric)) != NO_STEP:
            more[TrackConst.GLOBAL_STEP_KEY] = step
        if path := library.flare_metric_path(metric).decode():
            more[TrackConst.PATH_KEY] = path
        value = read_value(library, library.flare_metric_value(metric))
        dxo = create_analytic_dxo(tag=name, value=value, data_type=AnalyticsDataType[kind], **more)
        event = self._executor.analytics_event
        with self._engine.new_context() as fl_ctx:
            if _EVENTS_ARE_DROPPED and event.startswith("fed."):
                self._hand_to_server(event, dxo.to_shareable(), fl_ctx)
            else:
                send_analytic_dxo(self._executor, dxo, fl_ctx, event, fire_fed_event=event.startswith("fed."))

    def _hand_to_server(self, event: str, data: Shareable, fl_ctx: FLContext) -> None:
        """Sends what firing the event would send, and waits until the server has it: no later one can overtake it."""
        data.set_header(FedEventHeader.EVENT_TYPE, event)
        data.set_header(FedEventHeader.ORIGIN, fl_ctx.get_identity_name())
        begin = time.time()
        data.set_header(FedEventHeader.TIMESTAMP, begin)
        patience = 0.0 if self._aborted else self._event_patience
        self._engine.send_aux_request(None, FED_EVENT_TOPIC, data, patience, fl_ctx)
        if patience and time.time() - begin >= patience:
            self._event_patience = 0.0  # the end of the job must not wait for each of many

    # -- tasks

    def serve(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        self._aborted = False  # of an earlier task: the job went on
        try:
            task = to_task(shareable, self._executor.list_dtype)
            request = self._library.new("flare_request_new", self._exchanger, task_name.encode())
        except (FlareError, ValueError) as error:
            raise _Refused(ReturnCode.BAD_TASK_DATA, str(error)) from error
        try:
            if self._is_lost():
                raise FlareError(f"the trainer {self._trainer.how_it_ended()} before this task")
            self._send(request, task, shareable)
            reply = self._wait(request, abort_signal)
            if self._may_vanish:
                self._relay_metrics()  # those that the trainer logged before its result, which go first
        except (FlareError, ValueError) as error:
            raise _Refused(ReturnCode.EXECUTION_EXCEPTION, self._trainer.with_last_words(str(error))) from error
        finally:
            self._library.flare_request_free(request)  # no lent tensor is read after this
        if self._delivery:
            self._delivery.expect(str(shareable.get_header(ReservedHeaderKey.TASK_ID)), reply)
        try:
            return self._finish(task_name, task, reply)
        except _Refused as refused:
            if self._delivery:
                self._delivery.give_up(str(refused))
            raise

    def _send(self, request: ctypes.c_void_p, task: Task, shareable: Shareable) -> None:
        library = self._library
        fill(library, library.flare_request_shareable(request), task)
        if task_id := shareable.get_header(ReservedHeaderKey.TASK_ID):
            library.call("flare_request_set_id", request, str(task_id).encode())
        library.call("flare_request_set_round", request, task.round, task.total_rounds)
        if self._delivery:
            self._delivery.declare(library, request)
        library.call("flare_request_send", request)

    def _wait(self, request: ctypes.c_void_p, abort_signal: Signal) -> Reply:
        """Until the result is there, or never will be."""
        executor, begin = self._executor, time.monotonic()
        result = self._library.flare_request_poll_fd(request)
        connected, limit = False, self._launch.limits.get("task_seconds", 0)
        while not abort_signal.triggered:
            trainer = self._trainer
            ready = _readable(result, trainer.fd)
            late = 1000 * _LATE_RESULT_S if trainer.fd in ready else 0
            if reply := self._take(request, int(late)):
                return reply
            if trainer.fd in ready and self._is_lost():
                raise FlareError(f"the trainer {self._trainer.how_it_ended()} without a result")
            waited = time.monotonic() - begin
            connected = connected or self._library.flare_exchanger_state(self._exchanger) != STATE_CONNECTING
            if not connected and waited > executor.start_timeout:
                raise FlareError(f"{trainer.missing} within {executor.start_timeout:g} s")
            over = ""
            if executor.task_timeout and waited > executor.task_timeout:
                over = f"{executor.task_timeout:g} s (task_timeout)"
            elif limit and waited > limit:
                over = f"{limit} s (task_seconds in the site's policy)"
            if over:
                self._aborted = True  # it hangs, and NVFlare kills this process soon after an abort
                raise FlareError(f"no result within {over}")
        self._aborted = True
        raise _Refused(ReturnCode.TASK_ABORTED, "NVFlare aborted the task")

    def _take(self, request: ctypes.c_void_p, timeout_ms: int) -> Optional[Reply]:
        handle = ctypes.c_void_p()
        status = self._library.call("flare_request_wait", request, timeout_ms, handle)
        if status == TIMEOUT:
            return None
        if status != OK:
            raise FlareError(self._library.flare_status_text(status).decode())
        return Reply(self._library, handle)

    def _finish(self, task_name: str, task: Task, reply: Reply) -> Shareable:
        executor = self._executor
        try:
            result = to_result(reply, task)
            if result.return_code != ReturnCode.OK:
                raise _Refused(result.return_code, f"the trainer answered {result.return_code}: {result.reason}")
            if task_name == executor.train_task_name:
                self._check_kind(result, task)
            return to_shareable(result)
        except (FlareError, ValueError) as error:
            raise _Refused(ReturnCode.EXECUTION_RESULT_ERROR, str(error)) from error

    def _check_kind(self, result: Result, task: Task) -> None:
        """Refuses what the trainer's library lets pass: no model at all, and WEIGHTS when the trainer overrode DIFF."""
        executor = self._executor
        if executor.check_results and task.tensors and result.kind not in WEIGHT_KINDS:
            raise FlareError(f"the trainer sent {result.kind or 'nothing'} and no model")
        if executor.params_transfer_type == "DIFF" and result.kind == DataKind.WEIGHTS.value:
            raise FlareError("the trainer sent WEIGHTS although params_transfer_type is DIFF: it sets FULL itself")
