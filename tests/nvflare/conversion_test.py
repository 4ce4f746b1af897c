#!/usr/bin/env python3
"""The pure functions of agent_executor: no library, no process."""
import json
import os
import stat
import tempfile
import unittest

import numpy as np
from site_process import DXO, DataKind, Shareable

import agent_executor as plugin


def task(data, kind=DataKind.WEIGHTS, **headers):
    shareable = DXO(kind, data=data, meta={"current_round": 1, "nested": {"a": [1, 2.5, None]}}).to_shareable()
    for name, value in headers.items():
        shareable.set_header(name, value)
    return plugin.to_task(shareable)


def result(data, kind="WEIGHTS"):
    return plugin.Result(kind, "OK", "", data, {}, {})


class Dtypes(unittest.TestCase):
    def test_every_type_comes_back(self):
        names = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128 bool"
        for name in names.split():
            with self.subTest(name):
                self.assertEqual(plugin.dtype_from_flare(plugin.dtype_to_flare(np.dtype(name))), np.dtype(name))

    def test_the_values_are_those_of_the_header(self):
        self.assertEqual(plugin.dtype_to_flare(np.dtype("float32")), 0x2002)
        self.assertEqual(plugin.dtype_to_flare(np.dtype("complex128")), 0x8005)
        self.assertEqual(plugin.dtype_to_flare(np.dtype("bool")), 0x0806)

    def test_others_have_no_value(self):
        for dtype in (np.dtype("U3"), np.dtype("O"), np.dtype("datetime64[s]"), np.dtype("longdouble").newbyteorder()):
            if dtype.itemsize <= 16 and dtype.kind == "f":
                continue  # a long double of 16 bytes has bits that DLPack can write
            self.assertIsNone(plugin.dtype_to_flare(dtype))


class ToTask(unittest.TestCase):
    def test_tensors_are_not_copied(self):
        array = np.ones((3, 4), np.float32)
        self.assertTrue(np.shares_memory(task({"w": array}).tensors["w"], array))

    def test_what_is_not_compact_or_of_another_byte_order_is_copied(self):
        array = np.arange(12, dtype=">f4").reshape(3, 4)
        sent = task({"w": array, "part": array[:, ::2]}).tensors
        self.assertTrue(sent["w"].dtype.isnative and sent["part"].flags.c_contiguous)
        np.testing.assert_array_equal(sent["part"], array[:, ::2])

    def test_scalars_keep_their_shape(self):
        sent = task({"s": np.float32(2), "a": np.array(3.0), "f": 1.5}).tensors
        self.assertEqual([sent[name].shape for name in "saf"], [()] * 3)

    def test_nested_dicts_are_named_by_their_path(self):
        made = task({"a": {"b": {"c": np.ones(1)}}, "d": np.ones(2)})
        self.assertEqual(list(made.tensors), ["a/b/c", "d"])
        self.assertEqual(made.paths["a/b/c"], ("a", "b", "c"))

    def test_headers_and_meta_without_what_only_nvflare_understands(self):
        made = task({}, current_round=4, num_rounds=8, other=object(), _model_owner_="x", __secret__="s")
        self.assertEqual((made.round, made.total_rounds), (4, 8))
        self.assertEqual(set(made.headers), {"current_round", "num_rounds", "_model_owner_"})
        self.assertEqual(json.loads(made.meta["nested"]), {"a": [1, 2.5, None]})

    def test_without_a_round(self):
        made = plugin.to_task(Shareable())
        self.assertEqual((made.round, made.total_rounds, made.kind), (-1, -1, ""))

    def test_metrics_stay_numbers(self):
        made = task({"accuracy": np.float32(0.5), "n": 3}, kind=DataKind.METRICS)
        self.assertEqual((made.values, made.tensors), ({"accuracy": "0.5", "n": "3"}, {}))

    def test_arrays_of_other_kinds_inside_dicts(self):
        made = task({"a": {"b": np.ones(2)}, "c": {"d": [1, "x"]}}, kind=DataKind.APP_DEFINED)
        self.assertEqual((list(made.tensors), made.values), (["a/b"], {"c": '{"d": [1, "x"]}'}))
        with self.assertRaisesRegex(plugin.FlareError, "'o' is a builtins.object"):
            task({"o": object()}, kind=DataKind.APP_DEFINED)

    def test_bytes(self):
        self.assertEqual(task({"model": b"\0\1"}).blobs, {"model": b"\0\1"})

    def test_what_cannot_be_sent_is_named(self):
        class Torch:
            pass

        Torch.__module__, Torch.__name__ = "torch", "Tensor"
        for data, words in (
            ({"w": np.array(["x"])}, "'w' is an array of <U1"),
            ({"w": [[1, 2], [3]]}, "'w' is a list"),
            ({"a": {"w": Torch()}}, "'a/w' is a torch.Tensor.*server_expected_format"),
            ({"w": "text"}, "'w' is a builtins.str"),
        ):
            with self.subTest(words), self.assertRaisesRegex(plugin.FlareError, words):
                task(data)

    def test_json(self):
        self.assertEqual(plugin.json_or_none({"a": (1, np.float64(0.5))}), '{"a": [1, 0.5]}')
        for value in (object(), float("nan"), {"a": b"x"}, np.ones(2)):
            self.assertIsNone(plugin.json_or_none(value))


class Results(unittest.TestCase):
    MODEL = {"w": np.ones((2, 2), np.float32), "n": {"b": np.ones(3, np.float32)}}

    def test_a_model(self):
        made = plugin.to_shareable(result(self.MODEL)._replace(headers={"own": 1}))
        self.assertIs(plugin.from_shareable(made).data["n"]["b"], self.MODEL["n"]["b"])
        self.assertEqual(made.get_header("own"), 1)

    def test_a_result_without_a_dxo(self):
        made = plugin.to_shareable(result({"x": 1}, ""))
        self.assertEqual((made["x"], made.get_return_code()), (1, "OK"))


class Files(unittest.TestCase):
    def test_a_profile_is_private_from_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "profile.json")
            old = os.umask(0)
            try:
                plugin.write_profile(path, {"token": "t"})
            finally:
                os.umask(old)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            with self.assertRaises(FileExistsError):
                plugin.write_profile(path, {})

    def test_programs_are_looked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "train")
            with open(program, "w") as file:
                file.write("#!/bin/sh\n")
            with self.assertRaisesRegex(plugin.FlareError, r"chmod \+x"):
                plugin.find_program("./train", [folder])
            os.chmod(program, 0o755)
            self.assertTrue(os.path.samefile(plugin.find_program("./train", ["/", folder]), program))
            self.assertTrue(os.path.isabs(plugin.find_program("sh", [folder])))
            with self.assertRaisesRegex(plugin.FlareError, "nor in PATH"):
                plugin.find_program("no-such-program", [folder])


if __name__ == "__main__":
    unittest.main()
