"""Reads scenarios.json and writes out what is short there: see "Scenarios" in README.md."""
import json
import os

from elements import DTYPES


def load(folder: str) -> list:
    with open(os.path.join(folder, "scenarios.json"), encoding="utf-8") as file:
        return _written_out(json.load(file))


def _written_out(part):
    if isinstance(part, dict):
        if "repeat" in part:
            return part["repeat"] * part["times"]
        if "each" in part:
            return [_written_out(_filled(part["give"], part["each"], value)) for value in _values(part["in"])]
        if "for" in part:
            return {"for": part["for"], "rounds": [
                (value, _written_out(_filled(part["do"], part["for"], value))) for value in _values(part["in"])]}
        return {key: _written_out(child) for key, child in part.items()}
    if isinstance(part, list):
        return [_written_out(child) for child in part]
    return part


def _values(values) -> list:
    if values == "dtypes":
        return list(DTYPES)
    return list(range(values)) if isinstance(values, int) else values


def _filled(part, variable, value):
    """The same with the value in the place of $variable; several variables take several values."""
    if isinstance(variable, list):
        for name, one in zip(variable, value):
            part = _filled(part, name, one)
        return part
    if isinstance(part, dict):
        return {_filled(key, variable, value): _filled(child, variable, value) for key, child in part.items()}
    if isinstance(part, list):
        return [_filled(child, variable, value) for child in part]
    if part == "$" + variable:
        return value
    return part.replace("$" + variable, str(value)) if isinstance(part, str) else part
