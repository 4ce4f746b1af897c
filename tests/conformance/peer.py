#!/usr/bin/env python3
"""The scripted peer: an exchanger steered by lines of JSON, as drivers are. Its requests are described in README.md.

It is a process of its own, so that a scenario can kill it.
"""
import ctypes
from ctypes import c_double
import json
import sys
import time

from elements import DTYPES, fill
from exchanger import SECTIONS, FlareError, Library, Tensor
from values import read_metric, read_shareable


class Peer:
    """One exchanger, one request and one reply are in hand; the newest counts."""

    def __init__(self, library: Library):
        self._library = library
        self._exchanger = self._request = self._reply = None

    def answer(self, request: dict) -> dict:
        arguments = dict(request)
        try:
            return {"status": "OK", **(getattr(self, "do_" + arguments.pop("op"))(**arguments) or {})}
        except FlareError as error:
            return {"status": error.status, "message": str(error)}

    def do_open(self, options: dict) -> dict:
        chosen = self._library.options_new()
        try:
            for name, value in options.items():
                self._library.options_set(chosen, name.encode(), value.encode())
            self._exchanger = self._library.new(self._library.exchanger_open, chosen)
        finally:
            self._library.options_free(chosen)
        return {"url": self._library.exchanger_url(self._exchanger).decode()}

    def do_wait_connected(self, timeout_ms: int) -> None:
        self._library.exchanger_wait_connected(self._exchanger, timeout_ms)

    def do_send(self, task: str = "train", id: str = "", round: int = -1, total_rounds: int = -1, attempt: int = 1,
                receivers: tuple = (), **content) -> None:
        library = self._library
        request = library.new(library.request_new, self._exchanger, task.encode())
        self._keep_request(request)
        if id:
            library.request_set_id(request, id.encode())
        library.request_set_round(request, round, total_rounds)
        library.request_set_attempt(request, attempt)
        for receiver in receivers:
            library.request_add_receiver(request, receiver.encode())
        self._write(library.request_shareable(request), **content)
        library.request_send(request)

    def _write(self, shareable, tensors: tuple = (), blobs: dict = {}, metrics: dict = {}, steps: int = None,
               kind: str = None, return_code: str = None, **sections) -> None:
        library = self._library
        for tensor in tensors:
            self._copy(shareable, tensor)
        for name, digits in blobs.items():
            content = bytes.fromhex(digits)
            library.shareable_copy_bytes(shareable, name.encode(), content, len(content))
        for name, value in metrics.items():
            library.shareable_set_metric(shareable, name.encode(), value)
        if steps is not None:
            library.shareable_set_steps(shareable, steps)
        if kind is not None:
            library.shareable_set_kind(shareable, kind.encode())
        if return_code is not None:
            library.shareable_set_return_code(shareable, return_code.encode())
        for section, entries in sections.items():
            for name, value in entries.items():
                text = json.dumps(value).encode()
                library.shareable_set_json(shareable, SECTIONS[section], name.encode(), text)

    def _copy(self, shareable, tensor: dict) -> None:
        elements, extents = fill(tensor), tensor["shape"]
        view = Tensor()
        view.dtype, view.ndim = DTYPES[tensor["dtype"]][0], len(extents)
        view.data = ctypes.cast(ctypes.c_char_p(elements), ctypes.c_void_p)
        view.shape = (ctypes.c_int64 * len(extents))(*extents)
        self._library.shareable_copy_tensor(shareable, tensor["name"].encode(), view)

    def do_reply(self, timeout_ms: int) -> dict:
        """Waits for the result of the newest task."""
        if self._reply:
            self._library.reply_free(self._reply)
            self._reply = None
        self._reply = self._library.new(self._library.request_wait, self._request, timeout_ms)
        return read_shareable(self._library, self._library.reply_shareable(self._reply))

    def do_metric_of_reply(self, name: str) -> dict:
        value = c_double()
        status = self._library.shareable_metric(self._library.reply_shareable(self._reply), name.encode(), value)
        return {"value": value.value} if status == 0 else {"status": "NOT_FOUND"}

    def do_report(self, receiver: str, bytes: int) -> None:
        self._library.reply_report(self._reply, receiver.encode(), bytes)

    def do_confirm(self, receiver: str, success: bool, reason: str = "") -> None:
        self._library.reply_confirm(self._reply, receiver.encode(), success, reason.encode())

    def do_metrics(self, count: int, timeout_ms: int) -> dict:
        """The next so many metrics."""
        return {"metrics": [self._next_metric(timeout_ms) for _ in range(count)]}

    def do_expect_burst(self, name: str, count: int, timeout_ms: int) -> dict:
        """How many of the numbers 0, 1, 2 ... came as metrics in that order: the answer to log_burst."""
        for number in range(count):
            metric = self._next_metric(timeout_ms)
            if metric != {"type": "SCALAR", "name": name, "value": number, "step": number}:
                return {"in_order": number, "instead": metric}
        return {"in_order": count}

    def _next_metric(self, timeout_ms: int) -> dict:
        metric = self._library.new(self._library.exchanger_next_metric, self._exchanger, timeout_ms)
        try:
            return read_metric(self._library, metric)
        finally:
            self._library.metric_free(metric)

    def do_serve(self, count: int, timeout_ms: int, **task) -> dict:
        """Sends that task so often, one after the other, and takes the results; the answer to cycles."""
        for _ in range(count):
            self.do_send(**task)
            result = self.do_reply(timeout_ms)
        return result

    def do_abort_task(self) -> None:
        self._library.request_abort(self._request)

    def do_drop_request(self) -> None:
        self._keep_request(None)

    def do_end(self, reason: str) -> None:
        self._library.exchanger_end(self._exchanger, reason.encode())

    def do_abort(self, reason: str) -> None:
        self._library.exchanger_abort(self._exchanger, reason.encode())

    def do_pause(self, ms: int) -> None:
        """Lets time pass."""
        time.sleep(ms / 1000)

    def do_close(self) -> None:
        if self._reply:
            self._library.reply_free(self._reply)
        self._reply = None
        self._keep_request(None)
        if self._exchanger:
            self._library.exchanger_close(self._exchanger)
        self._exchanger = None

    def _keep_request(self, request) -> None:
        if self._request:
            self._library.request_free(self._request)
        self._request = request


def main() -> None:
    peer = Peer(Library(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(peer.answer(json.loads(line))), flush=True)
    peer.do_close()


if __name__ == "__main__":
    main()
