"""The test cases of a promptfoo configuration as rows: its variables, and what is expected.

Only what says *the answer is this text* can be used: ``equals``, ``contains`` and ``icontains``.
Whatever judges an answer in another way is refused, because a search would then aim at something
else than the configuration tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError, MissingExtraError
from llmopt.problems.data.records import DataRecord, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = "target"
"""The column that an assertion's value goes to, unless a variable has that name."""

Read = Callable[[Path], "Iterator[DataRecord]"]
"""Reads the rows of a file of data; handed in by the module that knows all formats."""

_GIVES_TARGET = ("equals", "contains", "icontains")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LITERAL = re.compile(r'\{\{\s*("(?:[^"\\]|\\.)*")\s*\}\}')
_EXPECTED = re.compile(r"([a-z][a-z-]*)(?:\([^)]*\))?\s*:(.*)", re.DOTALL)
_JUDGES = ("eval", "fn", "grade", "javascript", "llm-rubric", "python", "regex", "similar")
"""Assertions that a cell of a table may begin with, beside those that give a target."""

_FILE = "file://"


def is_promptfoo(data: Any) -> bool:
    """Return whether decoded JSON or YAML is a promptfoo configuration."""
    return isinstance(data, dict) and "tests" in data and bool({"prompts", "providers"} & set(data))


def read_yaml(path: Path, read: Read) -> Iterator[DataRecord]:
    """Yield the test cases of a promptfoo configuration in YAML.

    Every scalar is the text that is written: ``yes`` and ``1.0`` stay what they are.

    Raises:
        MissingExtraError: PyYAML is not installed.
        DataError: It is no such configuration, or a test case cannot be used.
    """
    data = _yaml(path)
    if not is_promptfoo(data):
        raise DataError(
            f"{path}: a YAML file of data is a promptfoo configuration with prompts and tests, "
            "but this is none; convert it to CSV or JSON Lines"
        )
    return test_cases(data, path, read)


def test_cases(data: dict[str, Any], path: Path, read: Read) -> Iterator[DataRecord]:
    """Yield the test cases of a decoded configuration: their variables and their target.

    Args:
        data: The configuration.
        path: Its file, for messages, and because it may name further files.
        read: Reads such a file.

    Raises:
        DataError: A test case cannot be used; the message names it and what it has.
    """
    default = data.get("defaultTest") or {}
    if not isinstance(default, dict):
        raise DataError(f"{path}: defaultTest is written in the file, but got {default!r}")
    for place, test in _tests(data["tests"], path, read):
        made = {**default.get("vars", {}), **_table(place, test.get("vars") or {})}
        values = {name: _text(place, name, value) for name, value in made.items()}
        if TARGET not in values:
            judged = [*(default.get("assert") or ()), *(test.get("assert") or ())]
            values[TARGET] = _target(place, judged, made)
        yield DataRecord(place, values)


def _tests(tests: Any, path: Path, read: Read) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and data of every test case, from further files as well."""
    for number, test in enumerate(tests if isinstance(tests, list) else [tests], start=1):
        if isinstance(test, str):
            yield from _file(path.parent / test.removeprefix(_FILE), read)
        else:
            place = f"{path}, test {number}"
            yield place, _table(place, test)


def _file(path: Path, read: Read) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the test cases of a file: a table with a column ``__expected``, or a list."""
    if path.suffix in (".yaml", ".yml"):
        yield from _tests(_yaml(path), path, read)
        return
    if path.suffix not in (".csv", ".json", ".jsonl"):
        raise DataError(
            f"test cases are in .csv, .json, .jsonl or .yaml files, but got {str(path)!r}"
        )
    for record in read(path):
        values = dict(record.values)
        if path.suffix != ".csv":
            yield record.place, values
            continue
        expected = str(values.pop("__expected", ""))
        variables = {name: value for name, value in values.items() if not name.startswith("__")}
        judged = [_judging(expected)] if expected else []
        yield record.place, {"vars": variables, "assert": judged}


def _judging(cell: str) -> dict[str, str]:
    """Return the assertion that a cell of a table stands for: plain text is what is equal."""
    found = _EXPECTED.fullmatch(cell)
    if found and found[1] in (*_GIVES_TARGET, *_JUDGES):
        return {"type": found[1], "value": found[2].strip()}
    return {"type": "equals", "value": cell}


def _target(place: str, judged: list[Any], variables: dict[str, Any]) -> str:
    """Return the one text that all assertions of a test case expect."""
    found = set()
    for assertion in judged:
        kind = _table(place, assertion).get("type")
        if kind not in _GIVES_TARGET or "transform" in assertion:
            what = f"{kind!r}" + (" with a transform" if "transform" in assertion else "")
            raise DataError(
                f"{place}: an assertion is one of {', '.join(_GIVES_TARGET)}, but got {what}; "
                f"leave it out, or give the expected answer as the variable {TARGET!r}"
            )
        value = assertion.get("value", "")
        named = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
        if named and named[1] in variables:
            value = variables[named[1]]
        found.add(_text(place, "assert", value))
    if len(found) != 1:
        raise DataError(
            f"{place}: a test case expects one answer, but got {len(found)}; give it as an "
            f"assertion 'equals', or as the variable {TARGET!r}"
        )
    return found.pop()


def _text(place: str, name: str, value: Any) -> str:
    """Return a value as the text that promptfoo makes of it."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise DataError(f"{place}, {name!r}: a value is a text, but got {value!r}")
    if value.startswith(_FILE):
        raise DataError(f"{place}, {name!r}: a value stands in the file itself, but got {value!r}")
    literals: list[str] = []

    def kept(found: re.Match[str]) -> str:
        literals.append(json.loads(found[1]))
        return "\0"  # text of data files has none

    rest = _LITERAL.sub(kept, value)
    if "{{" in rest or "{%" in rest:
        raise DataError(
            f"{place}, {name!r}: a value is a text, but got the template {value!r}; write out "
            "what it stands for"
        )
    for literal in literals:
        rest = rest.replace("\0", literal, 1)
    return rest


def _table(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f"{place}: test cases, variables and assertions are tables, but got {value!r}"
        )
    return value


def _yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("reading YAML files", "promptfoo") from error
    text = read_text(path)
    try:
        # Not one of PyYAML's own readings, which make true of yes and 1 of 01.
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists, dicts
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise DataError(
            f"{where}: the data is valid YAML, but got: {getattr(error, 'problem', error)}"
        ) from error
