"""One site of digits as an ordinary Python client, for comparison with the trainers in C and C++."""
import nvflare.client as flare
from digits.job import reference

flare.init()
(features, labels), test = reference.load(reference.DATA, int(flare.get_site_name()[-1]) - 1, 2)
while flare.is_running():
    received = flare.receive()
    if received is None:
        break
    model = {name: received.params[name] for name in reference.NAMES}
    metrics = {"accuracy": reference.accuracy(model, *test)}
    trained = reference.train(model, features, labels, reference.local_epochs(2))
    steps = {"NUM_STEPS_CURRENT_ROUND": len(labels)}
    flare.send(flare.FLModel(params=trained, metrics=metrics, meta=steps))
