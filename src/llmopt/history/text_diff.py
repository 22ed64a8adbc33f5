"""A word-by-word diff of two texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Change:
    """A stretch of two texts.

    Attributes:
        kind: In both, only in the old text, or only in the new one.
        text: The stretch, white space included.
    """

    kind: Literal["same", "out", "in"]
    text: str


def changes(old: str, new: str) -> tuple[Change, ...]:
    """Return how `old` becomes `new`, by whole words, signs and stretches of white space.

    The stretches that are not "in" make up the old text, those that are not "out" the new one.
    """
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    found: list[Change] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, i, j, k, n in matcher.get_opcodes():
        if kind == "equal":
            found.append(Change("same", "".join(before[i:j])))
            continue
        if j > i:
            found.append(Change("out", "".join(before[i:j])))
        if n > k:
            found.append(Change("in", "".join(after[k:n])))
    return tuple(_joined(found))


def _joined(found: list[Change]) -> list[Change]:
    """Return the same with single blanks between two changes taken into them.

    Two words that were replaced one after the other read as one replacement.
    """
    made: list[Change] = []
    out = into = ""
    for at, change in enumerate(found):
        blank = change.kind == "same" and change.text.isspace()
        between = blank and (out or into) and at + 1 < len(found)
        if change.kind == "same" and not between:
            made += _both(out, into)
            made.append(change)
            out = into = ""
            continue
        out += change.text if change.kind != "in" else ""
        into += change.text if change.kind != "out" else ""
    return made + _both(out, into)


def _both(out: str, into: str) -> list[Change]:
    if out == into:
        return [Change("same", out)] if out else []
    parts = (Change("out", out), Change("in", into))
    return [part for part in parts if part.text]
