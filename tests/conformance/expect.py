"""What an answer is expected to be: see "Expectations" in README.md."""
import re
from typing import Optional

from elements import describe, fill, fnv1a

# Statuses that say nothing went wrong, or are none of the library's: they need no message.
_WORDLESS = {"OK", "TIMEOUT", "ENDED", "STOPPED", "NOT_FOUND", "CANNOT", "INTERRUPTED", "UNKNOWN"}

_MATCHERS = {
    "any_of": lambda choices, got: any(mismatch(choice, got) is None for choice in choices),
    "matches": lambda pattern, got: isinstance(got, str) and re.search(pattern, got) is not None,
    "exactly": lambda value, got: type(got) is type(value) and got == value,  # where 1 is not 1.0
    "at_least": lambda least, got: _is_number(got) and got >= least,
    "at_most": lambda most, got: _is_number(got) and got <= most,
    "count": lambda count, got: isinstance(got, (list, dict)) and len(got) == count,
    "hash_of": lambda tensor, got: got == fnv1a(fill(tensor)),
}


def mismatch(expected, got, path: str = "answer") -> Optional[str]:
    """Where and how an answer is not as expected; None when it is."""
    if isinstance(expected, dict) and len(expected) == 1:
        (key, value), = expected.items()
        if key in _MATCHERS:
            return None if _MATCHERS[key](value, got) else _difference(path, expected, got)
        if key == "tensor":
            return mismatch(describe(value), got, path)
    if isinstance(expected, dict) and isinstance(got, dict):
        differences = (
            mismatch(value, got[key], f"{path}.{key}") if key in got else f"{path} has no {key!r}"
            for key, value in expected.items())
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        differences = (mismatch(value, got[i], f"{path}[{i}]") for i, value in enumerate(expected))
    elif expected == got and isinstance(expected, bool) == isinstance(got, bool):
        return None
    else:
        return _difference(path, expected, got)
    return next((difference for difference in differences if difference), None)


def mismatch_of_answer(expected: dict, got: dict) -> Optional[str]:
    """The same for a whole answer: OK unless another status is expected, and no failure without a message."""
    difference = mismatch({"status": "OK", **expected} if "any_of" not in expected else expected, got)
    if difference is None and got["status"] not in _WORDLESS and not got.get("message"):
        return f"the answer has the status {got['status']}, which is a failure, but no message"
    return difference


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _difference(path: str, expected, got) -> str:
    return f"{path}:\n    expected {_brief(expected)}\n    got      {_brief(got)}"


def _brief(value) -> str:
    text = repr(value)
    return text if len(text) <= 600 else text[:600] + " ..."
