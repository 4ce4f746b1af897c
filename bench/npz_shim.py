"""What people write today around a program that only knows files: NVFlare's client API gives the model, which goes into
an npz file; the program runs; its npz file is the result. nvflare_cellpipe.py --shim runs it as the agent, with a program
that does nothing but copy the file unless another is named.
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import nvflare.client as flare


def main(config, *program):
    flare.init(config_file=config)
    print("ready", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "model.npz", Path(folder) / "result.npz"
        while flare.is_running():
            model = flare.receive()
            if model is None:
                break
            print(time.perf_counter(), flush=True)
            np.savez(given, **model.params)
            subprocess.run([*(program or ["cp"]), given, result], check=True)
            with np.load(result) as arrays:
                flare.send(flare.FLModel(params={name: arrays[name] for name in arrays.files}))


if __name__ == "__main__":
    main(*sys.argv[1:])
