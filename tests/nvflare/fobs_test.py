#!/usr/bin/env python3
"""NVFlare's encoding of objects, there and back through the library: fobs_echo answers what NVFlare encodes."""
import collections
import datetime
import io
import os
import pathlib
import random
import struct
import subprocess
import unittest

import numpy as np
from nvflare.apis.analytix import AnalyticsDataType, LogWriterName
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.utils.decomposers import flare_decomposers
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.decomposers import common_decomposers, numpy_decomposers
from nvflare.app_common.np.np_downloader import ArrayConsumer
from nvflare.fuel.utils import fobs

ECHO = pathlib.Path(os.environ["FLARE_TEST_BUILD_DIR"]) / "bin" / "fobs_echo"
DTYPES = "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 ? c8 c16 >i4 >f8 U3 S3 M8[s]".split()
MIB = 1 << 20


def echo(how, messages):
    """What comes back for each, None for a refusal; and the reasons of refusals."""
    sent = b"".join(struct.pack("<Q", len(message)) + message for message in messages)
    run = subprocess.run([ECHO, how], input=sent, capture_output=True, check=True)
    back, at = [], 0
    while at < len(run.stdout):
        (size,) = struct.unpack_from("<Q", run.stdout, at)
        back.append(run.stdout[at + 8 : at + 8 + size] or None)
        at += 8 + size
    return back, run.stderr.decode()


def array(dice):
    shape = tuple(dice.randint(0, 4) for _ in range(dice.randint(0, 4)))
    made = np.frombuffer(dice.randbytes(8 * 256), "u1")[: int(np.prod(shape))].reshape(shape)
    made = made.astype(dice.choice(DTYPES))
    return np.asfortranarray(made) if dice.random() < 0.3 else made


def value(dice, depth=0):
    if depth < 4 and dice.random() < 0.5:
        inner = [value(dice, depth + 1) for _ in range(dice.choice((0, 1, 2, 3, 17)))]
        keys = [dice.choice((f"k{i}", i, -i, f"{i}ä", (i, "x"))) for i in range(len(inner))]
        return dice.choice((
            lambda: inner, lambda: tuple(inner), lambda: dict(zip(keys, inner)),
            lambda: collections.OrderedDict(zip(keys, inner)), lambda: Shareable(zip(map(str, range(17)), inner)),
            lambda: DXO(DataKind.METRICS, dict(enumerate(inner)), {"m": inner}),
        ))()
    return dice.choice((
        lambda: None, lambda: dice.random() < 0.5, lambda: dice.randint(-(2**63), 2**64 - 1),
        lambda: dice.randint(-200, 200), lambda: dice.choice((0.0, -0.0, 1.0, 1e300, float("inf"), dice.random())),
        lambda: "ä模🚀"[dice.randint(0, 3) :] * dice.randint(0, 99),
        lambda: dice.randbytes(dice.choice((0, 1, 300, 70000))),
        lambda: {dice.randint(0, 9)}, lambda: datetime.datetime(2024, 1, dice.randint(1, 31), 12, 30, 1),
        lambda: dice.choice(list(AnalyticsDataType) + list(LogWriterName) + list(ParamsType)),
        lambda: np.float32(dice.random()), lambda: np.float64(dice.random()), lambda: np.int32(5), lambda: np.int64(-5),
        lambda: array(dice), lambda: FLModel(ParamsType.FULL, {"w": array(dice)}, current_round=3),
    ))()


def task(data, kind=DataKind.WEIGHTS, meta=None, **headers):
    made = DXO(kind, data, meta).to_shareable()
    for name, content in headers.items():
        made.set_header(name, content)
    return made


class Fobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for module in (flare_decomposers, common_decomposers, numpy_decomposers):
            module.register()

    def test_all_objects_come_back_as_they_were(self):
        dice = random.Random(7)
        messages = [fobs.dumps(value(dice)) for _ in range(500)]
        large = {"text": "ü" * 11 * MIB, "bytes": [b"b" * 10 * MIB], "w": np.ones(4 * MIB, np.float32)}
        messages += [fobs.dumps(large), fobs.dumps(DXO(DataKind.WEIGHTS, large))]
        back, reasons = echo("objects", messages)
        self.assertEqual(reasons, "")
        for sent, came in zip(messages, back, strict=True):
            self.assertEqual(came, sent)

    def test_tasks_become_results_with_the_same_model(self):
        arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in DTYPES}
        arrays["fortran"] = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
        arrays["large"] = np.arange(3 * MIB, dtype=np.float32)
        data = {**arrays, "nested": {"w": np.float32(2), "none": np.zeros((0, 2))}, "blob": b"\0" * 300}
        meta = {"NUM_STEPS_CURRENT_ROUND": 5, "initial_metrics": {"accuracy": 0.5}}
        context = FLContext()
        context.set_prop("p", (1, {"a": np.ones(2)}), private=False)
        sent = task(data, meta=meta, current_round=2, __peer_ctx__=context)
        for how in ("native", "reference"):
            (came,), reasons = echo(how, [fobs.dumps(sent)])
            self.assertEqual(reasons, "")
            if how == "reference":
                self.check_references(came, data)
                continue
            result = fobs.loads(came)
            self.assertEqual(result.get_header("current_round"), 2)
            self.assertEqual(result.get_header("__peer_ctx__").get_prop("p")[0], 1)
            np.testing.assert_array_equal(result.get_header("__peer_ctx__").get_prop("p")[1]["a"], np.ones(2))
            dxo = from_shareable(result)
            self.assertEqual((dxo.data_kind, dxo.meta), (DataKind.WEIGHTS, meta))
            self.assertEqual(list(dxo.data), list(data))
            for name in arrays:
                np.testing.assert_array_equal(dxo.data[name], data[name], name)
                self.assertEqual(dxo.data[name].dtype.newbyteorder("="), data[name].dtype.newbyteorder("="))
            self.assertEqual(dxo.data["nested"]["w"], np.float32(2))
            self.assertEqual((dxo.data["nested"]["none"].shape, dxo.data["blob"]), ((0, 2), data["blob"]))

    def check_references(self, message, data):
        """As NVFlare's forwarding process reads it, which downloads nothing."""
        result = fobs.loads(message, fobs_ctx={fobs.FOBSContextKey.PASS_THROUGH: True})
        lazy = from_shareable(result).data
        self.assertEqual((lazy["f4"].fqcn, lazy["f4"].ref_id[:8]), ("site-1_job_active", "11111111"))
        arrays = [name for name, made in data.items() if isinstance(made, np.ndarray) and made.dtype.kind not in "USM"]
        names = [lazy[name].item_id for name in arrays]
        self.assertEqual(names, [f"T{i}" for i in range(len(names))])

    def test_a_first_model_may_be_lists(self):
        (came,), _ = echo("native", [fobs.dumps(task({"w": [[1, 2], [3, 4.5]], "b": 0.5}))])
        data = from_shareable(fobs.loads(came)).data
        np.testing.assert_array_equal(data["w"], np.array([[1, 2], [3, 4.5]], np.float32))
        self.assertEqual(data["b"].dtype, np.float64)

    def test_archives_of_arrays_are_the_same(self):
        def archive(content):
            stream = io.BytesIO()
            np.savez(stream, T3=content)
            return stream.getvalue()

        arrays = [np.arange(6, dtype=name).reshape(2, 3) for name in "f2 f4 f8 i1 i8 u2 c16".split()]
        arrays += [np.array(True), np.zeros((0, 3)), np.ones(MIB)]
        back, reasons = echo("npz", [archive(content) for content in arrays])
        self.assertEqual(reasons, "")
        for content, came in zip(arrays, back, strict=True):
            self.assertEqual(came, archive(content))
            np.testing.assert_array_equal(ArrayConsumer._to_dict(came)["T3"], content)


if __name__ == "__main__":
    unittest.main()
