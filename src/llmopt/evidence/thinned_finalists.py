"""Finalists are dropped on the way through validation: fewer of them are measured on more items.

After a quarter, a half and three quarters of the items, a third of the finalists goes, the worst by
train and validation; two at least, and the start, are measured on all items. What was measured of
the others is partial and ranks behind. In simulated searches and recorded tables
(`benchmarks/finals.py`) that is 73 % of the calls at an equal result. Only the front of a run
loses: its members are those that were measured in full.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from llmopt.core.values import Evaluation
from llmopt.evidence.finalists import standing
from llmopt.evidence.pooled import pooled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from llmopt.core.part import Measure
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item, Outcome

_LOOKS = (0.25, 0.5, 0.75)  # shares of the items after which finalists go
_STAYING = 2 / 3  # of them, each time
_FEWEST = 2  # that are measured on all of them, in addition to the start


def thinned_calls(finalists: int, items: int) -> int:
    """Return how many evaluations of finalists there are, without those of the start."""
    return sum(left * (end - begin) for left, begin, end in _rounds(finalists, items))


async def thinned(
    entries: Sequence[Entry], start: Entry, items: Sequence[Item], measure: Measure
) -> dict[str, Evaluation]:
    """Measure finalists on validation; return what each got, by id.

    Args:
        entries: The finalists, with the start among them.
        start: The solution to beat, which stays to the end.
        items: All validation items, in an order that has nothing to do with the scores.
        measure: Measures jobs.
    """
    found: dict[str, list[Outcome]] = {entry.candidate.id: [] for entry in entries}
    left = [entry for entry in entries if entry is not start]
    for most, begin, end in _rounds(len(left), len(items)):
        left = _best(left, found, begin)[:most]
        jobs = [(entry, item) for entry in (*left, start) for item in items[begin:end]]
        outcomes = await measure([(entry.candidate, item) for entry, item in jobs])
        for (entry, _), outcome in zip(jobs, outcomes, strict=True):
            found[entry.candidate.id].append(outcome)
    return {key: Evaluation(tuple(outcomes), len(items)) for key, outcomes in found.items()}


def on_thinning(held: Collection[Evaluation]) -> list[str]:
    """Say how many finalists were measured on a part of the validation items only."""
    dropped = sum(dropped_on_the_way(one) for one in held)
    if not dropped:
        return []
    who = f"{dropped} of {len(held)} finalists"
    return [f"{who} were dropped on the way through validation, and rank behind the others."]


def dropped_on_the_way(one: Evaluation) -> bool:
    """Return whether a finalist was not tried on all items."""
    return len(one.outcomes) < one.planned


def _rounds(finalists: int, items: int) -> Iterator[tuple[int, int, int]]:
    """Yield how many finalists are measured from which item to which."""
    ends = [*(round(share * items) for share in _LOOKS), items]
    left, begin = finalists, 0
    for end in ends:
        yield left, begin, end
        left, begin = min(left, max(_FEWEST, math.ceil(_STAYING * left))), end


def _best(left: Sequence[Entry], found: dict[str, list[Outcome]], seen: int) -> list[Entry]:
    """Return finalists, best first, by train and what is known of validation."""
    held = {key: Evaluation(tuple(outcomes), seen) for key, outcomes in found.items() if outcomes}
    scores = pooled(left, held)
    ids = {entry: entry.candidate.id for entry in left}
    ranked = {e: standing(held.get(key), e, e, scores.get(key)) for e, key in ids.items()}
    return sorted(left, key=lambda entry: ranked[entry], reverse=True)
