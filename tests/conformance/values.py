"""Shareables, nested values and metrics as the JSON of the protocol."""
import ctypes
from ctypes import c_char_p, c_double, c_int64, c_size_t, c_void_p
import math

from elements import NAMES, fnv1a, size_of
from exchanger import NO_STEP, PARAMS_TYPES, SECTIONS, Library, Tensor


def read_value(library: Library, value: c_void_p):
    kind = library.value_get_type(value)
    if kind in (1, 2):
        number = c_int64()
        library.value_get_int(value, number)
        return bool(number.value) if kind == 1 else number.value
    if kind == 3:
        real = c_double()
        library.value_get_double(value, real)
        return real.value
    if kind in (4, 9):
        text = c_char_p()
        library.value_get_text(value, text)
        return text.value.decode() if kind == 4 else {"$opaque": text.value.decode()}
    if kind == 5:
        data, size = c_void_p(), c_size_t()
        library.value_get_bytes(value, data, size)
        return {"$bytes": ctypes.string_at(data.value, size.value).hex()}
    if kind in (6, 7):
        entries = [_entry(library, value, index) for index in range(library.value_count(value))]
        return dict(entries) if kind == 7 else [child for _, child in entries]
    if kind == 8:
        tensor = Tensor()
        library.value_get_tensor(value, tensor)
        return {"$tensor": NAMES[tensor.dtype]}
    return None


def _entry(library: Library, value: c_void_p, index: int) -> tuple:
    key, child = c_char_p(), c_void_p()
    library.value_at(value, index, key, child)
    return key.value.decode(), read_value(library, child)


def read_tensors(library: Library, shareable: c_void_p) -> list:
    tensors = []
    for index in range(library.shareable_tensor_count(shareable)):
        name, tensor = c_char_p(), Tensor()
        library.shareable_tensor_at(shareable, index, name, tensor)
        dtype, shape = NAMES[tensor.dtype], tensor.extents()
        size = math.prod(shape) * size_of(dtype)
        data = ctypes.string_at(tensor.data, size) if size else b""
        tensors.append({"name": name.value.decode(), "dtype": dtype, "shape": shape, "hash": fnv1a(data)})
    return tensors


def read_shareable(library: Library, shareable: c_void_p) -> dict:
    steps = c_int64()
    answer = {
        "kind": library.shareable_kind(shareable).decode(),
        "params_type": PARAMS_TYPES[library.shareable_params_type(shareable)],
        "return_code": library.shareable_return_code(shareable).decode(),
        "reason": library.shareable_reason(shareable).decode(),
        "steps": steps.value if library.shareable_steps(shareable, steps) == 0 else None,
        "tensors": read_tensors(library, shareable),
    }
    for name, number in SECTIONS.items():
        answer[name] = read_value(library, library.shareable_section(shareable, number))
    return answer


def read_metric(library: Library, metric: c_void_p) -> dict:
    step = library.metric_step(metric)
    return {
        "type": library.metric_type(metric).decode(),
        "name": library.metric_name(metric).decode(),
        "value": read_value(library, library.metric_value(metric)),
        "step": None if step == NO_STEP else step,
    }
