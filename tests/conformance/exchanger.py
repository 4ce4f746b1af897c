"""flare_exchanger.h by ctypes: as much of it as the scripted peer needs."""
import ctypes
from ctypes import c_char_p, c_double, c_int32, c_int64, c_size_t, c_void_p

STATUSES = {
    0: "OK", 1: "TIMEOUT", 2: "ENDED", 3: "STOPPED", 4: "NOT_FOUND", -1: "INVALID_ARGUMENT", -2: "INVALID_STATE",
    -3: "PEER_GONE", -4: "ABORTED", -5: "STALLED", -6: "PROTOCOL", -7: "IO", -8: "OUT_OF_MEMORY", -9: "FORKED",
    -10: "INTERNAL", -11: "REFUSED", -12: "UNREACHABLE", -13: "TOO_LARGE",
}
SECTIONS = {"headers": 1, "body": 2, "meta": 3}
PARAMS_TYPES = ("NONE", "FULL", "DIFF")
NO_STEP = -1


class Tensor(ctypes.Structure):
    """struct flare_tensor"""

    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("dtype", c_int32),
        ("ndim", c_int32),
        ("device_type", c_int32),
        ("data", c_void_p),
        ("shape", ctypes.POINTER(c_int64)),
        ("strides", ctypes.POINTER(c_int64)),
    ]

    def __init__(self):
        super().__init__(struct_size=ctypes.sizeof(Tensor))

    def extents(self) -> list:
        return [self.shape[i] for i in range(self.ndim)]


_Out = ctypes.POINTER(c_void_p)
_Tensor = ctypes.POINTER(Tensor)

# The parameters of functions that return a status and report an error, which comes last and is left out here.
_FALLIBLE = {
    "options_set": (c_void_p, c_char_p, c_char_p),
    "exchanger_open": (c_void_p, _Out),
    "exchanger_wait_connected": (c_void_p, c_int64),
    "exchanger_end": (c_void_p, c_char_p),
    "exchanger_abort": (c_void_p, c_char_p),
    "exchanger_next_metric": (c_void_p, c_int64, _Out),
    "request_new": (c_void_p, c_char_p, _Out),
    "request_set_id": (c_void_p, c_char_p),
    "request_set_round": (c_void_p, c_int64, c_int64),
    "request_set_attempt": (c_void_p, c_int64),
    "request_add_receiver": (c_void_p, c_char_p),
    "request_send": (c_void_p,),
    "request_wait": (c_void_p, c_int64, _Out),
    "reply_report": (c_void_p, c_char_p, c_int64),
    "reply_confirm": (c_void_p, c_char_p, c_int32, c_char_p),
    "shareable_copy_tensor": (c_void_p, c_char_p, _Tensor),
    "shareable_copy_bytes": (c_void_p, c_char_p, c_char_p, c_size_t),
    "shareable_set_kind": (c_void_p, c_char_p),
    "shareable_set_return_code": (c_void_p, c_char_p),
    "shareable_set_metric": (c_void_p, c_char_p, c_double),
    "shareable_set_steps": (c_void_p, c_int64),
    "shareable_set_json": (c_void_p, c_int32, c_char_p, c_char_p),
}

# What other functions return, and their parameters.
_OTHERS = {
    "error_message": (c_char_p, c_void_p),
    "error_free": (None, c_void_p),
    "options_new": (c_void_p,),
    "options_free": (None, c_void_p),
    "exchanger_url": (c_char_p, c_void_p),
    "exchanger_close": (None, c_void_p),
    "request_free": (None, c_void_p),
    "request_abort": (None, c_void_p),
    "request_shareable": (c_void_p, c_void_p),
    "reply_free": (None, c_void_p),
    "reply_shareable": (c_void_p, c_void_p),
    "metric_free": (None, c_void_p),
    "metric_type": (c_char_p, c_void_p),
    "metric_name": (c_char_p, c_void_p),
    "metric_value": (c_void_p, c_void_p),
    "metric_step": (c_int64, c_void_p),
    "shareable_tensor_count": (c_size_t, c_void_p),
    "shareable_tensor_at": (c_int32, c_void_p, c_size_t, ctypes.POINTER(c_char_p), _Tensor),
    "shareable_kind": (c_char_p, c_void_p),
    "shareable_params_type": (c_int32, c_void_p),
    "shareable_return_code": (c_char_p, c_void_p),
    "shareable_reason": (c_char_p, c_void_p),
    "shareable_metric": (c_int32, c_void_p, c_char_p, ctypes.POINTER(c_double)),
    "shareable_steps": (c_int32, c_void_p, ctypes.POINTER(c_int64)),
    "shareable_section": (c_void_p, c_void_p, c_int32),
    "value_get_type": (c_int32, c_void_p),
    "value_get_int": (c_int32, c_void_p, ctypes.POINTER(c_int64)),
    "value_get_double": (c_int32, c_void_p, ctypes.POINTER(c_double)),
    "value_get_text": (c_int32, c_void_p, ctypes.POINTER(c_char_p)),
    "value_get_bytes": (c_int32, c_void_p, _Out, ctypes.POINTER(c_size_t)),
    "value_get_tensor": (c_int32, c_void_p, _Tensor),
    "value_count": (c_size_t, c_void_p),
    "value_at": (c_int32, c_void_p, c_size_t, ctypes.POINTER(c_char_p), _Out),
}


class FlareError(Exception):
    """What was not FLARE_OK."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


class Library:
    """libflare_agent.so with its functions as attributes, without their prefix. Those that report errors raise them."""

    def __init__(self, path: str):
        functions = ctypes.CDLL(path)
        for name, (result, *parameters) in _OTHERS.items():
            function = getattr(functions, "flare_" + name)
            function.restype, function.argtypes = result, parameters
            setattr(self, name, function)
        for name, parameters in _FALLIBLE.items():
            function = getattr(functions, "flare_" + name)
            function.restype, function.argtypes = c_int32, [*parameters, _Out]
            setattr(self, name, self._raising(function))

    def _raising(self, function):
        def call(*arguments) -> None:
            error = c_void_p()
            status = function(*arguments, ctypes.byref(error))
            if status != 0:
                message = self.error_message(error).decode()
                self.error_free(error)
                raise FlareError(STATUSES[status], message)

        return call

    def new(self, function, *arguments) -> c_void_p:
        """Calls a function that writes a handle."""
        handle = c_void_p()
        function(*arguments, ctypes.byref(handle))
        return handle
