"""One site of big as an ordinary Python client, for comparison with the trainers in C and C++."""
import nvflare.client as flare
import numpy as np

flare.init()
number = np.float32(flare.get_site_name()[-1])
while flare.is_running():
    received = flare.receive()
    if received is None:
        break
    flare.send(
        flare.FLModel(params={"numpy_key": received.params["numpy_key"] + number}, meta={"NUM_STEPS_CURRENT_ROUND": 1})
    )
