"""What tensors of the kit are filled with, and how their content is compared: see "Elements" in README.md."""
import functools
import math
import struct

# dtype of the header: its number there (that of DLPack), and how struct packs one number; None: as the bits alone
DTYPES = {
    "int8": (0x0800, "b"), "int16": (0x1000, "h"), "int32": (0x2000, "i"), "int64": (0x4000, "q"),
    "uint8": (0x0801, "B"), "uint16": (0x1001, "H"), "uint32": (0x2001, "I"), "uint64": (0x4001, "Q"),
    "float16": (0x1002, "H"), "float32": (0x2002, "f"), "float64": (0x4002, "d"), "opaque": (0x0803, "B"),
    "bfloat16": (0x1004, "H"), "complex64": (0x4005, "f"), "complex128": (0x8005, "d"), "bool": (0x0806, "B"),
    "float8_e4m3fn": (0x080A, "B"), "float8_e5m2": (0x080C, "B"),
}
NAMES = {number: name for name, (number, _) in DTYPES.items()}
PERIOD = 128


def _element(dtype: str, number: int) -> bytes:
    form = "<" + DTYPES[dtype][1]
    if dtype.startswith("complex"):
        return struct.pack(form, number) + struct.pack(form, 0)
    return struct.pack(form, number % 2 if dtype == "bool" else number)


def size_of(dtype: str) -> int:
    return len(_element(dtype, 0))


@functools.lru_cache(maxsize=64)
def _fill(dtype: str, count: int, start: int) -> bytes:
    period = b"".join(_element(dtype, (start + i) % PERIOD) for i in range(PERIOD))
    return (period * (count // PERIOD + 1))[: count * size_of(dtype)]


def fill(tensor: dict) -> bytes:
    """The elements of a tensor that is described by dtype, shape and start."""
    return _fill(tensor["dtype"], math.prod(tensor["shape"]), tensor.get("start", 0))


@functools.lru_cache(maxsize=64)
def fnv1a(data: bytes) -> str:
    """Python takes a second for 8 MiB: for each content only once."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def describe(tensor: dict) -> dict:
    """What a driver answers about such a tensor."""
    return {"name": tensor["name"], "dtype": tensor["dtype"], "shape": tensor["shape"], "hash": fnv1a(fill(tensor))}
