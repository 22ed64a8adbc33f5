"""Labels of the data that are written in several ways, or look as if one were a slip."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from llmopt.problems.answers.cleaning import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORT = 4  # letters; shorter words that differ in one are different words
_MOST = 60  # labels; more are no closed set


def spellings(targets: Iterable[str]) -> dict[str, list[str]]:
    """Return labels that differ only in case, blanks or end marks, by the one they count as.

    It is the first in alphabetical order, which has capital letters before small ones.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for target in targets:
        found[normalize(target)].add(target)
    return {min(ways): sorted(ways) for ways in found.values()}


def lookalikes(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of labels of which one may be a slip of the other.

    They differ in what is between words, in a closing s, or in one letter of a word; numbers and
    short words that differ are meant so.
    """
    known = sorted(set(labels))
    if len(known) > _MOST:
        return []
    return [(a, b) for a, b in combinations(known, 2) if _alike(a, b)]


def _alike(one: str, other: str) -> bool:
    a, b = (re.findall(r"\w+", text.casefold().replace("_", " ")) for text in (one, other))
    if not a or not b or one == other:
        return False
    if "".join(a) == "".join(b):
        return True
    if len(a) != len(b):
        return False
    apart = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    if len(apart) != 1:
        return False
    x, y = apart[0]
    if min(len(x), len(y)) < _SHORT or any(c.isdigit() for c in x + y):
        return False
    from rapidfuzz.distance import OSA

    # A letter before a whole word is a prefix: "typical" and "atypical" are two labels.
    return OSA.distance(x, y) == 1 and not (x.endswith(y) or y.endswith(x))
