"""Pairs of a slow and a faster program, and which of them fit what was tried."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from llmopt.errors import ConfigError
from llmopt.parts.program_structure import abstracted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_B, _K1 = 0.4, 1.5
_KEYS = (("slow", "fast"), ("query", "reference"), ("src_v0", "src_v1"))

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class SpeedPattern:
    """A pair of programs that do the same.

    Attributes:
        slow: The slower one.
        fast: The faster one.
    """

    slow: str
    fast: str

    @property
    def usable(self) -> bool:
        """Whether both parse, and differ in more than names."""
        slow, fast = abstracted(self.slow), abstracted(self.fast)
        return slow is not None and fast is not None and slow != fast


@lru_cache(maxsize=8)
def patterns_of(text: str) -> tuple[SpeedPattern, ...]:
    """Return the pairs of a text of JSON lines that can be used.

    Args:
        text: Each line has ``slow`` and ``fast``, or ``query`` and ``reference``, or ``src_v0``
            and ``src_v1``, as the files of PIE have. Empty lines are passed over.

    Raises:
        ConfigError: A line is not such a pair.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            slow, fast = next((row[a], row[b]) for a, b in _KEYS if a in row and b in row)
            found.append(SpeedPattern(str(slow), str(fast)))
        except (ValueError, TypeError, StopIteration) as error:
            raise ConfigError(
                'a pattern is a JSON line with "slow" and "fast", but line '
                f"{number} is {line!r:.60}; write one pair on each line"
            ) from error
    return tuple(pattern for pattern in found if pattern.usable)


@lru_cache(maxsize=4096)
def changes(slow: str, fast: str) -> tuple[Tokens, Tokens]:
    """Return the tokens that an edit takes out and puts in, without names; none if one is broken.

    Args:
        slow: The program before it.
        fast: The program after it.
    """
    before, after = abstracted(slow), abstracted(fast)
    if before is None or after is None:
        return (), ()
    out: list[str] = []
    new: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            out += before[a:b]
            new += after[c:d]
    return tuple(out), tuple(new)


def bm25(query: Sequence[str], documents: Sequence[Sequence[str]]) -> Floats:
    """Return how well documents match a query (Okapi BM25 with b = 0.4 and k1 = 1.5).

    The weight of a token that is in n of N documents is ``log(1 + (N - n + 0.5) / (n + 0.5))``.
    """
    counts = [Counter(document) for document in documents]
    mean = sum(map(len, documents)) / max(1, len(documents)) or 1.0
    scores = np.zeros(len(documents))
    for token in dict.fromkeys(query):
        holding = sum(token in count for count in counts)
        weight = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for at, count in enumerate(counts):
            long = _K1 * (1 - _B + _B * len(documents[at]) / mean)
            scores[at] += weight * count[token] * (_K1 + 1) / (count[token] + long)
    return scores


def spread(scores: Floats) -> Floats:
    """Return scores from 0 for the lowest to 1 for the highest; 0 for all where all are equal."""
    low, high = float(scores.min(initial=math.inf)), float(scores.max(initial=-math.inf))
    return (scores - low) / (high - low) if high > low else np.zeros(len(scores))


def fitting(
    program: str, tried: Sequence[str], base: Sequence[SpeedPattern], count: int
) -> tuple[SpeedPattern, ...]:
    """Return the patterns that suit a program and what was tried on it.

    Each is first valued by how alike its slow program is. For each program tried, whose edit is
    compared with those of the patterns by what is taken out and what is put in, the better half is
    valued more in one sum, and the worse half in another one, the less alike the more.

    Args:
        program: The program that is made faster.
        tried: Versions of it.
        base: The patterns.
        count: 1: the highest in the first sum, an edit like those tried. 2: also the highest of
            the others in the second sum, an edit unlike those. 0: none.

    Returns:
        At most `count`; none where the program does not parse.
    """
    tokens = abstracted(program)
    if not base or not count or tokens is None:
        return ()
    kinship = spread(bm25(tokens, [abstracted(one.slow) or () for one in base]))
    similar, different = kinship.copy(), kinship.copy()
    edits = [changes(one.slow, one.fast) for one in base]
    for version in tried:
        out, new = changes(program, version)
        found = bm25(out, [edit[0] for edit in edits]) + bm25(new, [edit[1] for edit in edits])
        if found.max() <= found.min():
            continue
        alike = spread(found)
        middle = float(np.median(alike))
        similar += np.where(alike < middle, 0, alike) / len(tried)
        different += np.where(alike > middle, 0, alike.max() - alike) / len(tried)
    first = int(similar.argmax())
    chosen = [first]
    if count > 1 and len(base) > 1:
        different[first] = -math.inf
        chosen.append(int(different.argmax()))
    return tuple(base[at] for at in chosen)
