"""How a test runs a program: which script, with which files, and what it reads.

A program that reads its input is run itself. A function, and functions of tests, are called by a
script that imports the program.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.problems.code.code_tests import CodeTest

_CALL = """\
import importlib, json, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
given = json.loads(sys.stdin.read())
out, sys.stdout = sys.stdout, sys.stderr
arguments = given["arguments"]
def plain(value):
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, complex):
        return [value.real, value.imag]
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"a result that is no JSON: {type(value).__name__}")
def written(value):
    return json.dumps(value, default=plain, sort_keys=True)
function = getattr(importlib.import_module(given["module"]), given["function"])
named = isinstance(arguments, dict)
result = written(function(**arguments) if named else function(*arguments))
out.write(f"{result}\\n{written(arguments)}\\n")
out.flush()
"""

_CHECK = """\
import importlib, json, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
given = json.loads(sys.stdin.read())
out, sys.stdout = sys.stdout, sys.stderr
getattr(importlib.import_module(given["tests"]), given["function"])()
out.write(given["word"] + "\\n")
out.flush()
"""

_TESTS = "llmopt_tests"


@dataclass(frozen=True)
class Arranged:
    """What is run for a test.

    Attributes:
        script: Name of the file that is run.
        files: Names and texts of all files.
        given: What it reads from its standard input.
    """

    script: str
    files: dict[str, str]
    given: bytes


def passed_word(test: CodeTest) -> str:
    """Return what is written once a test function has returned.

    A program that ends before it does not write it.
    """
    return f"passed {test.name}"


def arranged(program: str, stem: str, function: str, test: CodeTest) -> Arranged:
    """Return what is run for a test of a program.

    Args:
        program: The program's text.
        stem: Name of the program's file without ``.py``, by which tests import it.
        function: The function that tests of arguments call.
        test: The test.
    """
    name = f"{stem}.py"
    if test.kind == "stdin":
        return Arranged(name, {name: program}, test.given.encode("utf-8", "surrogatepass"))
    if test.kind == "call":
        content = {"module": stem, "function": function, "arguments": json.loads(test.given)}
        files = {name: program, "llmopt_call.py": _CALL}
        return Arranged("llmopt_call.py", files, json.dumps(content).encode())
    content = {"tests": _TESTS, "function": test.given, "word": passed_word(test)}
    files = {name: program, f"{_TESTS}.py": test.source, "llmopt_check.py": _CHECK}
    return Arranged("llmopt_check.py", files, json.dumps(content).encode())
