"""One site of hello, diff or crosseval as an ordinary Python client, for comparison with the trainers in C and C++."""
import nvflare.client as flare
from hello.job import accuracy, load, train

flare.init()
site = flare.get_site_name()
features, labels = load(site)[0]
local = None
while flare.is_running():
    received = flare.receive()
    if received is None:
        break
    if flare.is_submit_model():
        flare.send(flare.FLModel(params={"numpy_key": local}))
        continue
    metrics = {"accuracy": accuracy(received.params)}
    if flare.is_evaluate():
        flare.send(flare.FLModel(metrics=metrics))
        continue
    local = train(received.params["numpy_key"], features, labels)
    steps = {"NUM_STEPS_CURRENT_ROUND": len(labels)}
    flare.send(flare.FLModel(params={"numpy_key": local}, metrics=metrics, meta=steps))
