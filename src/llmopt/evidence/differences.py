"""The winner against the start and the controls, on the same items.

The start is the one comparison that a run is made for, so it is tested first, at the full level.
The controls are tested only if it shows a difference, by Holm's method among themselves. Tests in
a sequence that was fixed beforehand need no correction for each other (Maurer, Hothorn and
Lehmacher 1995): the chance that any word is wrong stays at the level, and no control takes anything
from the power of the first comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.core.formatting import counted
from llmopt.core.groups import group_labels
from llmopt.evidence.classes import classes_of
from llmopt.evidence.scores import LEVEL
from llmopt.evidence.words import ORDER, Word, can_show, than, word_of
from llmopt.statistics import Difference, Interval, holm, paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.problem import Conclusion
    from llmopt.core.values import Evaluation, Item, Outcome

START = "start"
"""Label of the starting solution."""


@dataclass(frozen=True)
class Versus:
    """What held-out items say about the winner and one other solution.

    Attributes:
        against: Label of the other one: the start, or a control.
        difference: Winner minus the other on the same items; above 0 the winner is better.
        corrected: The p-value that decides: the largest that the answers missing on one side can
            give, corrected for the comparisons that are tested with it, never below that of the
            start, which is tested first, and corrected for earlier looks at the items
            (:mod:`llmopt.evidence.looks`).
        word: What the winner is at the level of the report, by the corrected p-value; ``not
            tested`` for a control where the start, which comes first, shows no difference.
        missing: Items on which only one of the two was measured.
        bounds: Where items are missing and scores have bounds: the mean difference if each
            missing answer were the worst or the best possible for the winner.
        family: How many comparisons it is corrected for, this one included; None in results of
            older versions, where it was all of them.
    """

    against: str
    difference: Difference
    corrected: float
    word: Word
    missing: int = 0
    bounds: Interval | None = None
    family: int | None = None


def compared(
    best: Evaluation,
    others: Sequence[tuple[str, Evaluation]],
    level: float,
    groups: Mapping[str, str],
    scale: tuple[float, float] | None = None,
) -> tuple[Versus, ...]:
    """Compare the winner with the start first, and then with the controls.

    Where the winner is the start, or the start shares no measured item with it, the controls are
    all there is, and are corrected among themselves.

    Args:
        best: What the winner got; an item that is unmeasured for one of two is left out.
        others: Label and evaluation of each other solution, on the same items in order.
        level: Confidence level of the intervals and words.
        groups: Which group each item belongs to, by its id; see :func:`difference_of`.
        scale: The least and the highest score of an item, as they are inside; None: unknown.

    Returns:
        One per other solution that shares a measured item with the winner, in their order.
    """
    made = [
        _alone(label, other, best, level=level, groups=groups, scale=scale)
        for label, other in others
    ]
    found = [versus for versus in made if versus]
    first = next((versus for versus in found if versus.against == START), None)
    rest = [versus for versus in found if versus is not first]
    floor = 0.0 if first is None else first.corrected
    closed = first is not None and first.word == "not distinguishable"
    for versus, p_value in zip(rest, holm([v.corrected for v in rest]), strict=True):
        decides = max(floor, p_value)
        word = "not tested" if closed else word_of(versus.difference, decides, level)
        changed = replace(versus, corrected=decides, word=word, family=len(rest))
        found[found.index(versus)] = changed
    return tuple(found)


def concluded(found: tuple[Versus, ...], conclusion: Conclusion | None) -> tuple[Versus, ...]:
    """Return the comparisons with the word for the start that a problem itself gives."""
    if conclusion is None:
        return found
    return tuple(
        replace(versus, word=conclusion.word) if versus.against == START else versus
        for versus in found
    )


def _alone(
    label: str,
    other: Evaluation,
    best: Evaluation,
    *,
    level: float,
    groups: Mapping[str, str],
    scale: tuple[float, float] | None,
) -> Versus | None:
    """Compare the winner with one other, whatever else is compared; None: nothing in common."""
    difference = difference_of(other, best, level, groups)
    if difference is None:
        return None
    pairs = zip(other.outcomes, best.outcomes, strict=True)
    missing = sum((o.score is None) != (b.score is None) for o, b in pairs)
    p_value, bounds = difference.p_value, None
    if missing and scale:
        ends = [
            difference_of(_filled(other, best, high), _filled(best, other, low), level, groups)
            for low, high in (scale, scale[::-1])
        ]
        worst, luckiest = (end or difference for end in ends)
        bounds = Interval(worst.mean, luckiest.mean)
        p_value = max(p_value, worst.p_value, luckiest.p_value)
        if worst.mean * luckiest.mean <= 0:
            p_value = 1.0
    word = word_of(difference, p_value, level)
    return Versus(label, difference, p_value, word, missing, bounds, 1)


def _filled(evaluation: Evaluation, other: Evaluation, score: float) -> Evaluation:
    """Return an evaluation with a score for what is missing here and measured for the other.

    What is missing for both says nothing about the two, and stays missing.
    """

    def known(mine: Outcome, its: Outcome) -> Outcome:
        lost = mine.score is None and its.score is not None
        return replace(mine, score=score) if lost else mine

    pairs = zip(evaluation.outcomes, other.outcomes, strict=True)
    return replace(evaluation, outcomes=tuple(known(*pair) for pair in pairs))


def on_correction(found: Sequence[tuple[str, str, int | None]]) -> str:
    """Say in which order several comparisons were tested, and how their p-values are corrected.

    Args:
        found: Of each, whom the winner was compared with, the word, and how many comparisons the
            p-value is corrected for; None in results of older versions.
    """
    if any(family is None for _, _, family in found):
        return f"p-values are corrected for all {len(found)} comparisons (Holm), intervals are not"
    controls = [word for against, word, _ in found if against != START]
    many = counted(len(controls), "control")
    corrected = f"the p-values of {many} are corrected for their number (Holm), intervals are not"
    if len(controls) == len(found):
        return corrected
    if "not tested" in controls:
        rest = "the controls are" if controls[1:] else "the control is"
        return f"the start is tested first and shows no difference, so {rest} not tested"
    first = "the start is tested first"
    return f"{first}; {corrected}" if controls[1:] else f"{first}, and then {many}"


def scale_of(shown: Presentation) -> tuple[float, float] | None:
    """Return the least and the highest score of an item, as they are inside; None: unknown."""
    if not shown.shares:
        return None
    return (0.0, 1.0) if shown.higher_is_better else (-1.0, 0.0)


def difference_of(
    first: Evaluation, second: Evaluation, level: float, groups: Mapping[str, str]
) -> Difference | None:
    """Compare two on the items that were measured for both; None where there are none.

    Items of one group are not independent, such as one question that was asked several times, and
    are resampled together; an item that is in no group is its own. Where weights balance classes,
    they are compared class by class.
    """
    pairs = [
        (f.score, s.score, f.weight, groups.get(f.item, f.item))
        for f, s in zip(first.outcomes, second.outcomes, strict=True)
        if f.score is not None and s.score is not None
    ]
    if not pairs:
        return None
    before, after, weights, clusters = zip(*pairs, strict=True)
    if all(-1 <= score <= 0 for score in (*before, *after)):  # shares of which lower is better
        before, after = (tuple(1 + score for score in scores) for scores in (before, after))
    share = all(0 <= score <= 1 for score in (*before, *after))
    classes = classes_of(weights) if share else None
    return paired_difference(before, after, weights, level, clusters=clusters, classes=classes)


def groups_of(items: Sequence[Item]) -> dict[str, str]:
    """Return which group each item belongs to, by its id; see :func:`group_labels`."""
    ids = (item.id for item in items)
    return dict(zip(ids, group_labels(items), strict=True))


def sentence(
    found: Sequence[Versus],
    shown: Presentation,
    *,
    tested: bool,
    unbeaten: str = "",
    level: float = LEVEL,
) -> str:
    """Say what the comparisons say.

    Args:
        found: The winner against the start, unless it is the start, and against each control.
        shown: How the problem's scores are shown.
        tested: Whether the winner was tested at all.
        unbeaten: Where the winner is the start: what did not do better than it, on what.
        level: The confidence level at which words were chosen.
    """
    start = next((versus for versus in found if versus.against == START), None)
    if unbeaten:
        said = f"No gain: {unbeaten}."
    elif start is None or not tested:
        said = "Not tested: nothing is held out."
    else:
        said = _about_start(start, shown, level)
    return " ".join([said, *_about_controls([v for v in found if v is not start])])


def _about_start(versus: Versus, shown: Presentation, level: float) -> str:
    difference = versus.difference
    points = f"({shown.points(difference.mean)})"
    many = f"{difference.n:,} " if versus.word == "not distinguishable" else ""
    said = f"The winner is {than(versus.word)} the start on {many}held-out items {points}."
    more = can_show(difference, versus.word, shown)
    return " ".join(part for part in (said, *about_missing(versus, shown, level), more) if part)


def about_missing(versus: Versus, shown: Presentation, level: float) -> list[str]:
    """Say what the answers that only one of the two has could change."""
    if not versus.missing:
        return []
    answers = counted(versus.missing, "answer")
    if versus.bounds is None:
        return [f"What {answers} missing on one side would change is unknown."]
    low, high = shown.number(versus.bounds.low, signed=True), shown.points(versus.bounds.high)
    said = f"Counting {answers} missing on one side at worst and at best, it is {low} to {high}"
    lost = versus.word == "not distinguishable" and versus.difference.p_value < 1 - level
    return [f"{said}, and one of these ends shows no difference." if lost else f"{said}."]


def _about_controls(found: Sequence[Versus]) -> list[str]:
    """Return a sentence about the controls, if there are any, that names them by word."""
    named = {word: [v.against for v in found if v.word == word] for word in ORDER}
    closed = named.pop("not tested")
    parts = [f"{than(word)} {_listed(names)}" for word, names in named.items() if names]
    said = [f"Against the controls it is {'; '.join(parts)}."] if parts else []
    if closed:
        said.append(
            f"It is not tested against {_listed(closed)}: controls come after the start, and only "
            "if that one differs."
        )
    return said


def _listed(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)
