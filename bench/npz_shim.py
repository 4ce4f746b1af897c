"""What a shim around a program costs that writes each model to a file for it and reads the result from another: the
write, the start of a program that does nothing but copy the file, and the read. In seconds per round, as JSON.
"""
import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mib", type=int, required=True, help="of the model; 0: one number")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    count = 100 if arguments.mib else 1
    size = (arguments.mib << 20) // 4 // count if arguments.mib else 1
    model = {f"w{i}": np.ones(size, dtype=np.float32) for i in range(count)}
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        given, result = Path(name) / "model.npz", Path(name) / "result.npz"
        for _ in range(arguments.rounds + 1):
            begun = time.perf_counter()
            np.savez(given, **model)
            subprocess.run(["cp", given, result], check=True)
            with np.load(result) as arrays:
                back = {name: arrays[name] for name in arrays.files}
            seconds.append(time.perf_counter() - begun)
            assert len(back) == count
    print(json.dumps({"round_s": seconds[1:]}))  # the first one warms up


if __name__ == "__main__":
    main()
