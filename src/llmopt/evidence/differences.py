"""The winner against the start and the controls, on the same items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.groups import group_labels
from llmopt.evidence.words import ORDER, Word, needed, than, word_of
from llmopt.statistics import Difference, holm, paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.values import Evaluation, Item

START = "start"
"""Label of the starting solution."""


@dataclass(frozen=True)
class Versus:
    """What held-out items say about the winner and one other solution.

    Attributes:
        against: Label of the other one: the start, or a control.
        difference: Winner minus the other on the same items; above 0 the winner is better.
        corrected: The p-value after Holm's correction for all comparisons that are reported.
        word: What the winner is at the level of the report, by the corrected p-value.
    """

    against: str
    difference: Difference
    corrected: float
    word: Word


def compared(
    best: Evaluation,
    others: Sequence[tuple[str, Evaluation]],
    level: float,
    groups: Mapping[str, str],
) -> tuple[Versus, ...]:
    """Compare the winner with each of the others, and correct for their number.

    Args:
        best: What the winner got; an item that is unmeasured for one of two is left out.
        others: Label and evaluation of each other solution, on the same items in order.
        level: Confidence level of the intervals and words.
        groups: Which group each item belongs to, by its id; see :func:`difference_of`.

    Returns:
        One per other solution that shares a measured item with the winner.
    """
    found = [(label, difference_of(other, best, level, groups)) for label, other in others]
    known = [(label, difference) for label, difference in found if difference]
    corrected = holm([difference.p_value for _, difference in known])
    return tuple(
        Versus(label, difference, p_value, word_of(difference, p_value, level))
        for (label, difference), p_value in zip(known, corrected, strict=True)
    )


def difference_of(
    first: Evaluation, second: Evaluation, level: float, groups: Mapping[str, str]
) -> Difference | None:
    """Compare two on the items that were measured for both; None where there are none.

    Items of one group are not independent, such as one question that was asked several times, and
    are resampled together; an item that is in no group is its own.
    """
    pairs = [
        (f.score, s.score, f.weight, groups.get(f.item, f.item))
        for f, s in zip(first.outcomes, second.outcomes, strict=True)
        if f.score is not None and s.score is not None
    ]
    if not pairs:
        return None
    before, after, weights, clusters = zip(*pairs, strict=True)
    return paired_difference(before, after, weights, level, clusters=clusters)


def groups_of(items: Sequence[Item]) -> dict[str, str]:
    """Return which group each item belongs to, by its id; see :func:`group_labels`."""
    ids = (item.id for item in items)
    return dict(zip(ids, group_labels(items), strict=True))


def sentence(found: Sequence[Versus], shown: Presentation, *, tested: bool, same: bool) -> str:
    """Say what the comparisons say.

    Args:
        found: The winner against the start, unless it is the start, and against each control.
        shown: How the problem's scores are shown.
        tested: Whether the winner was tested at all.
        same: Whether the winner is the start.
    """
    start = next((versus for versus in found if versus.against == START), None)
    if same:
        said = "No gain: nothing that was tried did better than the starting solution."
    elif start is None or not tested:
        said = "Not tested: nothing is held out."
    else:
        said = _about_start(start, shown)
    return " ".join([said, *_about_controls([v for v in found if v is not start])])


def _about_start(versus: Versus, shown: Presentation) -> str:
    difference = versus.difference
    points = f"({shown.points(difference.mean)})"
    many = f"{difference.n} " if versus.word == "not distinguishable" else ""
    said = f"The winner is {than(versus.word)} the start on {many}held-out items {points}."
    if more := needed(difference, versus.word):
        said += f" About {more:,} of them would be needed to tell."
    return said


def _about_controls(found: Sequence[Versus]) -> list[str]:
    """Return a sentence about the controls, if there are any, that names them by word."""
    named = {word: [v.against for v in found if v.word == word] for word in ORDER}
    parts = [f"{than(word)} {_listed(names)}" for word, names in named.items() if names]
    return [f"Against the controls it is {'; '.join(parts)}."] if parts else []


def _listed(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)
