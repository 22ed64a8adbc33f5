"""Which limit refused most proposals, and what a winner has dropped of the start."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from llmopt.core.problem import Advising
from llmopt.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmopt.core.problem import Problem

_MOST = 0.5  # a share of the proposals from which a limit decides the search
_METHODS = (
    (r"cut off ", "raise algorithm.max_tokens"),
    (r"changes \d+ words", "raise algorithm.words, or set algorithm.above"),
)
"""Reasons that a method gives, and which of its options they come from."""


def on_refusals(problem: Problem, rejected: Mapping[str, int], candidates: int) -> list[str]:
    """Name each limit that refused half of the proposals or more, and which key to change.

    Args:
        problem: What was optimized; it may know where its own reasons come from.
        rejected: Counts of refused proposals by reason.
        candidates: Proposals that were not refused.
    """
    proposals = sum(rejected.values()) + candidates
    counts: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    for reason, count in Counter(rejected).most_common():
        remedy = _remedy(problem, reason)
        if remedy:
            counts[remedy] += count
            reasons.setdefault(remedy, reason)
    return [
        f"{count} of {proposals} proposals were refused for one reason "
        f"({one_line(reasons[remedy])}): {remedy}."
        for remedy, count in counts.most_common()
        if count >= _MOST * proposals
    ]


def _remedy(problem: Problem, reason: str) -> str:
    said = problem.remedy(reason) if isinstance(problem, Advising) else ""
    return said or next((key for form, key in _METHODS if re.match(form, reason)), "")


def dropped_by(problem: Problem, best: str) -> tuple[str, ...]:
    """Return which parts of the first starting solution a winner has dropped, as phrases."""
    return tuple(problem.dropped(best)) if isinstance(problem, Advising) else ()


def on_dropped(dropped: Sequence[str]) -> Iterator[str]:
    """Point out a winner that dropped parts of the start."""
    if dropped:
        yield (
            f"The winner dropped parts of the start: {'; '.join(dropped)}. The metric does not see "
            "what they were for: read it before it is used, and demand what must stay "
            "(problem.required, problem.placeholders)."
        )
