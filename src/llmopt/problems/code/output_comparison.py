"""Whether what a program wrote is what it should have written."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

from llmopt.errors import UnknownNameError

Compare = Literal["exact", "lines", "tokens", "numbers"]

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
_WIDTH = 200  # characters of a line that are shown


def check_compare(name: str) -> None:
    """Refuse a name that is no comparison.

    Raises:
        UnknownNameError: No comparison has this name.
    """
    if name not in get_args(Compare):
        raise UnknownNameError("a comparison of outputs", name, get_args(Compare))


def agrees(how: Compare, expected: str, got: str) -> bool:
    """Return whether an output is the expected one.

    Args:
        how: ``exact``; ``lines``: white space at the end of lines and empty lines at the end do
            not count; ``tokens``: any white space counts as one; ``numbers``: as tokens, and
            numbers may differ by a millionth of their size, or by 1e-9.
        expected: What should be written.
        got: What was written.
    """
    if how == "exact":
        return expected == got
    if how == "lines":
        return _lines(expected) == _lines(got)
    left, right = expected.split(), got.split()
    if how == "tokens":
        return left == right
    return len(left) == len(right) and all(map(_alike, left, right))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _alike(left: str, right: str) -> bool:
    if left == right:
        return True
    if _NUMBER.sub("#", left) != _NUMBER.sub("#", right):
        return False
    pairs = zip(_NUMBER.findall(left), _NUMBER.findall(right), strict=True)
    return all(
        math.isclose(float(one), float(other), rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        for one, other in pairs
    )


def difference_in_words(expected: str, got: str) -> str:
    """Return the first line that differs, with what was expected there."""
    left, right = _lines(expected), _lines(got)
    for number, line in enumerate(left, 1):
        other = right[number - 1] if number <= len(right) else None
        if line != other:
            end = "nothing" if other is None else _cut(other)
            return f"line {number}: expected {_cut(line)}, got {end}"
    if len(right) > len(left):
        return f"line {len(left) + 1}: expected nothing, got {_cut(right[len(left)])}"
    return "white space differs"


def _cut(line: str) -> str:
    return repr(line if len(line) <= _WIDTH else line[:_WIDTH] + "…")
