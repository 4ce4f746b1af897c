#!/usr/bin/env python3
"""The digits_by_label run in plain numpy: what a job must arrive at, to compare models and curves with.

    reference.py                                  accuracy alone, then of each round together
    reference.py --rounds 50 --curve curve.json   also write the curve (.csv or .json)
    reference.py --weights expected.npz           also write the final weights w1, b1, w2, b2
    reference.py --rounds 0 --weights start.npz   write the start values, which the server begins with
    reference.py --compare model.npz              also compare weights (.npz, or the .txt of digits_offline)

Its numbers are those of mlp.c to the last bit, whatever the processor: sums add in the same order, which numpy's own matrix
product does not. README.md states each constant.
"""
import argparse
import csv
import json
import pathlib
import sys

import numpy as np

RATE = np.float32(0.1)
BATCH = 32
TOLERANCE = 1e-4  # the largest difference allowed in any weight after 20 rounds
NAMES = ("w1", "b1", "w2", "b2")
DATA = pathlib.Path(__file__).with_name("digits.csv")


def load(path, site, sites):
    """Returns (train_x, train_y), (test_x, test_y) as site number `site`, from 0, of `sites` sees them."""
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    labels, pixels = table[:, 0], (table[:, 1:] / 16).astype(np.float32)
    test = np.arange(len(table)) % 5 == 4
    mine = ~test & (labels * sites // 10 == site)
    return (pixels[mine], labels[mine]), (pixels[test], labels[test])


def local_epochs(sites):
    """To train in each round: with more than two sites their digits differ more."""
    return 1 if sites > 2 else 2


def initial_model():
    """The start values: uniform in [-limit, limit) from the top 24 bits of a 32-bit generator that starts at 1."""
    state = 1

    def uniform(shape, limit):
        nonlocal state
        values = np.empty(shape, np.float32)
        for i in range(values.size):
            state = (1664525 * state + 1013904223) % 2**32
            values.flat[i] = np.float32((state >> 8) / 2**23 - 1) * np.float32(limit)
        return values

    w1 = uniform((64, 32), (6 / (64 + 32)) ** 0.5)
    w2 = uniform((32, 10), (6 / (32 + 10)) ** 0.5)
    return {"w1": w1, "b1": np.zeros(32, np.float32), "w2": w2, "b2": np.zeros(10, np.float32)}


def product(a, b, start=np.float32(0)):
    """start + a b, each element added up from the first product to the last."""
    total = np.zeros((len(a), b.shape[1]), np.float32) + start
    for k in range(len(b)):
        total += a[:, k, None] * b[k]
    return total


def sum_rows(a):
    return product(np.ones((1, len(a)), np.float32), a)[0]


def forward(model, x):
    """Returns the hidden layer and the scores of the ten digits."""
    hidden = np.maximum(product(x, model["w1"], model["b1"]), 0)
    return hidden, product(hidden, model["w2"], model["b2"])


def accuracy(model, x, y):
    return float((forward(model, x)[1].argmax(axis=1) == y).mean())


def train(model, x, y, epochs):
    """Plain SGD on the cross-entropy, rows in the order of the file; returns a new model."""
    model = {name: model[name].copy() for name in NAMES}
    for _ in range(epochs):
        for start in range(0, len(y), BATCH):
            rows, labels = x[start : start + BATCH], y[start : start + BATCH]
            hidden, scores = forward(model, rows)
            below = scores - scores.max(axis=1, keepdims=True)
            delta = np.exp(below.astype(np.float64)).astype(np.float32)
            delta /= sum_rows(delta.T)[:, None]
            delta[np.arange(len(labels)), labels] -= 1
            delta /= np.float32(len(labels))
            delta_hidden = product(delta, model["w2"].T) * (hidden > 0)
            model["w2"] -= RATE * product(hidden.T, delta)
            model["b2"] -= RATE * sum_rows(delta)
            model["w1"] -= RATE * product(rows.T, delta_hidden)
            model["b1"] -= RATE * sum_rows(delta_hidden)
    return model


def average(models, rows):
    """Federated averaging: each model counts by the number of rows it was trained with."""
    weights = np.array(rows, np.float64) / sum(rows)
    return {
        name: sum(weight * model[name].astype(np.float64) for weight, model in zip(weights, models)).astype(np.float32)
        for name in NAMES
    }


def together(path=DATA, rounds=20, sites=2):
    """Yields (round, accuracy, model) after each round, from round 1."""
    data = [load(path, site, sites)[0] for site in range(sites)]
    test = load(path, 0, sites)[1]
    model = initial_model()
    for number in range(1, rounds + 1):
        model = average([train(model, x, y, local_epochs(sites)) for x, y in data], [len(y) for _, y in data])
        yield number, accuracy(model, *test), model


def alone(path=DATA, rounds=20, sites=2):
    """The accuracy that each site reaches by itself with as many epochs."""
    for site in range(sites):
        own, test = load(path, site, sites)
        yield accuracy(train(initial_model(), *own, rounds * local_epochs(sites)), *test)


def read_weights(path):
    """Reads .npz, or text lines of `name index value` as digits_offline writes them."""
    if str(path).endswith(".npz"):
        with np.load(path) as file:
            return {name: file[name] for name in NAMES}
    model = {name: np.full_like(values, np.nan) for name, values in initial_model().items()}
    for line in pathlib.Path(path).read_text().splitlines():
        name, index, value = line.split()
        model[name].flat[int(index)] = float(value)
    return model


def largest_difference(one, other):
    """The largest absolute difference between two models; nan when a value is missing."""
    return float(np.max([np.abs(one[name] - np.reshape(other[name], one[name].shape)).max() for name in NAMES]))


def write_curve(path, curve):
    if path.endswith(".json"):
        pathlib.Path(path).write_text(json.dumps([{"round": n, "accuracy": a} for n, a in curve], indent=1) + "\n")
        return
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("round", "accuracy"), *curve])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default=DATA)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sites", type=int, default=2, choices=range(1, 11), metavar="1..10")
    parser.add_argument("--curve", metavar="FILE", help="write the accuracies (.csv or .json)")
    parser.add_argument("--weights", metavar="FILE", help="write the final weights (.npz)")
    parser.add_argument("--compare", metavar="FILE", help=f"weights that must be within {TOLERANCE:g} (.npz or .txt)")
    options = parser.parse_args()

    for site, value in enumerate(alone(options.data, options.rounds, options.sites), start=1):
        print(f"site-{site} alone: accuracy {value:.4f}")
    curve, model = [], initial_model()
    for number, value, model in together(options.data, options.rounds, options.sites):
        print(f"together, round {number}: accuracy {value:.4f}")
        curve.append((number, value))
    if options.curve:
        write_curve(options.curve, curve)
    if options.weights:
        np.savez(options.weights, **model)
    if options.compare:
        difference = largest_difference(model, read_weights(options.compare))
        print(f"{options.compare}: largest difference of a weight {difference:.1e}")
        return 0 if difference <= TOLERANCE else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
