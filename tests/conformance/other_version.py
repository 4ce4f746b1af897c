#!/usr/bin/env python3
"""With a library of another version no binding opens an agent: it names both. Usage: other_version.py BUILD LANGUAGE...

The drivers find that library loaded already, in the place of the one that they were built with.
"""
import os
import sys

from driver import Program


def main() -> int:
    build, languages = sys.argv[1], sys.argv[2:]
    environment = dict(os.environ, LD_PRELOAD=os.path.join(build, "bin/flare_agent_0_2.so"))
    for language in languages:
        driver = Program([os.path.join(build, f"bin/conformance_driver_{language}")], environment)
        request = {"op": "open", "options": {"url": "memory://nobody"}}
        driver.send(request)
        answer = driver.answer(request)
        print(language, answer)
        assert answer["status"] == "INVALID_STATE", language
        assert "0.2.0" in answer["message"] and "0.1.0" in answer["message"], language
        driver.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
